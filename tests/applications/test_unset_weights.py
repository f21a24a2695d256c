import threading
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


def test_two_threads_that_load_leave_nothing_behind():
    before, inside, done = keras.initializers.VarianceScaling.__call__, threading.Event(), threading.Event()

    def load_for_long():
        with unset_weights():
            inside.set()
            done.wait(0.5)  # the other thread begins meanwhile

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(load_for_long)
        inside.wait()
        with unset_weights():
            job_ended_first = job.done()
            done.set()
        job.result()
    assert job_ended_first
    assert keras.initializers.VarianceScaling.__call__ is before
    assert kernel().all()
