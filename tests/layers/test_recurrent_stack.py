import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import RecurrentStack
from tests.test_case import LayerTestCase


class TestApart(LayerTestCase):
    layer = RecurrentStack
    arguments = {"units": 4, "num_layers": 2, "cell": "lstm", "directions": "apart", "dropout": 0.1}
    clears_padding = True
    training_modes = (False,)


def test_both_directions_are_those_of_keras():
    stack = RecurrentStack(4, 1, "gru", "both")
    layer = keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True))
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    mask = np.arange(6) < np.array([[6], [4]])
    stack(x), layer(x)
    layer.set_weights(stack.get_weights())
    found, expected = (ops.convert_to_numpy(each(x, mask=ops.convert_to_tensor(mask))) for each in (stack, layer))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("arguments", [{"cell": "rnn"}, {"directions": "up"}, {"num_layers": 0}])
def test_what_there_is_not(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        RecurrentStack(4, **arguments)
