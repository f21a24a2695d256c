"""What every test shares: the backend, threads and the corpora beside the repository."""

import importlib.util
import os
from pathlib import Path

THREADS = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    # Compiling takes most of the time of the tests on JAX: without the optimizations of machine code a third less, with
    # the older way to fused loops another third.
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0 "
    "--xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false",
}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "MPLBACKEND": "agg"}
INSTALLED = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]

# Before Keras is imported by any test. What the environment already says wins.
for name, value in {"KERAS_BACKEND": (INSTALLED or ["tensorflow"])[0], **THREADS, **QUIET}.items():
    os.environ.setdefault(name, value)

import pytest  # noqa: E402

# Files that take minutes. Test processes take them first, or one would end long after the other.
LONG = (
    "test_notebooks.py",
    "test_killed_worker.py",
    "test_mutants.py",
    "test_distribution.py",
    "test_runner.py",
    "test_tensorboard.py",
)
SHARED = Path(__file__).resolve().parents[1] / "../shared"


@pytest.fixture(scope="session")
def shared():
    """The folder of corpora and reference outputs beside the repository; a test that needs it is skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("no folder `shared` beside the repository: it holds the corpora and reference outputs")
    return SHARED.resolve()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_report_header():
    return f"Keras backend: {os.environ['KERAS_BACKEND']} (set KERAS_BACKEND to change; installed: {INSTALLED})"
