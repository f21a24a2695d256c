"""Griffin-Lim's iteration beside librosa's.

    python benchmarks/griffin_lim.py [--backends tensorflow jax torch] [--seconds 8] [--batch 4] [--iterations 32]
        [--threads 1] [--repeats 9] [--smoke]

Magnitudes of a harmonic tone of changing pitch, 16 kHz, transforms of 1024 samples, hop 256, momentum 0.99. librosa
takes the whole batch, too. Each backend runs in a process of its own, together with librosa;
within it the contestants take turns. The table gives medians of process CPU time over all threads and, in brackets, the
least wall time; convergence is the distance of the result's magnitudes from those asked for, relative to these, mean
over the batch. Compiling is not counted.
"""

import argparse
import importlib.util
import json

import _common
import numpy as np

BACKENDS = ("tensorflow", "jax", "torch")
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # of a single thread
SAMPLE_RATE, FFT, HOP, MOMENTUM = 16000, 1024, 256, 0.99
PEER = "librosa"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", default=[b for b in BACKENDS if importlib.util.find_spec(b)])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--smoke", action="store_true", help="half a second, once: shows that the benchmark runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.seconds, arguments.batch, arguments.repeats = 0.5, 1, 1
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments)))
        return
    print(
        f"{arguments.batch} x {arguments.seconds:g} s, {arguments.iterations} iterations, {arguments.threads} "
        "thread(s); ms of CPU time (wall)\n"
    )
    print("| process | | ms | / librosa's | convergence |\n|---|---|---|---|---|")
    for backend in arguments.backends:
        times, convergence = _common.measure_apart(backend, arguments.threads, XLA_FLAGS)
        for name, (cpu, wall) in times.items():
            ratio = cpu / times[PEER][0]
            print(f"| {backend} | {name} | {cpu:.1f} ({wall:.1f}) | {ratio:.2f} | {convergence[name]:.4f} |")


def measure(backend, arguments):
    """({name: (median CPU ms, least wall ms)}, {name: convergence}) of one backend and librosa."""
    import librosa

    audio = np.stack([tone(round(SAMPLE_RATE * arguments.seconds), n) for n in range(arguments.batch)])
    magnitude = np.abs(librosa.stft(audio, n_fft=FFT, hop_length=HOP, pad_mode="constant"))

    def peer():
        options = {"n_iter": arguments.iterations, "hop_length": HOP, "momentum": MOMENTUM, "random_state": 0}
        return librosa.griffinlim(magnitude, **options)

    def convergence(made):
        found = np.abs(librosa.stft(np.asarray(made), n_fft=FFT, hop_length=HOP, pad_mode="constant"))
        return float(np.linalg.norm(found - magnitude) / np.linalg.norm(magnitude))

    steps = {PEER: peer}
    steps |= keras_contestants(backend, magnitude.swapaxes(1, 2).copy(), arguments.iterations, arguments.threads)
    results = {name: convergence(step()) for name, step in steps.items()}
    return _common.take_turns(steps, arguments.repeats), results


def tone(samples, seed):
    """A harmonic tone that rises and falls, in a little noise."""
    rng = np.random.default_rng(seed)
    pitch = 180 + 60 * np.sin(np.arange(samples) * 2 * np.pi / SAMPLE_RATE + seed)
    turns = np.cumsum(pitch / SAMPLE_RATE)
    audio = sum(np.sin(2 * np.pi * n * turns) / n for n in range(1, 25))
    return (0.1 * audio + rng.normal(0, 0.003, samples)).astype("float32")


def keras_contestants(backend, magnitude, iterations, threads):
    """{name: step} for every way this backend runs it."""
    from s2s_keras.ops.griffin_lim import griffin_lim

    def run(magnitude):
        return griffin_lim(magnitude, HOP, num_iterations=iterations, momentum=MOMENTUM)

    if backend == "tensorflow":
        import tensorflow as tf

        inputs, graph = tf.constant(magnitude), tf.function(run)
        return {"s2s_keras, TensorFlow graph": lambda: graph(inputs).numpy()}
    if backend == "jax":
        import jax

        inputs, compiled = jax.numpy.asarray(magnitude), jax.jit(run)
        return {"s2s_keras, JAX": lambda: compiled(inputs).block_until_ready()}
    import torch

    torch.set_num_threads(threads)
    inputs = torch.tensor(magnitude)
    return {"s2s_keras, torch": torch.no_grad()(lambda: run(inputs).numpy())}


if __name__ == "__main__":
    main()
