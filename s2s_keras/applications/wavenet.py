"""WaveNet: audio from mel spectrograms, sample after sample."""

import functools

import keras
import numpy as np

from s2s_keras.applications import _wavenet_generation as generation
from s2s_keras.applications._wavenet_layers import (
    CausalStart,
    GatedBlock,
    MelCondition,
    SampleDense,
    SampleInput,
    WarmUpMask,
)
from s2s_keras.applications.application import Application

ORIGINAL_DILATIONS = tuple(2**n for n in range(10)) * 3
ORIGINAL_EPSILON = 1.001e-5  # the least of TensorFlow's fused kernel; its configuration says 1e-5
MU_LAW, MIXTURE_OF_LOGISTICS = "mu_law", "mixture_of_logistics"
OUTPUT_SIZES = {MU_LAW: 256, MIXTURE_OF_LOGISTICS: 10}


@keras.saving.register_keras_serializable(package="s2s_keras")
class WaveNet(Application):
    """A vocoder: every sample depends on the mel spectrogram and on thousands of samples before it.

    It is trained on the next sample of recordings, all samples at once, and `vocode` generates sample after sample,
    at a cost that does not depend on how far back the network looks.

    Padding is a convention of its own, the original's: a convolution has no output before it has seen as many samples
    as it spans, and zeros take its place, after the normalization and before the condition is added. The first
    `receptive_field` samples of a clip are not trained. Generation begins after endless silence.

    Args:
        dilation_rates: tuple of int, of the blocks. Default: 1, 2, 4, ..., 512, three times.
        filters: int, channels of the blocks, even.
        skip_filters: int, channels of what the blocks add to the result, as in the paper. Default None: `filters`,
            and the output of the last block is added too, as in the original.
        kernel_size: int, samples.
        normalization: dict of `MaskedBatchNormalization` arguments.
        output: "mu_law", classes of 8 bits, or "mixture_of_logistics", a distribution over steps of 16 bits.
        output_size: int, classes or components. Default: 256 classes or 10 components.
        num_mel_bins: int, even.
        hop_length: int, samples of a frame of the mel spectrogram.
        sample_rate: int, samples per second.
        **kwargs: `dtype` and `name`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples, "mel": float (B, T, num_mel_bins)}, with
        S at most `hop_length` T; sample n lies in frame n // hop_length.

    Outputs:
        What is known of the next sample, float32 (B, S, V): logits of its classes, or the parameters that
        `MixtureOfLogistics` takes, V = 3 * components. The mask that comes with it leaves out padding and the first
        `receptive_field - 1` samples, so that a loss is the mean over what is trained.

    Trained with:
        `SparseCategoricalCrossentropy(from_logits=True)` or `MixtureOfLogistics()`, on batches that
        `s2s_keras.data.NextSample` makes. Clips must be longer than `receptive_field`.

    Raises:
        ValueError: an argument is impossible.

    Example:

    >>> model = WaveNet(dilation_rates=(1, 2, 4), filters=8, num_mel_bins=4, hop_length=16)
    >>> model.receptive_field
    15
    >>> model.vocode(np.zeros((3, 4)), seed=0).shape
    (48,)

    Reference:
        - [WaveNet](https://arxiv.org/abs/1609.03499); [Fast WaveNet generation](https://arxiv.org/abs/1611.09482).
          The defaults are OpenSeq2Seq's but for the momentum of the moving statistics (0.9; its 0.1 keeps little but
          the last batch: `normalization={"momentum": 0.1, "epsilon": 1.001e-5}`). It normalized by the statistics of
          the batch in evaluation too, counted padding in the loss, took the most likely sample, and generated each
          from a window of `receptive_field` samples, two fewer than it looks at: at the seam zeros stood in for them.
    """

    def __init__(
        self,
        dilation_rates=ORIGINAL_DILATIONS,
        filters=64,
        skip_filters=None,
        kernel_size=3,
        normalization=None,
        output=MU_LAW,
        output_size=None,
        num_mel_bins=80,
        hop_length=256,
        sample_rate=22050,
        **kwargs,
    ):
        if unknown := set(kwargs) - {"dtype", "name", "trainable"}:
            raise TypeError(f"WaveNet has no arguments of these names: {', '.join(sorted(unknown))}.")
        dilation_rates = tuple(dilation_rates)
        _check(dilation_rates, filters, kernel_size, output, num_mel_bins, hop_length)
        normalization = {"epsilon": ORIGINAL_EPSILON} if normalization is None else dict(normalization)
        output_size = OUTPUT_SIZES[output] if output_size is None else output_size
        dtype = kwargs.get("dtype")
        inputs = {
            "audio": keras.Input((None,), name="audio"),
            "audio_lengths": keras.Input((), name="audio_lengths", dtype="int32"),
            "mel": keras.Input((None, num_mel_bins), name="mel"),
        }
        classes = output_size if output == MU_LAW else None
        x = SampleInput(classes, dtype=dtype, name="sample_input")([inputs["audio"], inputs["audio_lengths"]])
        condition = MelCondition(filters, hop_length, dtype=dtype, name="mel_condition")([inputs["mel"], x])
        x = CausalStart(filters, kernel_size, normalization, dtype=dtype, name="start")(x)
        shares = []
        for n, rate in enumerate(dilation_rates):
            last = skip_filters is not None and n == len(dilation_rates) - 1
            options = {"last": last, "dtype": dtype, "name": f"block_{n}"}
            block = GatedBlock(filters, skip_filters or filters, kernel_size, rate, normalization, **options)
            x, share = (None, block([x, condition])) if last else block([x, condition])
            shares.append(share)
        x = keras.layers.Add(dtype=dtype, name="sum")(shares if x is None else [*shares, x])
        x = keras.layers.Activation("relu", dtype=dtype, name="sum_relu")(x)
        x = SampleDense(skip_filters or filters, "relu", dtype=dtype, name="dense")(x)
        size = output_size if output == MU_LAW else 3 * output_size
        x = SampleDense(size, dtype="float32", name="logits")(x)
        receptive_field = (kernel_size - 1) * sum(dilation_rates) + 1
        outputs = WarmUpMask(receptive_field - 1, dtype="float32", name="warm_up")(x)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.dilation_rates = dilation_rates
        self.filters = filters
        self.skip_filters = skip_filters
        self.kernel_size = kernel_size
        self.normalization = normalization
        self.output_kind = output
        self.output_size = output_size
        self.num_mel_bins = num_mel_bins
        self.hop_length = hop_length
        self.sample_rate = sample_rate
        self.receptive_field = receptive_field

    @property
    def num_classes(self):
        """Classes of mu-law, or None for a mixture of logistics."""
        return self.output_size if self.output_kind == MU_LAW else None

    def vocode(self, mel, temperature=1.0, seed=None, engine="cpu"):
        """Audio of mel spectrograms.

        Args:
            mel: float array (T, num_mel_bins), or a list of them.
            temperature: float. 1 draws samples from what the network says, less keeps closer to the most likely one,
                and 0 takes that, as the original did.
            seed: int; the same audio every time. Default None: another one every time.
            engine: "cpu", compiled code outside of the backend, a thread for each spectrogram; or "graph", a loop in
                the backend, all spectrograms at once: for accelerators. Both give the same audio, up to rounding.

        Returns:
            float32 array (T * hop_length,) in [-1, 1], or a list of them.

        Raises:
            ValueError: mel has another shape or is not finite, or an argument is impossible.
        """
        if temperature < 0 or engine not in ("cpu", "graph"):
            raise ValueError(
                '`temperature` must be 0 or more, and `engine` "cpu" or "graph". '
                f"Received: temperature={temperature}, engine={engine!r}."
            )
        single = not isinstance(mel, (list, tuple))
        mels = [self._checked(m) for m in ([mel] if single else mel)]
        noises = [self._noise(len(m) * self.hop_length, seed, n) for n, m in enumerate(mels)]
        weights = generation.folded_weights(self)
        if engine == "cpu":
            found = generation.on_cpu(weights, mels, noises, self.hop_length, temperature)
        else:
            found = self._in_graph(weights, mels, noises, temperature)
        return found[0] if single else found

    def generator(self, temperature=1.0):
        """A model that generates, with the weights of now: for `keras.Model.export`, and for accelerators.

        Args:
            temperature: float, as for `vocode`.

        Returns:
            `keras.Model` from {"mel": float32 (B, T, num_mel_bins), "noise": float32 (B, S, 2) in (0, 1]}, S at most
            T * hop_length, to audio, float32 (B, S).
        """
        return generation.generator(self, generation.folded_weights(self), temperature)

    def _in_graph(self, weights, mels, noises, temperature):
        if temperature not in self._generators:
            self._generators[temperature] = generation.generator(self, weights, temperature)
        model = self._generators[temperature]
        model.get_layer("loop").load(weights)
        frames = max(len(m) for m in mels)
        mel = np.zeros((len(mels), frames, self.num_mel_bins), "float32")
        noise = np.full((len(mels), frames * self.hop_length, 2), 0.5, "float32")
        for n, (m, uniform) in enumerate(zip(mels, noises, strict=True)):
            mel[n, : len(m)] = m
            noise[n, : len(uniform)] = uniform
        audio = model.predict_on_batch({"mel": mel, "noise": noise})
        return [row[: len(uniform)] for row, uniform in zip(audio, noises, strict=True)]

    def _noise(self, num_samples, seed, n):
        """Uniform in (0, 1]; that of a spectrogram does not depend on the others of a list."""
        rng = np.random.default_rng(None if seed is None else (seed, n))
        return 1.0 - rng.random((num_samples, 2), dtype="float32")

    def _checked(self, mel):
        mel = np.asarray(mel)
        if mel.ndim != 2 or mel.shape[1] != self.num_mel_bins or not len(mel) or not np.all(np.isfinite(mel)):
            raise ValueError(
                f"A mel spectrogram is an array of finite numbers, (frames, {self.num_mel_bins}), of at least a frame. "
                f"Received: shape {mel.shape}, dtype {mel.dtype}. Pass several as a list."
            )
        return mel.astype("float32")

    @functools.cached_property
    def _generators(self):  # a cached property is no layer to Keras: what it holds is no part of the model
        return {}

    def get_config(self):
        names = ("dilation_rates", "filters", "skip_filters", "kernel_size", "normalization")
        more = ("output_size", "num_mel_bins", "hop_length", "sample_rate")
        config = {name: getattr(self, name) for name in (*names, *more)}
        return {**super().get_config(), **config, "output": self.output_kind}


def _check(dilation_rates, filters, kernel_size, output, num_mel_bins, hop_length):
    whole = {"kernel_size": kernel_size, "hop_length": hop_length, "filters": filters, "num_mel_bins": num_mel_bins}
    rates = {f"dilation_rates[{n}]": rate for n, rate in enumerate(dilation_rates)}
    for name, value in {**whole, **rates, "len(dilation_rates)": len(dilation_rates)}.items():
        least = {"kernel_size": 2, "filters": 2, "num_mel_bins": 2}.get(name, 1)
        if not isinstance(value, int) or value < least:
            raise ValueError(f"`{name}` must be an integer of at least {least}. Received: {name}={value!r}.")
    if filters % 2 or num_mel_bins % 2:
        raise ValueError(
            "`filters` and `num_mel_bins` must be even: filters see one half, gates the other. "
            f"Received: filters={filters}, num_mel_bins={num_mel_bins}."
        )
    if output not in OUTPUT_SIZES:
        raise ValueError(f"`output` must be {' or '.join(map(repr, OUTPUT_SIZES))}. Received: output={output!r}.")
