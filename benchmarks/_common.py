"""What the benchmarks share: the networks, a process per contestant, taking turns, and the matmul ceiling."""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from s2s_keras.memory import keep_memory

PYTORCH = "PyTorch"
SETTINGS = {  # contestant: (Keras backend, environment)
    PYTORCH: (None, {}),
    "PyTorch compile": (None, {}),
    "JAX": ("jax", {}),
    "TensorFlow XLA": ("tensorflow", {}),
    "TensorFlow graph": ("tensorflow", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "TensorFlow graph, oneDNN": ("tensorflow", {"TF_ENABLE_ONEDNN_OPTS": "1"}),
    "Keras on torch": ("torch", {}),
}
# (filters, kernel size, dropout), table 1 of the paper
PROLOGUE = (256, 11, 0.2)
BLOCKS = ((256, 11, 0.2), (384, 13, 0.2), (512, 17, 0.2), (640, 21, 0.3), (768, 25, 0.3))
EPILOGUE = ((896, 29, 0.4), (1024, 1, 0.4))
NUM_MEL_BINS, VOCABULARY_SIZE = 64, 29
_CEILING = 2048  # rows and columns of the square matrices that the ceiling is measured with


def parse(description, defaults, **extra):
    """Command line arguments; `extra` maps further options to their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--contestants", nargs="+", default=list(defaults), choices=list(SETTINGS), metavar="NAME")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="a tiny model, once: shows that the benchmark runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    for name, default in extra.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    arguments = parser.parse_args()
    if arguments.measure:
        keep_memory()  # all contestants alike
        if hasattr(os, "sched_setaffinity"):  # JAX has no other way to be told
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-arguments.threads :])
    if arguments.smoke:
        arguments.rounds = 1
    for name in list(arguments.contestants):
        package = SETTINGS[name][0] or "torch"
        if importlib.util.find_spec(package) is None:
            print(f"{name} is left out: {package} is not installed.")
            arguments.contestants.remove(name)
    if arguments.smoke:  # the first beside the peer shows that the benchmark runs
        others = [name for name in arguments.contestants if name != PYTORCH]
        arguments.contestants = [name for name in arguments.contestants if name == PYTORCH or name in others[:1]]
    if PYTORCH not in arguments.contestants:
        parser.error(f"{PYTORCH} is what the others are compared with: install torch and leave it in --contestants.")
    return arguments


def measure_apart(backend, threads, xla_flags):
    """What this script prints with `--measure BACKEND`, in a process of its own; the flags are for a single thread."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {xla_flags if threads == 1 else ''}",
    }
    output = subprocess.run(
        [sys.executable, sys.argv[0], "--measure", backend, *sys.argv[1:]],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(output.stdout.splitlines()[-1])


def take_turns(steps, repeats):
    """{name: (median CPU ms, least wall ms)} of steps that take turns; the first two turns are not counted."""
    times = {name: [] for name in steps}
    for turn in range(repeats + 2):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            if turn >= 2:
                times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: (1e3 * statistics.median(cpu for cpu, _ in pairs), 1e3 * min(wall for _, wall in pairs))
        for name, pairs in times.items()
    }


def serve(step, facts):
    """In a contestant's process: say the facts, then do a step whenever asked and say what it cost."""
    step()
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


def compare(arguments):
    """Start every contestant, let them take turns, print the table; returns them by name."""
    contestants = {name: Contestant(name, arguments) for name in arguments.contestants}
    ceilings = {"wall": [], "cpu": []}
    try:
        for turn in range(arguments.rounds):
            measure_ceiling(ceilings, arguments.threads)
            order = list(contestants.values())
            for contestant in order if turn % 2 == 0 else reversed(order):
                contestant.turn()
    finally:
        for contestant in contestants.values():
            contestant.close()
    print_table(contestants, ceilings, arguments)
    return contestants


