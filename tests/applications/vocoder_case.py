"""The inherited checks for vocoders: mel spectrograms in, audio out."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.losses import MultiResolutionSpectrum
from tests.test_case import GARBAGE, ApplicationTestCase

HOP, BINS = 8, 8


class VocoderTestCase(ApplicationTestCase):
    """What holds for vocoders of `BINS` mel bins and a hop of `HOP` samples; samples take the place of frames."""

    lengths = (21, 13, 7)  # frames of the spectrograms
    num_frames = (160, 96, 48)  # samples of their audio
    float32_layers = ("above_floor", "spectrum", "audio")
    test_another_vocabulary = None
    test_without_top = None

    def inputs(self, rows=(0, 1, 2), padding=0, garbage=0.0):
        rng = np.random.default_rng(0)
        mels = [rng.normal(-2.0, 1.0, (frames, BINS)) for frames in self.lengths]
        lengths = np.array([self.lengths[row] for row in rows], "int32")
        mel = np.full((len(rows), lengths.max() + padding, BINS), garbage, "float32")
        for n, row in enumerate(rows):
            mel[n, : lengths[n]] = mels[row]
        return {"mel": mel, "mel_lengths": lengths}

    def targets(self, padding=0):
        audio = np.zeros((3, max(self.num_frames)), "float32")
        for n, samples in enumerate(self.num_frames):
            audio[n, :samples] = 0.3 * np.sin(np.arange(samples) * (0.3 + 0.2 * n))
        return np.pad(audio, [(0, 0), (0, 35 * HOP if padding else 0)])  # as `inputs` are padded then

    def compile(self, model, optimizer, **kwargs):
        loss, is_jax = MultiResolutionSpectrum(1000, (16, 32), (4, 8)), keras.backend.backend() == "jax"
        kwargs = {} if is_jax else kwargs  # of "run_eagerly", which would compile hundreds of operations one by one
        model.compile(optimizer, loss, jit_compile=is_jax, **kwargs)

    def outputs(self, model, **kwargs):
        if keras.backend.backend() == "jax":  # a loop outside of a compiled function is compiled at every call
            return model.predict_on_batch(self.inputs(**kwargs))
        return super().outputs(model, **kwargs)

    def test_symbolic_shape_equals_eager_shape(self):
        assert self.model.output_shape[0] is None and len(self.model.output_shape) == 2
        inputs = self.inputs()
        symbolic = self.model({name: keras.KerasTensor(x.shape, x.dtype) for name, x in inputs.items()})
        assert tuple(symbolic.shape) == self.outputs(self.model).shape == (3, 160)

    def test_padding_never_changes_an_answer(self):
        together = self.outputs(self.model)
        for row, samples in zip(together, self.num_frames, strict=True):
            assert not row[samples:].any() and np.abs(row[:samples]).max() > 1e-3
        alone = self.outputs(self.model, rows=(1,))
        np.testing.assert_allclose(alone[0], together[1, :96], rtol=0, atol=self.tolerance)
        for garbage in GARBAGE:
            padded = self.outputs(self.model, padding=35, garbage=garbage)
            np.testing.assert_allclose(padded[:, :160], together, rtol=0, atol=self.tolerance)
            assert not padded[:, 160:].any()

    def test_vocode_is_the_network_one_by_one(self):
        inputs, expected = self.inputs(), self.outputs(self.model)
        mels = [mel[:frames] for mel, frames in zip(inputs["mel"], self.lengths, strict=True)]
        several = self.model.vocode(mels[::-1])[::-1]
        for audio, row, samples in zip(several, expected, self.num_frames, strict=True):
            assert audio.dtype == np.float32 and audio.shape == (samples,)
            np.testing.assert_allclose(audio, row[:samples], rtol=0, atol=self.tolerance)
        np.testing.assert_allclose(self.model.vocode(mels[1]), several[1], rtol=0, atol=self.tolerance)
        assert self.model.vocode(mels[0][:1]).shape == (0,)
        assert self.model.vocode([]) == []

    @pytest.mark.parametrize("mel", [np.zeros((4, BINS + 1)), np.zeros((0, BINS)), np.full((4, BINS), np.nan)])
    def test_what_is_no_spectrogram_is_refused(self, mel):
        with pytest.raises(ValueError, match=rf"\(frames, {BINS}\) of finite numbers"):
            self.model.vocode(mel)

    def test_rate_and_hop(self):
        assert (self.model.sample_rate, self.model.hop_length) == (1000, HOP)
        assert ops.shape(self.model.inputs[0])[-1] == BINS
