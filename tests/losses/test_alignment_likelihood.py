import numpy as np
import pytest
import soundfile
from keras import ops

from s2s_keras.data import Utterance, synthesis_dataset
from s2s_keras.layers import MelSpectrogram
from s2s_keras.losses import AlignmentLikelihood
from s2s_keras.tokenizers import SynthesisTokenizer


def test_mean_over_real_steps():
    rng = np.random.default_rng(0)
    alignment = rng.dirichlet(np.ones(4), size=(2, 3)).astype("float32")
    right = (rng.random((2, 3, 4)) < 0.5).astype("float32")
    right[..., 0] = 1.0
    real = np.array([[True, True, True], [True, False, False]])
    predicted = ops.convert_to_tensor(alignment)
    predicted._keras_mask = ops.convert_to_tensor(real)
    expected = -np.log((right * alignment).sum(axis=-1))[real].mean()
    assert float(AlignmentLikelihood()(right, predicted)) == pytest.approx(float(expected), rel=1e-5)
    never = AlignmentLikelihood()(np.zeros((1, 1, 2)), np.array([[[0.5, 0.5]]], "float32"))
    assert np.isfinite(float(never)) and float(never) > 10.0
    assert AlignmentLikelihood.from_config(AlignmentLikelihood().get_config()).name == "alignment_likelihood"


def test_targets_are_the_tokens_around_each_step(tmp_path):
    path = str(tmp_path / "a.wav")
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 16000), 16000)
    options = {"features": MelSpectrogram(), "reduction_factor": 10, "trim": None}
    ends = {path: [0.1, 0.5, 0.9, 1.0]}

    def batch(hold, count=1):
        data = synthesis_dataset(
            [Utterance(path, "ab")] * count, SynthesisTokenizer(), token_ends=ends, hold=hold, **options
        )
        return data.batch(0, 0)

    targets = batch(None)[1]["alignment"][0]
    assert "held" not in batch(None)[0] and (batch(0.0)[0]["held"] == 1.0).all()
    held = batch(0.5, count=2)[0]["held"]
    np.testing.assert_array_equal(held[0], targets)
    assert (held[1] == 1.0).all()
    middles = (np.arange(len(targets)) + 0.5) * 10 * 256 / 16000  # 0.08, 0.24, 0.4, ...
    assert targets.shape == (7, 4) and middles[0] == 0.08
    expected = [(1, 1, 0, 0), (0, 1, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 1, 0), (0, 0, 1, 1), (0, 0, 0, 1)]
    assert targets.astype(int).tolist() == [list(row) for row in expected]
    with pytest.raises(ValueError, match="a share from 0 to 1.*hold=2.0"):
        batch(2.0)
    with pytest.raises(ValueError, match="each of 4 tokens"):
        synthesis_dataset([Utterance(path, "ab")], SynthesisTokenizer(), token_ends={path: [0.1]}, **options)
