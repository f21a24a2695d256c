"""Weak scaling: a recipe on one and on several processes of one core each, with the same batch in every process.

    python benchmarks/processes.py

The peer of n processes is one process with n times its throughput. What a step takes longer in n processes is what they
exchange, the gradients and the sums of the normalizations, and what they wait for each other. It hardly depends on the
length of the batch, `--seconds`, while the work grows with it.
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
    """Milliseconds a step."""
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
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}")
    result = next(line for line in done.stdout.splitlines() if line.startswith('[0] {"steps_per_second"'))
    return 1e3 / json.loads(result.removeprefix("[0] "))["steps_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax"], choices=["tensorflow", "jax"])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--filters", type=int, default=384)
    parser.add_argument("--seconds", type=float, nargs="+", default=[3.0, 12.0], help="of audio in an example")
    parser.add_argument("--smoke", action="store_true", help="a tiny model, once: shows that the benchmark runs")
    arguments = parser.parse_args()
    extra = []
    if arguments.smoke:
        arguments.filters, arguments.seconds, extra = 8, [1.0], ["--set", "batch_size=2"]
        arguments.rounds, arguments.steps, arguments.backends = 1, 2, ["tensorflow"]
    n = arguments.processes
    print(f"| backend | seconds | ms a step, 1 process | {n} processes | more | of {n} times one |\n|" + "---|" * 6)
    for backend in arguments.backends:
        if importlib.util.find_spec(backend) is None:
            print(f"{backend} is left out: it is not installed.")
            continue
        for seconds in arguments.seconds:
            settings = ["--set", f"filters={arguments.filters}", "--set", f"seconds={seconds}", *extra]
            ones, manys = [], []
            for _ in range(arguments.rounds):
                ones.append(measure(backend, 1, arguments.steps, settings))
                manys.append(measure(backend, n, arguments.steps, settings))
            ratios = [one / many for one, many in zip(ones, manys, strict=True)]
            one, many = statistics.median(ones), statistics.median(manys)
            cells = [f"{one:.0f}", f"{many:.0f}", f"{many - one:.0f}", f"{min(ratios):.2f} to {max(ratios):.2f}"]
            print(f"| {backend} | {seconds:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