class Contestant:
    """A process that holds one model and does one step when told."""

    def __init__(self, name, arguments):
        self.name = name
        backend, settings = SETTINGS[name]
        threads = str(arguments.threads)
        environment = {
            "OMP_NUM_THREADS": threads,
            "TF_NUM_INTRAOP_THREADS": threads,
            "TF_NUM_INTEROP_THREADS": threads,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **({"KERAS_BACKEND": backend} if backend else {}),
            **({"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == "1" else {}),
            **settings,
        }
        self.times = {"wall": [], "cpu": []}
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *sys.argv, "--measure", name],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.facts = self._read()
        self.start = time.perf_counter() - started

    def turn(self):
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        wall, cpu = self._read()
        self.times["wall"].append(wall)
        self.times["cpu"].append(cpu)
        print(f"{self.name}: {wall:.3f} s, CPU {cpu:.3f} s", file=sys.stderr, flush=True)

    def _read(self):
        for line in self.process.stdout:
            if line.startswith(("{", "[")):
                return json.loads(line)
        raise SystemExit("A contestant's process ended early; its message stands above.")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure_ceiling(ceilings, threads):
    """GFLOP/s of a float32 matmul in a process of its own with the same number of threads."""
    code = (
        "import json, time, torch; "
        f"torch.set_num_threads({threads}); a = torch.randn({_CEILING}, {_CEILING}); a @ a; "
        "w, c = time.perf_counter(), time.process_time(); a @ a; a @ a; "
        "print(json.dumps([(time.perf_counter() - w) / 2, (time.process_time() - c) / 2]))"
    )
    output = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    wall, cpu = json.loads(output.stdout)
    ceilings["wall"].append(wall)
    ceilings["cpu"].append(cpu)


def print_table(contestants, ceilings, arguments):
    """Least and median seconds, wall and CPU, beside PyTorch's; GFLOP/s from the least wall and the least CPU time."""
    ceiling = {clock: 2e-9 * _CEILING**3 / min(times) for clock, times in ceilings.items()}
    print(f"{arguments.threads} thread(s), {arguments.rounds} round(s); matmul ceiling {ceiling['wall']:.0f} GFLOP/s,")
    print(f"{ceiling['cpu']:.0f} per second of CPU time. Seconds: least / median. Ratio: to {PYTORCH}, of the least.\n")
    print("| | wall, s | ratio | GFLOP/s | CPU, s | ratio | GFLOP per CPU s | start, s |\n|" + "---|" * 8)
    for name, contestant in contestants.items():
        cells = [name]
        for clock in ("wall", "cpu"):
            times = contestant.times[clock]
            peer = min(contestants[PYTORCH].times[clock])
            rate = contestant.facts["gflop"] / min(times)
            cells.append(f"{min(times):.3f} / {statistics.median(times):.3f}")
            cells.append(f"{min(times) / peer:.2f}")
            cells.append(f"{rate:.0f} ({rate / ceiling[clock]:.0%})")
        print(f"| {' | '.join(cells)} | {contestant.start:.0f} |")
    facts = {(c.facts["parameters"], round(c.facts["gflop"], 3)) for c in contestants.values()}
    print(f"\n(parameters, GFLOP): {', '.join(map(str, sorted(facts)))}")


def gflop(blocks, repeat, dense, frames):
    """Of a forward pass over one recording: two operations per weight and output frame."""
    weights = NUM_MEL_BINS * PROLOGUE[0] * PROLOGUE[1]
    width, widths = PROLOGUE[0], []
    for filters, kernel_size, _ in blocks:
        widths = [*widths, width] if dense else [width]
        weights += filters * (kernel_size * (width + filters * (repeat - 1)) + sum(widths))
        width = filters
    for filters, kernel_size, _ in EPILOGUE:
        weights += width * filters * kernel_size
        width = filters
    return 2e-9 * (weights + width * VOCABULARY_SIZE) * -(-frames // 2)


def random_features(batch, seconds):
    """Stand-in for normalized log-mel features, 100 frames a second, and their lengths."""
    frames = round(100 * seconds)
    features = np.random.default_rng(0).normal(size=(batch, frames, NUM_MEL_BINS)).astype("float32")
    return features, np.full(batch, frames, "int32")
