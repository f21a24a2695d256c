"""Vocos: a vocoder that predicts a spectrum at the rate of frames."""

import keras
import numpy as np

from s2s_keras.applications.speech_input import check_keywords
from s2s_keras.applications.vocoder import Vocoder, mel_inputs
from s2s_keras.layers import FeatureInput, MaskedConv1D, SpectrumToAudio
from s2s_keras.ops.activations import gelu
from s2s_keras.ops.depthwise import depthwise_conv1d
from s2s_keras.ops.masks import apply_mask

_DEVIATION = 0.02  # of fresh weights


def _fresh():
    return keras.initializers.TruncatedNormal(stddev=_DEVIATION)


@keras.saving.register_keras_serializable(package="s2s_keras")
class ConvNeXtBlock(keras.layers.Layer):
    """A residual block: every channel convolved over time by itself, then two dense layers at each frame.

    Args:
        intermediate_dim: int, channels between the two dense layers.
        kernel_size: int, frames of the convolution, odd.
        scale: float, what the block's output is multiplied by at first; trained for each channel.

    Call arguments:
        inputs: float (B, T, C).
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float (B, T, C).

    Example:

    >>> tuple(ConvNeXtBlock(24)(np.zeros((1, 9, 8), "float32")).shape)
    (1, 9, 8)

    Reference: [A ConvNet for the 2020s](https://arxiv.org/abs/2201.03545), in one dimension.
    """

    def __init__(self, intermediate_dim, kernel_size=7, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.intermediate_dim = intermediate_dim
        self.kernel_size = kernel_size
        self.scale = scale
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=self.dtype_policy, name="norm")
        self.expand = keras.layers.Dense(
            intermediate_dim, gelu, kernel_initializer=_fresh(), dtype=self.dtype_policy, name="expand"
        )

    def build(self, input_shape):
        channels = input_shape[-1]
        self.kernel = self.add_weight((self.kernel_size, channels, 1), _fresh(), name="kernel")
        self.bias = self.add_weight((channels,), "zeros", name="bias")
        self.gamma = self.add_weight((channels,), keras.initializers.Constant(self.scale), name="gamma")
        self.project = keras.layers.Dense(
            channels, kernel_initializer=_fresh(), dtype=self.dtype_policy, name="project"
        )
        self.norm.build(input_shape)
        self.expand.build(input_shape)
        self.project.build((*input_shape[:-1], self.intermediate_dim))

    def call(self, inputs, mask=None):
        x = depthwise_conv1d(apply_mask(inputs, mask), self.kernel, padding="same") + self.bias
        return inputs + self.gamma * self.project(self.expand(self.norm(x)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("intermediate_dim", "kernel_size", "scale")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="s2s_keras")
class Vocos(Vocoder):
    """A vocoder: log-mel spectrogram in, audio out, far faster than it is heard.

    ConvNeXt blocks at the rate of frames predict magnitude and phase of every frame's spectrum, and an inverse Fourier
    transform joins the frames: no sample is computed by a network.

    Args:
        num_mel_bins: int, of the spectrograms.
        hidden_dim: int, channels of the blocks.
        intermediate_dim: int, channels inside a block.
        num_layers: int, blocks.
        kernel_size: int, frames of every convolution, odd.
        sample_rate: int, samples per second of the audio.
        fft_length: int, samples of the transform of a frame.
        hop_length: int, samples between frames, at most half of it; that of the spectrograms.
        floor: float, whose logarithm stands for silence in the spectrograms.
        dtype: dtype policy. The spectrum and the audio are float32 under every policy.
        **kwargs: `name` and `trainable`.

    Inputs:
        {"mel": float (B, T, num_mel_bins), "mel_lengths": int (B,), frames}.

    Outputs:
        Audio, float32 (B, (T - 1) * hop_length), zero behind the end of each utterance.

    Raises:
        ValueError: a hop of more than half the transform.

    Example:

    >>> vocoder = VocosMini()
    >>> vocoder.vocode(np.full((21, 80), -3.0)).shape, vocoder.sample_rate
    ((5120,), 16000)

    Trained with: `MultiResolutionSpectrum` on pieces of a second from `s2s_keras.data.MelSegments`.

    Reference:
        - [Vocos](https://arxiv.org/abs/2306.00814): the defaults are its 13,531,650 parameters for 100 mel bins at
          24 kHz. Here silence is 0 at the first layer, so that it is what surrounds an utterance, and audio ends with
          the last frame's centre.
    """

    def __init__(
        self,
        num_mel_bins=100,
        hidden_dim=512,
        intermediate_dim=1536,
        num_layers=8,
        kernel_size=7,
        sample_rate=24000,
        fft_length=1024,
        hop_length=256,
        floor=1e-5,
        dtype=None,
        **kwargs,
    ):
        check_keywords(self, kwargs)
        inputs = mel_inputs(num_mel_bins)
        # Silence is zero, as is what stands before the first frame and behind the last.
        x = keras.layers.Rescaling(1.0, -float(np.log(floor)), dtype="float32", name="above_floor")(inputs["mel"])
        x = FeatureInput(dtype=dtype, name="mel_input")([x, inputs["mel_lengths"]])
        x = MaskedConv1D(
            hidden_dim, kernel_size, use_bias=True, kernel_initializer=_fresh(), dtype=dtype, name="embedding"
        )(x)
        x = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name="embedding_norm")(x)
        for n in range(num_layers):
            x = ConvNeXtBlock(intermediate_dim, kernel_size, 1 / num_layers, dtype=dtype, name=f"block_{n}")(x)
        x = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name="norm")(x)
        x = keras.layers.Dense(
            2 * (fft_length // 2 + 1), kernel_initializer=_fresh(), dtype="float32", name="spectrum"
        )(x)
        audio = SpectrumToAudio(fft_length, hop_length, name="audio")(x)
        super().__init__(inputs=inputs, outputs=audio, dtype=dtype, **kwargs)
        self.num_mel_bins = num_mel_bins
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.num_layers = num_layers
        self.kernel_size = kernel_size
        self.sample_rate = sample_rate
        self.fft_length = fft_length
        self.hop_length = hop_length
        self.floor = floor

    def get_config(self):
        names = ("num_mel_bins", "hidden_dim", "intermediate_dim", "num_layers", "kernel_size")
        names += ("sample_rate", "fft_length", "hop_length", "floor")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="s2s_keras")
class VocosMini(Vocos):
    """A Vocos of 1,426,818 parameters for 80 mel bins at 16 kHz."""

    def __init__(
        self, num_mel_bins=80, hidden_dim=192, intermediate_dim=576, num_layers=5, sample_rate=16000, **kwargs
    ):
        super().__init__(num_mel_bins, hidden_dim, intermediate_dim, num_layers, sample_rate=sample_rate, **kwargs)
