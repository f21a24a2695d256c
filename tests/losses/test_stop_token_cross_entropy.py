import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import FeatureInput
from s2s_keras.losses import StopTokenCrossEntropy

STOP = np.array([[0, 0, 1, 1], [0, 1, 0, 0]], "float32")
LOGITS = np.array([[-3.0, 0.5, 2.0, -1.0], [40.0, -90.0, 7.0, 7.0]], "float32")
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)


def first_row_by_hand(weight):
    probability = 1.0 / (1.0 + np.exp(-LOGITS[0].astype("float64")))
    return -weight * STOP[0] * np.log(probability) - (1.0 - STOP[0]) * np.log(1.0 - probability)


@pytest.mark.parametrize("weight", [1.0, 5.0])
def test_every_frame_and_the_weight_of_those_at_the_end(weight):
    frames = ops.convert_to_numpy(StopTokenCrossEntropy(weight, reduction=None)(STOP, LOGITS))
    np.testing.assert_allclose(frames[0], first_row_by_hand(weight), rtol=1e-5)
    np.testing.assert_allclose(frames[1, :2], [40.0, 90.0 * weight], rtol=1e-5)  # certain and wrong, and finite
    if weight == 1.0:
        keras_loss = keras.losses.BinaryCrossentropy(from_logits=True)(STOP[:1], LOGITS[:1])
        np.testing.assert_allclose(frames[0].mean(), float(keras_loss), rtol=1e-5)


class Squeeze(keras.layers.Layer):
    """(B, T, 1) to (B, T), and the mask goes on."""

    supports_masking = True

    def call(self, x):
        return x[..., 0]


def test_a_keras_mask_leaves_padding_out():
    logits = Squeeze()(FeatureInput()([LOGITS[..., None], MASK.sum(axis=1).astype("int32")]))
    loss = float(StopTokenCrossEntropy(2.0)(STOP, logits))
    frames = ops.convert_to_numpy(StopTokenCrossEntropy(2.0, reduction=None)(STOP, LOGITS))
    assert loss == pytest.approx(frames[MASK].mean(), rel=1e-5)


def test_in_half_precision_the_value_is_float32():
    loss = StopTokenCrossEntropy(reduction=None)(STOP, LOGITS.astype("float16"))
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"


def test_round_trip_and_wrong_arguments():
    config = keras.losses.serialize(StopTokenCrossEntropy(3.0))
    assert keras.losses.deserialize(config).positive_weight == 3.0
    with pytest.raises(ValueError, match="must be above 0. Received: positive_weight=0"):
        StopTokenCrossEntropy(0)
