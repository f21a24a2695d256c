import keras
import numpy as np
import pytest

from s2s_keras.applications import Vocos, VocosMini
from s2s_keras.applications.vocos import ConvNeXtBlock
from s2s_keras.layers import MelSpectrogram
from s2s_keras.ops.audio import load_audio
from tests.applications.vocoder_case import BINS, HOP, VocoderTestCase
from tests.test_case import LayerTestCase

not_on_jax = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="takes long to compile, and the small network's tests are run there"
)


class TestVocos(VocoderTestCase):
    application = Vocos
    arguments = {
        "num_mel_bins": BINS,
        "hidden_dim": 8,
        "intermediate_dim": 12,
        "num_layers": 2,
        "kernel_size": 3,
        "sample_rate": 1000,
        "fft_length": 32,
        "hop_length": HOP,
        "floor": 1e-2,
    }
    num_parameters = 1074

    def test_silence_is_what_surrounds_an_utterance(self):
        """Frames at the floor behind an utterance are to the layers above what padding is."""
        inputs = self.inputs(rows=(1,))
        mel = np.pad(inputs["mel"], [(0, 0), (0, 8), (0, 0)], constant_values=np.log(1e-2))
        blocks = keras.Model(self.model.inputs, self.model.get_layer("embedding").output)
        short = keras.ops.convert_to_numpy(blocks(inputs))
        long = keras.ops.convert_to_numpy(blocks({"mel": mel, "mel_lengths": inputs["mel_lengths"] + 8}))
        np.testing.assert_allclose(long[:, :13], short, rtol=0, atol=1e-5)

    def test_hop_of_more_than_half_a_frame(self):
        with pytest.raises(ValueError, match="hop_length=20"):
            self.make(hop_length=20)

    @not_on_jax
    @pytest.mark.parametrize(("variant", "parameters"), [(Vocos, 13531650), (VocosMini, 1426818)])
    def test_size_of_variants(self, variant, parameters):
        assert variant().count_params() == parameters


@not_on_jax
def test_preset_speaks_as_its_voice_does(shared):
    audio = load_audio(shared / "data/tts_en_kathleen/wavs/arctic_b0460.ogg")
    front_end, model = MelSpectrogram(), Vocos.from_preset("vocos_mini_kathleen_en")
    mel = keras.ops.convert_to_numpy(front_end([audio[None], np.array([len(audio)])]))[0]
    made = model.vocode(mel)
    assert made.shape == ((len(mel) - 1) * 256,) and model.sample_rate == 16000
    again = keras.ops.convert_to_numpy(front_end([made[None], np.array([len(made)])]))[0]
    assert np.abs(again - mel).mean() < 0.3


@not_on_jax
class TestConvNeXtBlock(LayerTestCase):
    layer = ConvNeXtBlock
    arguments = {"intermediate_dim": 12, "kernel_size": 5, "scale": 0.5}
