import os
from pathlib import Path

import numpy as np
import pytest

from s2s_keras.decoding import NGramLanguageModel, train_ngram

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "tensorflow", reason="the same on every backend")
FIXTURES = Path(__file__).with_name("fixtures")
ARPA = (FIXTURES / "tiny.arpa").read_text()


def assert_equal(first, second, atol=0.0):
    assert first.words == second.words
    for name, one, other in zip(first.tables._fields, first.tables, second.tables, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol * (name == "floats"), err_msg=name)


@pytest.fixture(scope="module")
def large():
    """A model of some thousand n-grams of Zipf's words; more than 64 contexts after one word."""
    random = np.random.default_rng(0)
    return train_ngram([" ".join(map(str, random.zipf(1.3, 20) % 1000)) for _ in range(500)], 4)


@pytest.mark.parametrize("ending", ["arpa", "arpa.gz", "s2slm"])
def test_round_trip_is_exact(large, ending, tmp_path):
    path = tmp_path / f"model.{ending}"
    if ending == "s2slm":
        large.save(path, exact=True)
    else:
        large.write_arpa(path)
    assert_equal(NGramLanguageModel.load(path), large)
    assert os.listdir(tmp_path) == [path.name]


def test_kenlm_s_trie_holds_what_its_arpa_does(tmp_path):
    trie = NGramLanguageModel.load(FIXTURES / "tiny.trie")
    trie.write_arpa(tmp_path / "trie.arpa")
    lines = sorted((tmp_path / "trie.arpa").read_text().splitlines())
    back = NGramLanguageModel.load(tmp_path / "trie.arpa")
    arpa = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    assert len(lines) == len(ARPA.splitlines())
    assert sorted(trie.words) == sorted(arpa.words)
    for text in ("the cat sat on the mat", "dog and zebra"):
        assert back.full_scores(text) == trie.full_scores(text) == arpa.full_scores(text)


def test_rounding_is_as_small_as_said(large, tmp_path):
    from s2s_keras.decoding._ngram_tables import values

    path = tmp_path / "model.s2slm"
    large.save(path)
    rounded = NGramLanguageModel.load(path)
    errors = [np.abs(a - b).max() for a, b in zip(values(rounded.tables), values(large.tables), strict=True)]
    assert np.all(np.array(errors) <= np.array(large.rounding_error) + 1e-6)
    assert 0 < max(errors) < 1e-4
    words = slice(large.tables.num_words + 1)
    np.testing.assert_array_equal(values(rounded.tables)[0][words], values(large.tables)[0][words])


def test_a_backoff_of_zero_stays_zero(tmp_path):
    from s2s_keras.decoding._ngram_tables import values

    model = NGramLanguageModel.load(FIXTURES / "gaps.arpa")  # back-offs on both sides of 0
    model.save(tmp_path / "model.s2slm")
    zero = values(model.tables)[1] == 0
    assert zero[model.tables.num_words + 1 :].any()
    assert np.all(values(NGramLanguageModel.load(tmp_path / "model.s2slm").tables)[1][zero] == 0)


def test_size_of_an_entry(large, tmp_path):
    path = tmp_path / "model.s2slm"
    large.save(path)
    first = sum(len(word) + 1 for word in large.words) + 20 * len(large.words)
    entries = sum(large.counts[1:-1]) * 14.2 + large.counts[-1] * 6
    assert path.stat().st_size <= first + entries + 2048


def test_many_children_do_not_fit_sixteen_bits(tmp_path):
    # 1100 words after each of 70 pairs: the children of 64 neighbours span 70,400 entries
    words = [f"w{i}" for i in range(1100)]
    pairs = [f"x {word}" for word in words[:70]]
    triples = [f"{pair} {word}" for pair in pairs for word in words]
    unigrams = ["<s>", "</s>", "<unk>", "x", *words]
    levels = [[f"-2\t{w}\t-0.5" for w in unigrams], [f"-1\t{p}\t-0.25" for p in pairs], [f"-0.5\t{t}" for t in triples]]
    path = tmp_path / "wide.arpa"
    with open(path, "w") as file:
        file.write("\\data\\\n" + "".join(f"ngram {n}={len(level)}\n" for n, level in enumerate(levels, 1)))
        file.writelines("\n".join([f"\n\\{n}-grams:", *level, ""]) for n, level in enumerate(levels, 1))
        file.write("\n\\end\\\n")
    model = NGramLanguageModel.load(path)
    assert model.tables.child_shift == 5
    for i in (0, 31, 32, 63, 69):
        scores = model.full_scores(f"x w{i} w1099 w1", bos=False, eos=False)
        assert [score.log10_probability for score in scores] == [-2, -1, -0.5, -2.5]


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("\\data\\", "data", r"line 1: expected \\data\\"),
        ("ngram 2=20", "ngram 3=20", "line 3: expected 'ngram 2=COUNT'"),
        ("ngram 3=20", "ngram 3=21", "line 63: expected a log10 probability, 3 words"),
        ("ngram 3=20", "ngram 3=19", r"expected \\end\\"),
        ("-1.10985\tcat", "-1.1o985\tcat", "line 11: expected a log10 probability, got '-1.1o985'"),
        ("-1.10985\tcat", "1.10985\tcat", "line 11: expected a log10 probability, got '1.10985'"),
        ("-1.10985\tcat", "nan\tcat", "line 11: expected a log10 probability, got 'nan'"),
        ("cat sat\t-0.30103", "cat sat\tinf", "line 30: expected a back-off, got 'inf'"),
        ("cat sat\t-0.30103", "cat zebra\t-0.30103", "line 30: the word 'zebra' is not among the 1-grams"),
        ("cat sat\t-0.30103", "cat dog\t-0.30103", "a 3-gram lacks its context"),
        ("dog sat\t-0.30103", "cat sat\t-0.30103", "a 2-gram is there twice"),
        ("\tdog\t", "\tcat\t", "the word 'cat' is there twice"),
        ("\t<s>\t", "\t<S>\t", "<s> is not among the words"),
        ("\n\\end\\\n", "", "it is cut off"),
        ("\\end\\\n", "\\end\\\n\\data\\\n", "line 65: expected nothing after"),
    ],
)
def test_damaged_arpa(old, new, message, tmp_path):
    path = tmp_path / "model.arpa"
    assert old in ARPA
    path.write_text(ARPA.replace(old, new))
    with pytest.raises(ValueError, match=message) as error:
        NGramLanguageModel.load(path)
    assert str(path) in str(error.value)


