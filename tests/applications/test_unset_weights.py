from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from s2s_keras.applications._unset_weights import unset_weights


def kernel():
    layer = keras.layers.Dense(3)
    layer.build((None, 2))
    return keras.ops.convert_to_numpy(layer.kernel)


def test_weights_that_will_be_loaded_are_zeros_in_this_thread_alone():
    with unset_weights(), ThreadPoolExecutor(1) as pool:
        assert not kernel().any()
        assert pool.submit(kernel).result().all()
    assert kernel().all()


def test_weights_are_random_again_after_an_error():
    with pytest.raises(KeyError), unset_weights():
        raise KeyError
    assert np.ptp(kernel()) > 0.0
