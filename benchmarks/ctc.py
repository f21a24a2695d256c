"""CTC loss, forward and backward, beside the kernels one would use instead.

    python benchmarks/ctc.py [--backends tensorflow jax torch] [--threads 1] [--repeats 15] [--smoke]

Each backend runs in a process of its own, together with torch.nn.functional.ctc_loss (log-softmax included). Within a
process the contestants take turns; the table gives medians of process CPU time over all threads and, in brackets, the
least wall time. Compiling is not counted.
"""

import argparse
import importlib.util
import json
import os

import _common
import numpy as np

SHAPES = ((16, 400, 29, 60), (8, 750, 1024, 40))  # batch, frames, vocabulary, labels
SMOKE_SHAPES = ((2, 20, 5, 4),)
BACKENDS = ("tensorflow", "jax", "torch")
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false"  # of a single thread
NATIVE = "torch.nn.functional.ctc_loss"
OURS, KERAS = "s2s_keras.losses.CTC", "keras.losses.CTC"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", default=[b for b in BACKENDS if importlib.util.find_spec(b)])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--smoke", action="store_true", help="one tiny shape, once: shows that the benchmark runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments)))
        return
    print(f"ms of CPU time (wall), {arguments.threads} thread(s); forward + backward\n")
    print("| batch, frames, vocabulary, labels | loss | ms | / torch native | / Keras' own |\n|---|---|---|---|---|")
    for backend in arguments.backends:
        for shape, results in _common.measure_apart(backend, arguments.threads, XLA_FLAGS):
            print_rows(shape, results)


def print_rows(shape, results):
    cpu = {name: times[0] for name, times in results.items()}
    for name, (own, wall) in results.items():
        native = f"{own / cpu[NATIVE]:.2f}" if NATIVE in cpu else "-"
        peer = next(other for other in cpu if other.startswith(KERAS))
        print(f"| {', '.join(map(str, shape))} | {name} | {own:.1f} ({wall:.1f}) | {native} | {own / cpu[peer]:.2f} |")


def measure(backend, arguments):
    """List of (shape, {name: (median CPU ms, least wall ms)}) for one backend."""
    contestants = {"tensorflow": tensorflow_contestants, "jax": jax_contestants, "torch": torch_contestants}[backend]
    results = []
    for shape in SMOKE_SHAPES if arguments.smoke else SHAPES:
        labels, logits = batch(*shape)
        steps = contestants(labels, logits)
        if backend != "torch" and importlib.util.find_spec("torch"):
            steps[NATIVE] = native_step(labels, logits, arguments.threads)
        results.append((shape, _common.take_turns(steps, 1 if arguments.smoke else arguments.repeats)))
    return results


def batch(size, frames, vocabulary, length):
    random = np.random.default_rng(0)
    logits = 2 * random.normal(size=(size, frames, vocabulary)).astype("float32")
    labels = random.integers(1, vocabulary, (size, length)).astype("int32")
    lengths = random.integers(length // 2, length + 1, size)
    return np.where(np.arange(length) < lengths[:, None], labels, 0), logits


def tensorflow_contestants(labels, logits):
    import keras
    import tensorflow as tf

    from s2s_keras.losses import CTC

    def sparse(y, x):
        frames = tf.fill([tf.shape(x)[0]], tf.shape(x)[1])
        losses = tf.nn.ctc_loss(tf.sparse.from_dense(y), tf.transpose(x, [1, 0, 2]), None, frames, blank_index=0)
        return tf.reduce_mean(losses)

    def step(loss, **kwargs):
        @tf.function(**kwargs)
        def run(y, x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(y, x)
            return tape.gradient(value, x)

        y, x = tf.constant(labels), tf.constant(logits)
        return lambda: run(y, x).numpy()

    return {
        f"{OURS}, TensorFlow graph": step(CTC()),
        f"{OURS}, TensorFlow XLA": step(CTC(), jit_compile=True),
        "tf.nn.ctc_loss, sparse labels": step(sparse),
        f"{KERAS}, TensorFlow graph": step(keras.losses.CTC()),
        f"{KERAS}, TensorFlow XLA": step(keras.losses.CTC(), jit_compile=True),
    }


def jax_contestants(labels, logits):
    import jax
    import keras

    from s2s_keras.losses import CTC

    def step(loss):
        gradient = jax.jit(jax.grad(lambda x, y: loss(y, x)))
        y, x = jax.numpy.asarray(labels), jax.numpy.asarray(logits)
        return lambda: gradient(x, y).block_until_ready()

    return {f"{OURS}, JAX": step(CTC()), f"{KERAS}, JAX": step(keras.losses.CTC())}


def torch_contestants(labels, logits):
    import keras
    import torch

    from s2s_keras.losses import CTC

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def step(loss):
        y, x = torch.tensor(labels), torch.tensor(logits)

        def run():
            leaf = x.detach().requires_grad_()
            loss(y, leaf).backward()

        return run

    return {
        f"{OURS}, torch": step(CTC()),
        f"{KERAS}, torch": step(keras.losses.CTC()),
        NATIVE: native_step(labels, logits, int(os.environ["OMP_NUM_THREADS"])),
    }


def native_step(labels, logits, threads):
    import torch

    torch.set_num_threads(threads)
    y, x = torch.tensor(labels), torch.tensor(logits)
    frames, lengths = torch.full((len(y),), x.shape[1]), (y > 0).sum(1)

    def run():
        leaf = x.detach().requires_grad_()
        log_probs = leaf.transpose(0, 1).log_softmax(-1)
        torch.nn.functional.ctc_loss(log_probs, y, frames, lengths, reduction="sum").backward()

    return run


if __name__ == "__main__":
    main()
