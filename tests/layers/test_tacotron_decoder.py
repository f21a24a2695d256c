import numpy as np
import pytest
from keras.ops import convert_to_numpy as array

from s2s_keras.layers import LocationAttention, Prenet, TacotronCell, TacotronDecoder
from tests.checks import randomize


def decoder(**kwargs):
    cell = TacotronCell(8, LocationAttention(4, filters=2, kernel_size=3))
    return TacotronDecoder(6, cell, Prenet(5, dropout=0.0), reduction_factor=2, **kwargs)


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_a_decoder_that_always_sees_its_own_frames_runs_freely(share):
    rng = np.random.default_rng(0)
    memory, mel = (rng.normal(size=shape).astype("float32") for shape in ((2, 4, 3), (2, 9, 6)))
    layer = decoder(scheduled_sampling=share)
    layer([memory, mel])
    randomize(layer)
    taught = layer([memory, mel], training=True)
    free, _ = layer.steps(layer.start(memory), np.zeros((5, 1, 1), "float32"))
    same = np.allclose(array(taught["mel"]), array(free["mel"])[:, :9], atol=1e-5)
    assert same == (share == 1.0)
    assert np.allclose(array(taught["mel"])[:, :2], array(free["mel"])[:, :2], atol=1e-5)  # of the first step
    assert TacotronDecoder.from_config(layer.get_config()).scheduled_sampling == share


@pytest.mark.parametrize("argument", [{"scheduled_sampling": 1.5}, {"frame_dropout": 1.0}])
def test_shares_out_of_range_are_refused(argument):
    with pytest.raises(ValueError, match="Received: .*" + next(iter(argument))):
        decoder(**argument)


def test_held_to_an_alignment_only_its_tokens_count():
    rng = np.random.default_rng(0)
    memory, mel = (rng.normal(size=shape).astype("float32") for shape in ((1, 4, 3), (1, 4, 6)))
    held = np.array([[[1, 0, 0, 0], [0, 1, 1, 0]]], "float32")
    layer = decoder()
    layer([memory, mel, held])
    randomize(layer)
    outputs = layer([memory, mel, held])
    memory[:, 3] += 1.0
    changed = layer([memory, mel, held])
    np.testing.assert_allclose(array(changed["mel"]), array(outputs["mel"]), atol=1e-6)
    assert np.abs(array(changed["alignment"]) - array(outputs["alignment"])).max() > 1e-3
    assert np.abs(array(layer([memory, mel])["mel"]) - array(changed["mel"])).max() > 1e-3
