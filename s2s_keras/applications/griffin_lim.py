"""A vocoder that needs no training."""

import keras

from s2s_keras.applications.application import as_object
from s2s_keras.applications.speech_input import check_keywords
from s2s_keras.applications.vocoder import Vocoder, mel_inputs
from s2s_keras.layers import FeatureInput, MelSpectrogram
from s2s_keras.ops.griffin_lim import griffin_lim, mel_to_magnitude
from s2s_keras.ops.stft import check_overlap


@keras.saving.register_keras_serializable(package="s2s_keras")
class MelInversion(keras.layers.Layer):
    """Turns log-mel spectrograms into audio, in float32: mel filters inverted, then Griffin and Lim's iteration.

    Args:
        mel_spectrogram: `MelSpectrogram` that made them.
        inversion, exponent, num_iterations, momentum, seed: as `GriffinLim` has them.

    Call arguments:
        inputs: float (B, T, M).
        mask: bool (B, T) or None, True at real frames.

    Returns:
        float32 (B, (T - 1) * hop_length).

    Example:

    >>> import numpy as np
    >>> tuple(MelInversion(MelSpectrogram(), num_iterations=2)(np.zeros((1, 5, 80), "float32")).shape)
    (1, 1024)
    """

    def __init__(
        self,
        mel_spectrogram,
        inversion="non_negative",
        exponent=1.0,
        num_iterations=32,
        momentum=0.99,
        seed=0,
        **kwargs,
    ):
        kwargs.pop("dtype", None)
        super().__init__(dtype="float32", **kwargs)
        self.supports_masking = True
        self.mel_spectrogram = mel_spectrogram = as_object(mel_spectrogram)
        made = mel_spectrogram
        if made.filters is None or made.normalization is not None or made.preemphasis or made.gain != 1:
            raise ValueError(
                "Audio is made of plain log-mel spectrograms. Expected a MelSpectrogram with mel filters and without "
                f"normalization, preemphasis or gain, received {made.get_config()}."
            )
        check_overlap(made.fft_length, made.hop_length)
        self.inversion = inversion
        self.exponent = exponent
        self.num_iterations = num_iterations
        self.momentum = momentum
        self.seed = seed

    def build(self, input_shape):
        if not self.mel_spectrogram.built:  # it is asked for its settings alone, but Keras wants every layer built
            self.mel_spectrogram.build([(None, None), (None,)])

    def call(self, inputs, mask=None):
        made = self.mel_spectrogram
        magnitude = mel_to_magnitude(inputs, made.filters, made.power, self.inversion)
        if self.exponent != 1:
            magnitude = keras.ops.power(magnitude, self.exponent)
        iteration = (self.num_iterations, self.momentum, self.seed, made.window)
        return griffin_lim(magnitude, made.hop_length, mask, *iteration)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        frames = input_shape[1]
        return (input_shape[0], None if frames is None else (frames - 1) * self.mel_spectrogram.hop_length)

    def get_config(self):
        names = ("inversion", "exponent", "num_iterations", "momentum", "seed")
        made = keras.saving.serialize_keras_object(self.mel_spectrogram)
        return {**super().get_config(), "mel_spectrogram": made, **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="s2s_keras")
class GriffinLim(Vocoder):
    """A vocoder without weights: what spectrograms sound like, before and beside a trained one.

    Args:
        mel_spectrogram: `MelSpectrogram` whose spectrograms are spoken: 16 kHz, 80 bins, 62.5 frames a second by
            default.
        inversion: "non_negative", "pseudo_inverse" or "transpose", how mel filters are turned around; see
            `s2s_keras.ops.griffin_lim.mel_to_magnitude`.
        exponent: float, power of the magnitudes before the iteration. More than 1 makes what is loud stand out.
        num_iterations: int, transforms there and back; each costs as much as one of the audio and one of the spectrum.
        momentum: float, how far each step is taken beyond its end.
        seed: int, of the first phases.
        dtype: dtype policy. Everything is float32 under every policy.
        **kwargs: `name` and `trainable`.

    Inputs:
        {"mel": float (B, T, num_mel_bins), "mel_lengths": int (B,), frames}.

    Outputs:
        Audio, float32 (B, (T - 1) * hop_length), zero behind the end of each utterance.

    Raises:
        ValueError: spectrograms that are not plain log-mel ones, or a hop of more than half the transform.

    Example:

    >>> import numpy as np
    >>> GriffinLim(num_iterations=2).vocode(np.full((21, 80), -3.0)).shape
    (5120,)

    Reference:
        - [A fast Griffin-Lim algorithm](https://doi.org/10.1109/WASPAA.2013.6701851). OpenSeq2Seq's is
          `inversion="transpose", exponent=1.5, num_iterations=50, momentum=0`.
    """

    def __init__(
        self,
        mel_spectrogram=None,
        inversion="non_negative",
        exponent=1.0,
        num_iterations=32,
        momentum=0.99,
        seed=0,
        dtype=None,
        **kwargs,
    ):
        check_keywords(self, kwargs)
        inversion_layer = MelInversion(
            MelSpectrogram() if mel_spectrogram is None else mel_spectrogram,
            inversion,
            exponent,
            num_iterations,
            momentum,
            seed,
            name="audio",
        )
        made = inversion_layer.mel_spectrogram
        inputs = mel_inputs(made.num_mel_bins)
        x = FeatureInput(dtype="float32", name="mel_input")(list(inputs.values()))
        super().__init__(inputs=inputs, outputs=inversion_layer(x), dtype=dtype, **kwargs)
        self.mel_spectrogram = made
        self.num_mel_bins = made.num_mel_bins
        self.sample_rate = made.sample_rate
        self.hop_length = made.hop_length
        self.inversion = inversion
        self.exponent = exponent
        self.num_iterations = num_iterations
        self.momentum = momentum
        self.seed = seed

    def get_config(self):
        names = ("inversion", "exponent", "num_iterations", "momentum", "seed")
        made = keras.saving.serialize_keras_object(self.mel_spectrogram)
        return {**super().get_config(), "mel_spectrogram": made, **{name: getattr(self, name) for name in names}}
