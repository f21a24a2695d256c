import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from s2s_keras.launch import launch
from s2s_keras.training import distribution

BACKEND = keras.backend.backend()
SCRIPT = Path(__file__).with_name("own_script.py")
NAMES = ("TF_CONFIG", "JOB_COMPLETION_INDEX", "KERAS_DISTRIBUTION_JOB_ADDRESSES", "KERAS_DISTRIBUTION_PROCESS_ID")
several = pytest.mark.skipif(BACKEND == "torch", reason="Keras trains on several processes on TensorFlow and JAX only")


@pytest.fixture
def environment(monkeypatch):
    for name in [*NAMES, *(name for name in os.environ if name.startswith("SLURM_"))]:
        monkeypatch.delenv(name, raising=False)
    return lambda **variables: [monkeypatch.setenv(name, value) for name, value in variables.items()]


def test_a_process_is_alone_unless_the_environment_names_others(environment):
    assert distribution.cluster() == ([], 0)
    assert (distribution.connect(), distribution.process_index(), distribution.is_chief()) == (1, 0, True)
    assert [distribution.any_process(flag) for flag in (True, False)] == [True, False]
    environment(TF_CONFIG=json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}))
    assert distribution.cluster() == ([], 0)


def test_tf_config(environment):
    jobs = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    environment(TF_CONFIG=json.dumps({"cluster": jobs, "task": {"type": "worker", "index": 1}}))
    assert distribution.cluster() == (["a:1", "b:1", "c:1"], 2)
    assert not distribution.is_chief()
    environment(TF_CONFIG=json.dumps({"cluster": jobs, "task": {"type": "worker", "index": 2}}))
    with pytest.raises(ValueError, match="none of its cluster's"):
        distribution.cluster()
    environment(TF_CONFIG="{")
    with pytest.raises(ValueError, match="TF_CONFIG is not the JSON"):
        distribution.cluster()


def test_an_indexed_job_of_kubernetes(environment):
    environment(KERAS_DISTRIBUTION_JOB_ADDRESSES="job-0.svc:2222,job-1.svc:2222", JOB_COMPLETION_INDEX="1")
    assert distribution.cluster() == (["job-0.svc:2222", "job-1.svc:2222"], 1)
    environment(JOB_COMPLETION_INDEX="2")
    with pytest.raises(ValueError, match="JOB_COMPLETION_INDEX='2'"):
        distribution.cluster()


def test_slurm(environment):
    environment(
        SLURM_STEP_NUM_TASKS="3",
        SLURM_STEP_NODELIST="node[01-02]",
        SLURM_STEP_TASKS_PER_NODE="2,1",
        SLURM_PROCID="2",
    )
    addresses, index = distribution.cluster()
    assert (len(addresses), index) == (3, 2)
    if BACKEND == "tensorflow":
        assert addresses == ["node01:8888", "node01:8889", "node02:8888"]


def test_errors_of_other_kinds_pass(environment):
    environment(KERAS_DISTRIBUTION_JOB_ADDRESSES="a:1,b:1", KERAS_DISTRIBUTION_PROCESS_ID="1")
    with pytest.raises(ValueError, match="mine"):
        with distribution.lost_processes_explained():
            raise ValueError("mine")
    with pytest.raises(ConnectionError, match="Process 1 of 2 stops.*last checkpoint"):
        with distribution.lost_processes_explained():
            raise RuntimeError("Collective ops is aborted by: Connection reset by peer")


@pytest.mark.skipif(BACKEND != "torch", reason="TensorFlow and JAX have it")
def test_torch_says_that_it_has_no_distribution(environment):
    environment(KERAS_DISTRIBUTION_JOB_ADDRESSES="a:1,b:1", KERAS_DISTRIBUTION_PROCESS_ID="0")
    with pytest.raises(ValueError, match="TensorFlow or JAX"):
        distribution.connect()


def run(count, folder, policy="float32", batch_size=2, epochs=2):
    """Results and weights of all processes; one process is run without the launcher."""
    folder.mkdir()
    script = [sys.executable, str(SCRIPT), str(folder), policy, str(batch_size), str(epochs)]
    command = script
    if count > 1:
        code = f"import sys; from s2s_keras.launch import launch; sys.exit(launch({count}, {script!r}))"
        command = [sys.executable, "-c", code]
    root = str(Path(__file__).parents[2])
    variables = {"PYTHONPATH": root, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": BACKEND}
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("result.*.json"))]
    weights = [np.load(path) for path in sorted(folder.glob("weights.*.npz"))]
    return results, weights


def assert_equal_weights(a, b, tolerance):
    assert a.files == b.files
    for name in a.files:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance)


@several
def test_two_processes_train_as_one_does(tmp_path):
    # Five utterances in batches of four: the second batch is filled up with rows that count nothing.
    (alone,), (expected,) = run(1, tmp_path / "alone", batch_size=4)
    results, weights = run(2, tmp_path / "two", batch_size=2)
    first, second = results
    assert first == second
    assert first["flags"] == [True, False]
    assert_equal_weights(weights[0], weights[1], 0.0)
    assert_equal_weights(weights[0], expected, 1e-5)
    assert first["history"]["val_wer"] == pytest.approx(alone["history"]["val_wer"], abs=1e-6)
    assert first["scores"]["wer"] == pytest.approx(alone["scores"]["wer"], abs=1e-6)
    if BACKEND == "tensorflow":  # every utterance once, and three empty rows
        assert (alone["predicted"][0], first["predicted"][0]) == (5, 6)


@several
@pytest.mark.skipif(BACKEND == "jax", reason="as on TensorFlow; one is enough for the time that it takes")
def test_three_processes_in_half_precision(tmp_path):
    results, weights = run(3, tmp_path / "three", "mixed_float16", batch_size=2, epochs=1)
    assert results[0] == results[1] == results[2]
    assert_equal_weights(weights[0], weights[1], 0.0)
    assert_equal_weights(weights[0], weights[2], 0.0)
    assert np.isfinite(results[0]["history"]["loss"]).all()


def test_the_launcher_numbers_processes_and_passes_their_output_on(capfd):
    code = "import os; print('I am', os.environ['KERAS_DISTRIBUTION_PROCESS_ID'])"
    assert launch(2, [sys.executable, "-c", code]) == 0
    assert sorted(capfd.readouterr().out.splitlines()) == ["[0] I am 0", "[1] I am 1"]
    with pytest.raises(ValueError, match="At least one"):
        launch(0, [])
