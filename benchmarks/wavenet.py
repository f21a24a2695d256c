"""WaveNet of 30 blocks beside plain PyTorch: generation, sample after sample, or a training step with Adam.

    python benchmarks/wavenet.py [--part generation|training] [--threads 1] [--rounds 5] [--samples 2000]
        [--batch 2] [--seconds 0.74] [--contestants NAME ...] [--smoke]

Generation runs in one process, whose Keras backend runs the loop in the graph, and the contestants take turns. What
limits it is printed too: every sample needs every weight once, so the time to read them, or to multiply with them if
that is longer. For the training step every contestant has a process of its own.
"""

import math
import time

import _common
import numpy as np

SAMPLE_RATE, HOP, BINS = 22050, 256, 80
NAIVE_SAMPLES = 2


def main():
    contestants = (_common.PYTORCH, "Keras on torch", "TensorFlow graph, oneDNN", "JAX")
    extra = {"part": "generation", "samples": 2000, "batch": 2, "seconds": 0.74}
    arguments = _common.parse(__doc__.split("\n")[0], contestants, **extra)
    if arguments.part not in ("generation", "training"):
        raise SystemExit(f"--part is generation or training. Received: {arguments.part}.")
    if arguments.smoke:
        arguments.samples, arguments.batch, arguments.seconds = 20, 1, 0.3
    if arguments.part == "generation":
        generation(arguments)
    elif not arguments.measure:
        _common.compare(arguments)
    else:
        make = pytorch if arguments.measure == _common.PYTORCH else ours
        step, parameters, gflop = make(arguments, *clips(arguments))
        _common.serve(step, {"parameters": parameters, "gflop": gflop})


def clips(arguments):
    rng = np.random.default_rng(0)
    num_samples = round(arguments.seconds * SAMPLE_RATE)
    mel = rng.normal(size=(arguments.batch, num_samples // HOP + 1, BINS)).astype("float32")
    return rng.uniform(-1.0, 1.0, (arguments.batch, num_samples + 1)).astype("float32"), mel


def gflop_of(parameters, audio):
    """Three passes over nearly every weight for every sample; classes choose rows of the first convolution."""
    return 3 * 2e-9 * (parameters - 3 * 256 * 64) * audio[:, 1:].size


def ours(arguments, audio, mel):
    import keras

    from s2s_keras.applications import WaveNet
    from s2s_keras.data import NextSample

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(arguments.threads)
    lengths = np.full(len(audio), audio.shape[1], "int32")
    inputs, targets = NextSample()({"audio": audio, "audio_lengths": lengths, "mel": mel})
    model = WaveNet()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=arguments.measure == "JAX")
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return lambda: model.train_on_batch(inputs, targets), parameters, gflop_of(parameters, audio)


def pytorch(arguments, audio, mel):
    import torch
    from _wavenet_torch import WaveNet

    torch.set_num_threads(arguments.threads)
    model = WaveNet()
    parameters = sum(p.numel() for p in model.parameters())
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    audio_tensor = torch.tensor(audio)
    magnitude = torch.log1p(255 * audio_tensor.abs()) / math.log(256)
    classes = ((audio_tensor.sign() * magnitude + 1) / 2 * 255 + 0.5).long()
    mel = torch.tensor(mel).transpose(1, 2)
    first = min(6138, classes.shape[1] // 2)

    def step():
        optimizer.zero_grad()
        logits = model(classes[:, :-1], mel)
        loss = torch.nn.functional.cross_entropy(logits[..., first:], classes[:, 1 + first :])
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, parameters, gflop_of(parameters, audio)


def generation(arguments):
    import keras
    import torch
    from _wavenet_torch import Generator

    from s2s_keras.applications import WaveNet
    from s2s_keras.applications import _wavenet_generation as engine

    torch.set_num_threads(arguments.threads)
    keras.utils.set_random_seed(0)
    model, n = WaveNet(), arguments.samples
    weights = engine.folded_weights(model)
    rng = np.random.default_rng(0)
    mel = rng.normal(size=(-(-n // HOP), BINS)).astype("float32")
    noise = 1.0 - rng.random((n, 2), dtype="float32")
    halves = [mel[:, : BINS // 2] @ weights["mel_filter"], mel[:, BINS // 2 :] @ weights["mel_gate"]]
    condition = torch.tensor(np.pad(np.concatenate(halves, axis=1), [(1, 0), (0, 0)]))
    eager = Generator(weights)
    scripted = torch.jit.script(eager)
    few = max(n // 8, 1)
    window = -(-(model.receptive_field + 2) // HOP) * HOP
    naive = {
        "audio": np.zeros((1, window), "float32"),
        "audio_lengths": np.array([window], "int32"),
        "mel": np.zeros((1, window // HOP, BINS), "float32"),
    }

    def run(generator, samples):
        with torch.inference_mode():
            return generator(condition, torch.tensor(noise[:samples, 0]), HOP, True).numpy()

    in_graph = model.generator()
    loop = f"loop in the graph, {keras.backend.backend()}"
    graph_samples = few if keras.backend.backend() == "torch" else n
    batch = {"mel": mel[None], "noise": noise[None, :graph_samples]}
    steps = {
        "compiled": (n, lambda: engine.on_cpu(weights, [mel], [noise], HOP, 1.0)),
        "compiled, greedy": (n, lambda: engine.on_cpu(weights, [mel], [noise], HOP, 0.0)),
        loop: (graph_samples, lambda: in_graph.predict_on_batch(batch)),
        "PyTorch": (few, lambda: run(eager, few)),
        "PyTorch, torch.jit": (few, lambda: run(scripted, few)),
        "naive, a window for each sample": (
            NAIVE_SAMPLES,
            lambda: [model.predict_on_batch(naive) for _ in range(NAIVE_SAMPLES)],
        ),
    }
    same = np.mean(run(eager, few) == run(scripted, few))
    times = _common.take_turns({name: step for name, (_, step) in steps.items()}, arguments.rounds)
    read, multiply = limits(weights)
    print(f"{arguments.threads} thread(s), {arguments.rounds} rounds; PyTorch's two agree on {same:.0%} of the samples")
    print(f"limits: to read the weights {read:.1f} us a sample, to multiply {multiply:.1f} us: {1e6 / read:.0f}/s\n")
    print("| | samples/s of CPU time | samples/s of wall time, best | of the limit |\n|---|---|---|---|")
    for name, (cpu, wall) in times.items():
        rates = [1e3 * steps[name][0] / t for t in (cpu, wall)]
        print(f"| {name} | {rates[0]:,.1f} | {rates[1]:,.1f} | {rates[0] * max(read, multiply) / 1e6:.2f} |")


def limits(weights):
    """Least CPU microseconds to read the weights that a sample meets, and to multiply with them at a matmul's rate."""
    import numba

    @numba.njit(fastmath=True)
    def read(array, times):
        total = np.float32(0.0)
        for _ in range(times):
            part = np.float32(0.0)
            for i in range(len(array)):
                part += array[i]
            total += part
        return total

    array = np.concatenate([weights[name].ravel() for name in ("kernels", "outputs", "dense", "head")])
    square = np.random.default_rng(0).normal(size=(1024, 1024)).astype("float32")
    read(array, 1)
    reading, multiplying = [], []
    for _ in range(7):
        start = time.process_time()
        read(array, 50)
        reading.append((time.process_time() - start) / 50)
        start = time.process_time()
        square @ square
        multiplying.append((time.process_time() - start) / 1024**3 * len(array))
    return 1e6 * min(reading), 1e6 * min(multiplying)


if __name__ == "__main__":
    main()
