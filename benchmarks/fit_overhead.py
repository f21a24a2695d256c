"""`model.fit` with the callbacks of `s2s-keras train` beside a bare loop over the same compiled step.

    python benchmarks/fit_overhead.py [--backends tensorflow jax torch] [--threads 1] [--rounds 3] [--batch 8]
        [--seconds 3] [--steps 118] [--filters 256] [--smoke]

A small Jasper (as the AN4 preset), batches of one length from memory. Both run the function that Keras compiles for
`fit`: the loop calls it and looks at the loss at the end of an epoch. Every backend has a process of its own, where the
loop runs before and after `fit`. An epoch of `fit` counts from its beginning to that of the next. CPU time counts.
"""

import argparse
import importlib.util
import json
import tempfile
import time
from pathlib import Path

import _common
import numpy as np

CHARACTERS_PER_SECOND = 15  # of read English
SAMPLE_RATE = 16000
BACKENDS = ("tensorflow", "jax", "torch")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS), choices=BACKENDS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0, help="of audio")
    parser.add_argument("--steps", type=int, default=118, help="in an epoch; AN4 has 118")
    parser.add_argument("--filters", type=int, default=256)
    parser.add_argument("--smoke", action="store_true", help="a tiny model, once: shows that the benchmark runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.rounds, arguments.batch, arguments.seconds, arguments.steps, arguments.filters = 1, 1, 0.5, 2, 8
    if arguments.measure:
        measure(arguments)
        return
    print("| | loop, ms a step | `fit` | / loop | `fit` with the callbacks | / loop |\n|" + "---|" * 6)
    for backend in arguments.backends:
        if importlib.util.find_spec(backend) is None:
            print(f"{backend} is left out: it is not installed.")
            continue
        times = _common.measure_apart(backend, arguments.threads, "--xla_cpu_multi_thread_eigen=false")
        loop, fit, full = (f"{times[name][0]:.1f} ({times[name][1]:.1f})" for name in ("loop", "fit", "callbacks"))
        ratio = {name: times[name][0] / times["loop"][0] for name in times}
        print(f"| {backend} | {loop} | {fit} | {ratio['fit']:.3f} | {full} | **{ratio['callbacks']:.3f}** |")
    print(f"\nMilliseconds of CPU time (wall) a step; least of {arguments.rounds} epochs of {arguments.steps} steps.")


def measure(arguments):
    """Prints {contestant: (CPU ms, wall ms) a step} as JSON."""
    import keras

    from s2s_keras.applications import Jasper
    from s2s_keras.losses import CTC
    from s2s_keras.optimizers import StaticLossScale

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(arguments.threads)
    f = arguments.filters
    model = Jasper(
        prologue=((f // 2, 11, 0.0),), blocks=((f, 5, 0.0),) * 2, epilogue=((f, 1, 0.0),), repeat=2, residual="plain"
    )
    model.compile(StaticLossScale(keras.optimizers.AdamW(1e-4)), CTC())
    rng = np.random.default_rng(0)
    samples = int(arguments.seconds * SAMPLE_RATE)
    inputs = {
        "audio": rng.uniform(-0.1, 0.1, (arguments.batch, samples)).astype("float32"),
        "audio_lengths": np.full(arguments.batch, samples, "int32"),
    }
    labels = rng.integers(1, 29, (arguments.batch, int(arguments.seconds * CHARACTERS_PER_SECOND)), "int32")
    data = repeated((inputs, labels), arguments.steps)
    loop = bare_loop(model, (inputs, labels), arguments.steps)
    with tempfile.TemporaryDirectory() as folder:
        model.fit(data, verbose=0, shuffle=False)  # builds what the loop needs
        before = epochs_of(loop, arguments.rounds)
        times = {"fit": whole_epochs(model, data, arguments.rounds, [])}
        times["callbacks"] = whole_epochs(model, data, arguments.rounds, callbacks(Path(folder)))
        times["loop"] = tuple(map(min, before, epochs_of(loop, arguments.rounds)))
    print(json.dumps({name: [1e3 * t / arguments.steps for t in pair] for name, pair in times.items()}))


def epochs_of(loop, rounds):
    """(least CPU s, least wall s) of an epoch; the first one is not counted."""
    times = []
    for _ in range(rounds + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        loop()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    return tuple(map(min, zip(*times[1:], strict=True)))


def whole_epochs(model, data, rounds, callbacks):
    """(least CPU s, least wall s) from one epoch's begin to the next one's, the callbacks' work in between included."""
    import keras

    clock = []
    tick = lambda epoch, logs: clock.append((time.process_time(), time.perf_counter()))  # noqa: E731
    first = keras.callbacks.LambdaCallback(on_epoch_begin=tick)
    model.fit(data, epochs=rounds + 2, callbacks=[first, *callbacks], verbose=0, shuffle=False)
    return tuple(min(np.diff(times)[1:]) for times in zip(*clock, strict=True))


def repeated(batch, steps):
    """A dataset of the same batch; what a data pipeline costs is measured elsewhere."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensors(batch).cache().repeat(steps)

    class Repeated(keras.utils.PyDataset):
        def __len__(self):
            return steps

        def __getitem__(self, index):
            return batch

    return Repeated()


def callbacks(folder):
    """What the runner gives to `fit`: event files, metrics as CSV, a checkpoint at the end of an epoch, the guard."""
    import keras

    from s2s_keras.training import Checkpoint, NonFiniteGuard, TensorBoardLogger

    return [
        NonFiniteGuard(),
        TensorBoardLogger(folder / "tensorboard"),
        keras.callbacks.CSVLogger(folder / "metrics.csv", append=True),
        Checkpoint(folder / "checkpoints", keep=1, monitor="loss"),
    ]


def bare_loop(model, batch, steps):
    """An epoch of the function that `fit` compiled, and nothing else."""
    import keras

    model.make_train_function()
    if keras.backend.backend() == "tensorflow":
        data = repeated(batch, steps)

        def loop():
            iterator = iter(data)
            for _ in range(steps):
                logs = model.train_function(iterator)
            return float(logs["loss"])

    elif keras.backend.backend() == "jax":

        def loop():
            groups = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
            groups = (*groups, model.metrics_variables)
            state = tuple([variable.value for variable in variables] for variables in groups)
            for _ in range(steps):
                logs, state = model.train_function(state, iter([batch]))
            for variables, values in zip(groups, state, strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
            return float(logs["loss"])

    else:

        def loop():
            for _ in range(steps):
                logs = model.train_function([batch])
            return float(logs["loss"])

    return loop


if __name__ == "__main__":
    main()
