"""Weak scaling: a recipe on one and on several processes of one thread each, with the same batch in every process.

    python benchmarks/processes.py

The peer of n processes is one process with n times its throughput. The processes share a machine: give each a core.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

RECIPE = Path(__file__).with_name("_scaling_recipe.py")
ROOT = Path(__file__).parents[1]


def measure(backend, count, steps, settings):
    """Examples a second of all processes together."""
    command = [sys.executable, "-c", "from s2s_keras.cli import main; main()", "launch", "-n", str(count), "benchmark"]
    command += [str(RECIPE), "--json", "--steps", str(steps), "--warmup", "3", *settings]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false",
    }
    cores = sorted(os.sched_getaffinity(0))[:count]  # XLA takes all that it may, whatever the number of threads
    done = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}")
    result = next(line for line in done.stdout.splitlines() if line.startswith('[0] {"steps_per_second"'))
    return json.loads(result.removeprefix("[0] "))["items_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax"], choices=["tensorflow", "jax"])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--filters", type=int, default=192)
    parser.add_argument("--smoke", action="store_true", help="a tiny model, once: shows that the benchmark runs")
    arguments = parser.parse_args()
    settings = ["--set", f"filters={arguments.filters}"]
    if arguments.smoke:
        settings = ["--set", "filters=8", "--set", "seconds=1.0", "--set", "batch_size=2"]
        arguments.rounds, arguments.steps, arguments.backends = 1, 2, ["tensorflow"]
    print("| backend | examples/s, 1 process | n processes | efficiency, least to most |\n|---|---|---|---|")
    for backend in arguments.backends:
        if importlib.util.find_spec(backend) is None:
            print(f"{backend} is left out: it is not installed.")
            continue
        one, many = [], []
        for _ in range(arguments.rounds):
            one.append(measure(backend, 1, arguments.steps, settings))
            many.append(measure(backend, arguments.processes, arguments.steps, settings))
        ratios = sorted(n / arguments.processes / o for o, n in zip(one, many, strict=True))
        cells = [f"{statistics.median(rates):.1f}" for rates in (one, many)] + [f"{ratios[0]:.2f} to {ratios[-1]:.2f}"]
        print(f"| {backend} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
