"""Generation with WaveNet: its weights as two engines need them, and the one that runs in the backend."""

import os
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
from keras import ops

from s2s_keras.applications._wavenet_kernel import generate
from s2s_keras.ops.logistics import split_mixture
from s2s_keras.ops.mu_law import mu_law_decode

NEVER = 1e-5  # uniform numbers keep this distance from 0 and 1 where their logarithm is taken


def folded_weights(model):
    """The arrays of a `WaveNet` by name, normalization folded into kernels and biases; see `_wavenet_kernel.generate`.

    The condition's are "mel_filter" and "mel_gate", (bins / 2, C); "silence", (L, C), are the inputs of the blocks
    after endless silence.
    """
    start, condition = model.get_layer("start"), model.get_layer("mel_condition")
    blocks = [model.get_layer(f"block_{n}") for n in range(len(model.dilation_rates))]
    arrays = {
        "dense": model.get_layer("dense").kernel,
        "head": model.get_layer("logits").kernel,
        "mel_filter": condition.filter_kernel,
        "mel_gate": condition.gate_kernel,
    }
    arrays = {name: ops.convert_to_numpy(weight) for name, weight in arrays.items()}
    scale, arrays["start_bias"] = _scale_and_bias(start.norm)
    arrays["start"] = ops.convert_to_numpy(start.kernel) * scale
    folded = [_folded_block(block) for block in blocks]
    for n, name in enumerate(("kernels", "biases", "outputs")):
        arrays[name] = np.stack([parts[n] for parts in folded])
    arrays = {name: np.ascontiguousarray(array, "float32") for name, array in arrays.items()}
    arrays["dilations"] = np.array(model.dilation_rates, "int64")
    rings = arrays["dilations"] * (model.kernel_size - 1)
    arrays["firsts"] = np.cumsum(rings) - rings
    arrays["add_last"] = model.skip_filters is None
    arrays["mixture"] = model.num_classes is None
    arrays["silence"] = _silence(arrays)
    return arrays


