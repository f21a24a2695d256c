import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import BlankPadding
from s2s_keras.losses import CTC
from tests.test_case import LayerTestCase


class TestBlankPadding(LayerTestCase):
    layer = BlankPadding
    arguments = {"blank": 2}
    output_dtype = "float32"
    mask_goes_on = False


@pytest.mark.parametrize("blank", [0, 3])
def test_padded_frames_say_blank_and_real_ones_what_they_said(blank):
    logits = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    mask = np.arange(5) < np.array([[5], [2]])
    found = ops.convert_to_numpy(BlankPadding(blank)(logits, mask=mask))
    np.testing.assert_array_equal(found[mask], logits[mask])
    np.testing.assert_array_equal(found[~mask], np.full((3, 4), -1e9) * (np.arange(4) != blank))
    np.testing.assert_array_equal(ops.convert_to_numpy(BlankPadding(blank)(logits)), logits)


def test_the_loss_over_all_frames_is_the_loss_over_the_real_ones():
    logits = np.random.default_rng(0).normal(size=(2, 8, 4)).astype("float32")
    labels, lengths = np.array([[1, 2, 2], [3, 0, 0]]), (8, 3)
    padded = BlankPadding()(logits, mask=np.arange(8) < np.array(lengths)[:, None])
    together = ops.convert_to_numpy(CTC(reduction=None)(labels, padded))
    for n, length in enumerate(lengths):
        alone = CTC(reduction=None)(labels[n : n + 1], logits[n : n + 1, :length])
        np.testing.assert_allclose(together[n], ops.convert_to_numpy(alone)[0], rtol=1e-6)


def test_stays_float32_whatever_it_is_told():
    layer = BlankPadding(dtype="mixed_float16")
    assert layer.compute_dtype == "float32"
    assert BlankPadding.from_config(layer.get_config()).compute_dtype == "float32"
