import os
import sys

import pytest

from s2s_keras import cli
from s2s_keras.data import load_manifest

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")


@pytest.fixture
def run(monkeypatch, capsys):
    """Function (arguments) -> (exit code, stdout, stderr) of `s2s-keras shard`."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # file descriptor 2 belongs to pytest here

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["s2s-keras", "shard", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capsys.readouterr()
        return exit.value.code or 0, out, err

    return run


def test_shard(run, write_corpus, tmp_path):
    manifest, output = write_corpus([0.5, 0.75, 0.25]), tmp_path / "out"
    code, out, _ = run(manifest, "--output", output, "--shard-size", 0.02, "--num-workers", 2)
    assert code == 0
    assert out.splitlines()[0].startswith(f"{output}/train.jsonl: 3 utterances, 0.00 hours, 2 shards, 0.1 MB")
    assert [u.text for u in load_manifest(output / "train.jsonl")] == ["yes"] * 3


def test_bad_recordings(run, write_corpus, tmp_path):
    manifest = write_corpus([0.5, 0.75])
    os.truncate(tmp_path / "train.jsonl-1.wav", 100)
    code, _, err = run(manifest, "--output", tmp_path / "out")
    assert code == 2 and "line 2" in err and err.count("\n") == 1
    code, out, _ = run(manifest, "--output", tmp_path / "out", "--skip-bad")
    assert code == 0 and "left out: " in out and "1 utterances" in out
    assert out.splitlines()[-1].startswith("Skipped 1 utterance: 1 unreadable audio")


def test_arguments(run, write_corpus, tmp_path):
    assert "no such file" in run(tmp_path / "none.jsonl", "--output", tmp_path)[2]
    assert "format='zip'" in run(write_corpus([0.5]), "--output", tmp_path / "out", "--format", "zip")[2]
