import json
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

from s2s_keras import cli
from s2s_keras.decoding import NGramLanguageModel

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
FIXTURES = Path(__file__).with_name("fixtures")
CLIPS = Path(cli.__file__).parents[1] / "presets" / "clips"


@pytest.fixture
def run(monkeypatch, capsys):
    """Function (arguments) -> (exit code, stdout, stderr) of `s2s-keras lm`."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # file descriptor 2 belongs to pytest here

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["s2s-keras", "lm", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capsys.readouterr()
        return exit.value.code or 0, out, err

    return run


def test_train_on_text(run, tmp_path):
    output = tmp_path / "tiny.s2slm"
    code, out, _ = run("train", FIXTURES / "tiny.txt", "--output", output, "--discount-fallback", "--exact")
    assert code == 0 and out.startswith(f"{output}: 12 1-grams, 20 2-grams, 20 3-grams, 0.0 MB")
    expected = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    assert NGramLanguageModel.load(output).score("the cat") == pytest.approx(expected.score("the cat"), abs=1e-6)


def test_train_on_texts_and_manifests(run, tmp_path):
    output, csv = tmp_path / "lm.arpa", tmp_path / "clips.csv"
    shutil.copy(next(CLIPS.glob("*.flac")), tmp_path / "one.flac")
    csv.write_text("wav_filename,wav_filesize,transcript\none.flac,1,zebra\n")
    inputs = [CLIPS / "manifest.jsonl", csv, FIXTURES / "tiny.txt"]
    assert run("train", *inputs, "--order", 2, "--output", output, "--discount-fallback")[0] == 0
    words = [json.loads(line)["text"].split() for line in (CLIPS / "manifest.jsonl").read_text().splitlines()]
    model = NGramLanguageModel.load(output)
    assert model.order == 2
    assert {"zebra", "naïve", *sum(words, [])} <= set(model.words)


def test_prune(run, tmp_path):
    output = tmp_path / "lm.arpa"
    fallback = ("--output", output, "--discount-fallback")
    assert run("train", FIXTURES / "tiny.txt", "--prune", "0,1", *fallback)[0] == 0
    assert NGramLanguageModel.load(output).counts == NGramLanguageModel.load(FIXTURES / "tiny_pruned.arpa").counts
    assert "--prune takes whole numbers" in run("train", FIXTURES / "tiny.txt", "--prune", "0 x", *fallback)[2]


def test_perplexity(run):
    model = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    expected = model.perplexity((FIXTURES / "tiny.txt").read_text().splitlines())
    code, out, _ = run("perplexity", FIXTURES / "tiny.trie", FIXTURES / "tiny.txt")
    assert code == 0 and out.splitlines()[0].endswith(f" {expected.including_unknown:.2f}")
    code, out, _ = run("perplexity", FIXTURES / "tiny.arpa", FIXTURES / "tiny.txt", "--json")
    assert json.loads(out) == expected._asdict()


@pytest.mark.parametrize("ending", ["arpa", "arpa.gz", "s2slm"])
def test_convert(run, ending, tmp_path):
    output = tmp_path / f"lm.{ending}"
    assert run("convert", FIXTURES / "tiny.trie", output)[0] == 0
    expected = NGramLanguageModel.load(FIXTURES / "tiny.trie").score("the dog")
    assert NGramLanguageModel.load(output).score("the dog") == pytest.approx(expected, abs=1e-4)


def test_text_comes_through_a_pipe(run, tmp_path):
    pipe, output = tmp_path / "pipe", tmp_path / "lm.s2slm"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=((FIXTURES / "tiny.txt").read_bytes(),))
    writer.start()
    code, out, _ = run("train", pipe, "--output", output, "--discount-fallback")
    writer.join()
    assert code == 0 and out.startswith(f"{output}: 12 1-grams, 20 2-grams, 20 3-grams")
    assert "no word to learn from" in run("train", os.devnull, "--output", output)[2]
    assert "a pipe or a device, expected a file" in run("perplexity", os.devnull, FIXTURES / "tiny.txt")[2]


def test_errors_are_one_sentence(run, tmp_path):
    code, _, err = run("train", FIXTURES / "tiny.txt", "--output", tmp_path / "lm.s2slm")
    assert code == 2 and "discount_fallback" in err and err.count("\n") == 1
    assert "no such file" in run("perplexity", tmp_path / "none", FIXTURES / "tiny.txt")[2]
    assert "type probing" in run("convert", FIXTURES / "tiny.probing", tmp_path / "lm.arpa")[2]
    (tmp_path / "latin.txt").write_bytes("naïve".encode("latin-1"))
    assert "not UTF-8" in run("perplexity", FIXTURES / "tiny.arpa", tmp_path / "latin.txt")[2]
    assert os.listdir(tmp_path) == ["latin.txt"]