def _scale_and_bias(norm):
    gamma, beta, mean, variance = (
        np.float64(ops.convert_to_numpy(w)) for w in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def _folded_block(block):
    scale, bias = _scale_and_bias(block.norm)
    filters = block.filters
    halves = (ops.convert_to_numpy(block.filter_kernel), ops.convert_to_numpy(block.gate_kernel))
    kernel = np.concatenate([halves[0] * scale[:filters], halves[1] * scale[filters:]], axis=1)
    residual = np.zeros((filters, filters)) if block.last else ops.convert_to_numpy(block.residual_kernel)
    return kernel, bias, np.concatenate([residual, ops.convert_to_numpy(block.skip_kernel)], axis=1)


def _silence(weights):
    """One pass over a network whose past is the same at all times."""
    half = weights["kernels"].shape[2] // 2
    quiet = 0.0 if weights["mixture"] else weights["start"][:, weights["start"].shape[1] // 2].sum(axis=0)
    x, inputs = weights["start_bias"] + quiet, []
    for kernel, bias, output in zip(weights["kernels"].sum(axis=1), weights["biases"], weights["outputs"], strict=True):
        inputs.append(x)
        f, g = x[:half] @ kernel[:half] + bias[: 2 * half], x[half:] @ kernel[half:] + bias[2 * half :]
        x = x + (np.tanh(f) / (1.0 + np.exp(-g))) @ output[:, : 2 * half]
    return np.stack(inputs).astype("float32")


def on_cpu(weights, mels, noises, hop_length, temperature, logits=None):
    """Audio of each mel spectrogram, by `_wavenet_kernel.generate`; `logits` are arrays to fill, for tests."""
    logits = [np.zeros((0, weights["head"].shape[1]), "float32")] * len(mels) if logits is None else logits
    if not mels:
        return []
    with ThreadPoolExecutor(min(len(mels), os.cpu_count() or 1)) as pool:
        jobs = [
            pool.submit(_run_kernel, weights, *recording, hop_length, temperature)
            for recording in zip(mels, noises, logits, strict=True)
        ]
        found = [job.result() for job in jobs]
    if weights["mixture"]:
        return found
    num_classes = weights["head"].shape[1]
    return [ops.convert_to_numpy(mu_law_decode(classes, num_classes)) for classes in found]


def _run_kernel(weights, mel, noise, logits, hop_length, temperature):
    names = ("start", "start_bias", "kernels", "biases", "outputs", "dense", "head", "dilations", "firsts", "add_last")
    half, taps = mel.shape[1] // 2, weights["start"].shape[0]
    frames = np.concatenate([mel[:, :half] @ weights["mel_filter"], mel[:, half:] @ weights["mel_gate"]], axis=1)
    condition = np.pad(frames, [(1, 0), (0, 0)]).astype("float32")
    queue = np.repeat(weights["silence"], weights["dilations"] * (taps - 1), axis=0)
    mixture = weights["mixture"]
    quiet_class, quiet_sample = (0, 0.0) if mixture else (weights["head"].shape[1] // 2, 1.0)
    classes = np.full(taps + len(noise), quiet_class, "int32")
    samples = np.full(taps + len(noise), quiet_sample, "float32")
    generate(
        *(weights[name] for name in names),
        condition,
        hop_length,
        queue,
        mixture,
        np.float32(temperature),
        noise,
        classes,
        samples,
        logits,
    )
    return (samples if mixture else classes)[taps:]


def generator(model, weights, temperature):
    """The loop as a model of its own, float32."""
    mel = keras.Input((None, model.num_mel_bins), name="mel")
    noise = keras.Input((None, 2), name="noise")
    loop = GenerationLoop(weights, model.hop_length, temperature, dtype="float32", name="loop")
    loop_model = keras.Model({"mel": mel, "noise": noise}, loop([mel, noise]), name=f"{model.name}_generator")
    loop.load(weights)
    return loop_model


class GenerationLoop(keras.layers.Layer):
    """Sample after sample in the backend, for several mel spectrograms at once.

    All inputs of blocks that are still needed lie in one tensor, from which each step gathers and to which it
    scatters once; what the convolutions of all blocks take from it is one product.
    """

    ARRAYS = (
        "start",
        "start_bias",
        "kernels",
        "biases",
        "outputs",
        "dense",
        "head",
        "mel_filter",
        "mel_gate",
        "silence",
    )

    def __init__(self, weights, hop_length, temperature, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.hop_length = hop_length
        self.temperature = temperature
        self.mixture = weights["mixture"]
        self.add_last = weights["add_last"]
        self.dilations = weights["dilations"].astype("int32")
        self.firsts = weights["firsts"].astype("int32")
        self.shapes = {name: weights[name].shape for name in self.ARRAYS}
        self.num_blocks, self.taps, self.filters = self.shapes["kernels"][:3]
        self.num_outputs = self.shapes["head"][1]

    def build(self, input_shape):
        for name in self.ARRAYS:
            setattr(self, name, self.add_weight(self.shapes[name], "zeros", name=name))

    def load(self, weights):
        """Take over the weights of a network of the same sizes."""
        for name in self.ARRAYS:
            getattr(self, name).assign(weights[name])

    def call(self, inputs):
        mel, noise = inputs
        half = mel.shape[-1] // 2
        frames = [ops.matmul(mel[..., :half], self.mel_filter), ops.matmul(mel[..., half:], self.mel_gate)]
        condition = ops.transpose(ops.pad(ops.stack(frames, axis=2), [[0, 0], [1, 0], [0, 0], [0, 0]]), (1, 0, 2, 3))
        noise = ops.transpose(noise, (1, 0, 2))
        num_samples, batch = ops.shape(noise)[0], ops.shape(noise)[1]
        rings = self.dilations * (self.taps - 1)
        queue = ops.repeat(ops.convert_to_tensor(self.silence), rings, axis=0)[:, None] * ops.ones((1, batch, 1))
        quiet = 0 if self.mixture else self.num_outputs // 2
        past = ops.full((self.taps, batch), quiet, "float32" if self.mixture else "int32")
        kernels = ops.reshape(self.kernels, (self.num_blocks, self.taps, 2, self.filters // 2, self.filters))
        biases = ops.reshape(self.biases, (self.num_blocks, 1, 2, self.filters))

        firsts, rings = (ops.convert_to_tensor(x[:, None]) for x in (self.firsts, rings))
        delays = ops.convert_to_tensor(np.arange(self.taps - 1, dtype="int32") * self.dilations[:, None])

        def step(t, queue, past, audio):
            frame = ops.take(condition, (t + self.hop_length - 1) // self.hop_length, axis=0)
            rows = firsts + (t + delays) % rings
            back = ops.take(queue, ops.reshape(rows, (-1,)), axis=0)
            back = ops.reshape(back, (self.num_blocks, self.taps - 1, -1, 2, self.filters // 2))
            back = ops.einsum("lkbgc,lkgcf->lbgf", back, kernels[:, :-1]) + biases + frame
            result, x = self._blocks(self._first(past), back, kernels[:, -1])
            sample, audible = self._sample(result, ops.take(noise, t, axis=0))
            queue = ops.scatter_update(queue, rows[:, :1], x)
            audio = ops.slice_update(audio, (t, 0), audible[None])
            return t + 1, queue, ops.concatenate([past[1:], sample[None]], axis=0), audio

        state = (ops.zeros((), "int32"), queue, past, ops.zeros((num_samples, batch)))
        *_, audio = ops.while_loop(lambda t, *_: t < num_samples, step, state)
        return ops.transpose(audio)

    def _first(self, past):
        if self.mixture:
            return self.start_bias + ops.einsum("kb,kc->bc", past, self.start[:, 0])
        return self.start_bias + sum(ops.take(self.start[k], past[k], axis=0) for k in range(self.taps))

    def _blocks(self, x, back, kernels):
        """The head's output, and the inputs of all blocks."""
        inputs, total = [], 0.0
        for n in range(self.num_blocks):
            inputs.append(x)
            parts = ops.reshape(x, (-1, 2, self.filters // 2))
            h = back[n] + ops.einsum("bgc,gcf->bgf", parts, kernels[n])
            y = ops.matmul(ops.tanh(h[:, 0]) * ops.sigmoid(h[:, 1]), self.outputs[n])
            x, total = x + y[:, : self.filters], total + y[:, self.filters :]
        total = ops.relu(total + x if self.add_last else total)
        return ops.matmul(ops.relu(ops.matmul(total, self.dense)), self.head), ops.stack(inputs)

    def _sample(self, result, noise):
        """What the network takes next, and its sound."""
        if not self.mixture:
            classes = self._pick(result, noise[:, 0])
            return classes, mu_law_decode(classes, self.num_outputs)
        logits, means, log_scales = split_mixture(result)
        n = self._pick(logits, noise[:, 0])[:, None]
        sample = ops.take_along_axis(means, n, axis=-1)[:, 0]
        if self.temperature:
            u = ops.clip(noise[:, 1], NEVER, 1.0 - NEVER)
            scale = ops.exp(ops.take_along_axis(log_scales, n, axis=-1)[:, 0])
            sample = sample + self.temperature * scale * (ops.log(u) - ops.log(1.0 - u))
        sample = ops.clip(sample, -1.0, 1.0)
        return sample, sample

    def _pick(self, logits, uniform):
        if not self.temperature:
            return ops.cast(ops.argmax(logits, axis=-1), "int32")
        reached = ops.cumsum(ops.softmax(logits / self.temperature, axis=-1), axis=-1)
        missed = ops.sum(ops.cast(reached < uniform[:, None] * reached[:, -1:], "int32"), axis=-1)
        return ops.minimum(missed, logits.shape[-1] - 1)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[1][:2])
