import json

import keras
import numpy as np
import pytest

from s2s_keras.applications import Application, GriffinLim
from s2s_keras.layers import MelSpectrogram
from tests.applications.vocoder_case import BINS, HOP, VocoderTestCase
from tests.checks import as_json, compiled

MEL = keras.saving.serialize_keras_object(MelSpectrogram(1000, 32, HOP, BINS, name="mel_spectrogram"))


class TestGriffinLim(VocoderTestCase):
    application = GriffinLim
    arguments = {
        "mel_spectrogram": MEL,
        "inversion": "pseudo_inverse",
        "exponent": 1.25,
        "num_iterations": 3,
        "momentum": 0.5,
        "seed": 3,
    }
    num_parameters = 0
    # There is nothing to train or to round.
    test_padding_never_changes_a_training_step = None
    test_fit_learns_with_every_weight = None
    test_preset_of_a_compiled_model_holds_no_optimizer = None

    def test_preset_round_trip(self, tmp_path):
        self.model.save_to_preset(tmp_path)
        again = Application.from_preset(tmp_path)
        assert type(again) is GriffinLim and as_json(again.get_config()) == as_json(self.model.get_config())
        np.testing.assert_array_equal(self.outputs(again), self.outputs(self.model))

    @pytest.mark.parametrize("policy", ["mixed_float16"])
    def test_half_precision(self, policy):
        np.testing.assert_array_equal(self.outputs(self.make(dtype=policy)), self.outputs(self.model))

    def test_speaks_a_tone(self):
        """The spectrogram of what it speaks is the one it was given."""
        tone = 0.5 * np.sin(np.arange(1600) * 0.4).astype("float32")
        front_end = MelSpectrogram(1000, 32, HOP, BINS)
        spectrogram = compiled(lambda audio: front_end([audio, np.array([1600])]))
        mel = keras.ops.convert_to_numpy(spectrogram(tone[None]))[0]
        audio = GriffinLim(front_end, num_iterations=20).vocode(mel)
        again = keras.ops.convert_to_numpy(spectrogram(audio[None]))[0]
        loud = mel > mel.max() - 4.0
        assert np.abs(again - mel)[loud].mean() < 0.15

    @pytest.mark.parametrize(
        "options", [{"num_mel_bins": None}, {"normalization": (0.0, 2.0)}, {"gain": "peak"}, {"preemphasis": 0.9}]
    )
    def test_spectrograms_that_are_not_plain(self, options):
        with pytest.raises(ValueError, match="plain log-mel"):
            GriffinLim(MelSpectrogram(**options))

    def test_config_is_json(self):
        assert json.loads(json.dumps(GriffinLim().get_config()))["num_iterations"] == 32