def test_other_ways_to_write_arpa(tmp_path):
    expected = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    path = tmp_path / "model.arpa"
    path.write_text("# a comment\n\n" + ARPA.replace("\t", "  ").replace("\n", "\r\n"))
    assert_equal(NGramLanguageModel.load(path), expected)
    path.write_text(ARPA.replace("<unk>", "<UNK>"))
    assert_equal(NGramLanguageModel.load(path), expected)
    path.write_text(ARPA.replace("-0.7113026\t<s> </s>", "-inf\t<s> </s>"))
    assert NGramLanguageModel.load(path).score("") == -99


@pytest.mark.parametrize("name", ["tiny.trie", "model.s2slm", "model.arpa.gz"])
def test_cut_off_files(name, tmp_path):
    model = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    if name == "tiny.trie":
        content = (FIXTURES / name).read_bytes()
    elif name == "model.s2slm":
        model.save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
    else:
        model.write_arpa(tmp_path / name)
        content = (tmp_path / name).read_bytes()
    path = tmp_path / f"cut-{name}"
    for length in range(10, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="cut-"):
            NGramLanguageModel.load(path)
    path.write_bytes(content + b"more")
    if name == "model.s2slm":
        with pytest.raises(ValueError, match="cut off or damaged"):
            NGramLanguageModel.load(path)


@pytest.mark.parametrize(
    "name, message",
    [
        ("tiny.probing", "type probing.*run build_binary trie"),
        ("tiny.quantized", "type quantized trie.*run build_binary trie"),
        ("tiny.nowords", "without its words"),
        ("kenlm_scores.json", r"expected \\data\\"),
    ],
)
def test_files_that_cannot_be_read(name, message):
    with pytest.raises(ValueError, match=message):
        NGramLanguageModel.load(FIXTURES / name)


def test_foreign_files(tmp_path):
    path = tmp_path / "model"
    for content, message in ((b"\x89PNG\0\0" + bytes(100), "not an n-gram model"), (b"", "cut off")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            NGramLanguageModel.load(path)
    with pytest.raises(ValueError, match="no such file"):
        NGramLanguageModel.load(tmp_path / "none")
    trie = (FIXTURES / "tiny.trie").read_bytes()
    for old, new, message in (
        (b"version 5", b"version 4", "not of format version 5"),
        (b"\2\0\0\0\1", b"\7\0\0\0\1", "unknown type 7"),
    ):
        path.write_bytes(trie.replace(old, new, 1))
        with pytest.raises(ValueError, match=message):
            NGramLanguageModel.load(path)


def test_damaged_header_of_the_compact_file(tmp_path):
    path = tmp_path / "model.s2slm"
    NGramLanguageModel.load(FIXTURES / "tiny.arpa").save(path)
    content = path.read_bytes()
    for old, new, message in (
        (b'"num_words": 12', b'"num_words": 13', "do not agree"),
        (b'"child_shift"', b'"child_shirt"', "header is damaged"),
        (b"\r\n\1", b"\r\n\2", "version 2"),
    ):
        path.write_bytes(content.replace(old, new, 1))
        with pytest.raises(ValueError, match=message):
            NGramLanguageModel.load(path)


def test_an_interrupted_write_leaves_nothing(tmp_path):
    path = tmp_path / "model.arpa.gz"
    model = NGramLanguageModel.load(FIXTURES / "tiny.arpa")
    model.write_arpa(path)
    content = path.read_bytes()
    model.words = model.words[:-1]  # fails in the middle
    with pytest.raises(ValueError):
        model.write_arpa(path)
    assert os.listdir(tmp_path) == [path.name] and path.read_bytes() == content
    with pytest.raises(ValueError, match="folder .* does not exist"):
        model.save(tmp_path / "none" / "model.s2slm")
