"""LSTM and GRU over time, beside PyTorch's and Keras' own.

    python benchmarks/recurrent.py [--backends tensorflow jax torch] [--threads 1] [--repeats 5] [--smoke]

One layer forward, and forward with the gradients of input and weights, over sequences without padding; the rows called
"masked" have a mask with padding in it. Each backend runs in a process of its own, together with torch.nn. Within a
process the contestants take turns; the table gives medians of process CPU time over all threads and, in brackets, the
least wall time. Compiling is not counted. Keras on torch is measured once: its backward pass takes quadratic time.
"""

import argparse
import importlib.util
import json

import _common
import numpy as np

SHAPE = (16, 400, 512, 512)  # batch, frames, inputs, units
SMOKE_SHAPE = (2, 5, 3, 4)
BACKENDS = ("tensorflow", "jax", "torch")
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # of a single thread
PEER, OURS, KERAS = "torch.nn", "s2s_keras", "keras"
CELLS, PASSES = ("LSTM", "GRU"), ("forward", "forward + backward")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", default=[b for b in BACKENDS if importlib.util.find_spec(b)])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--without-keras", action="store_true", help="leave keras.layers out")
    parser.add_argument("--smoke", action="store_true", help="one tiny shape, once: shows that the benchmark runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments)))
        return
    print(f"{arguments.threads} thread(s); ms of CPU time (wall)\n")
    print("| backend | layer | forward | / torch.nn | forward + backward | / torch.nn |\n|---|---|---|---|---|---|")
    for backend in arguments.backends:
        results = _common.measure_apart(backend, arguments.threads, XLA_FLAGS)
        for name in dict.fromkeys(key.rpartition(", ")[0] for key in results):
            cells = []
            for part in PASSES:
                cpu, wall = results[f"{name}, {part}"]
                peer = results.get(f"{PEER}.{name.split()[0].split('.')[-1]}, {part}")
                cells += [f"{cpu:.0f} ({wall:.0f})", f"{cpu / peer[0]:.2f}" if peer else "-"]
            print(f"| {backend} | {name} | {' | '.join(cells)} |")


def measure(backend, arguments):
    """{name: (median CPU ms, least wall ms)} of one backend and of PyTorch."""
    shape = SMOKE_SHAPE if arguments.smoke else SHAPE
    x = np.random.default_rng(0).normal(size=shape[:3]).astype("float32")
    mask = np.arange(shape[1]) < np.linspace(shape[1] / 2, shape[1], shape[0]).astype(int)[:, None]
    repeats = 1 if arguments.smoke else arguments.repeats
    results = {}
    for cell in CELLS:
        steps = peer(cell, x, shape[3], arguments.threads) if importlib.util.find_spec("torch") else {}
        steps |= ours(backend, cell, x, mask, shape[3], arguments)
        slow = {name: steps.pop(name) for name in list(steps) if backend == "torch" and name.startswith(KERAS)}
        results |= _common.take_turns(steps, repeats)
        results |= _common.take_turns(slow, 1)
    return results


def peer(cell, x, units, threads):
    import torch

    torch.set_num_threads(threads)
    layer = getattr(torch.nn, cell)(x.shape[-1], units, batch_first=True)
    return torch_steps(f"{PEER}.{cell}", lambda x: layer(x)[0], x, layer)


def torch_steps(name, call, x, layer):
    import torch

    inputs = torch.tensor(x, requires_grad=True)

    def backward():
        layer.zero_grad()
        inputs.grad = None
        call(inputs).sum().backward()

    return {f"{name}, {PASSES[0]}": torch.no_grad()(lambda: call(inputs)), f"{name}, {PASSES[1]}": backward}


def ours(backend, cell, x, mask, units, arguments):
    import keras

    from s2s_keras import layers

    steps = {}
    contestants = {f"{OURS}.layers.{cell}": layers, f"{OURS}.layers.{cell} masked": layers}
    if not arguments.without_keras:
        contestants[f"{KERAS}.layers.{cell}"] = keras.layers
    for name, module in contestants.items():
        layer = getattr(module, cell)(units, return_sequences=True)
        layer.build((None, None, x.shape[-1]))
        steps |= STEPS[backend](name, layer, x, mask if name.endswith("masked") else None)
    return steps


def tensorflow_steps(name, layer, x, mask):
    import tensorflow as tf

    inputs, mask = tf.constant(x), None if mask is None else tf.constant(mask)
    weights = [weight.value for weight in layer.trainable_weights]
    forward = tf.function(lambda x: layer(x, mask=mask), input_signature=[tf.TensorSpec((None, None, x.shape[2]))])

    @tf.function(input_signature=[tf.TensorSpec((None, None, x.shape[2]))])
    def backward(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, mask=mask))
        return tape.gradient(loss, [x, *weights])

    return {f"{name}, {PASSES[0]}": lambda: forward(inputs).numpy(), f"{name}, {PASSES[1]}": lambda: backward(inputs)}


def jax_steps(name, layer, x, mask):
    import jax

    weights = [weight.value for weight in layer.trainable_variables]
    others = [weight.value for weight in layer.non_trainable_variables]

    def call(x, weights):
        return layer.stateless_call(weights, others, x, mask=mask)[0]

    forward = jax.jit(call)
    backward = jax.jit(jax.grad(lambda x, weights: call(x, weights).sum(), argnums=(0, 1)))
    return {
        f"{name}, {PASSES[0]}": lambda: jax.block_until_ready(forward(x, weights)),
        f"{name}, {PASSES[1]}": lambda: jax.block_until_ready(backward(x, weights)),
    }


def keras_torch_steps(name, layer, x, mask):
    import torch

    mask = None if mask is None else torch.tensor(mask)
    return torch_steps(name, lambda x: layer(x, mask=mask), x, layer)


STEPS = {"tensorflow": tensorflow_steps, "jax": jax_steps, "torch": keras_torch_steps}

if __name__ == "__main__":
    main()
