"""ARPA files: n-gram models as text."""

import gzip
import itertools
import sys
import zlib

import numpy as np

from s2s_keras.decoding import _ngram_tables
from s2s_keras.decoding._ngram_files import written_aside

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
_CAPITAL_UNKNOWN = "<UNK>"  # as some programs write it
MISSING_UNKNOWN = -100.0  # log10 probability of unknown words where the file gives none, as KenLM has it
_AT_A_TIME = 100_000


def read(path):
    """(tables, words) of an ARPA file, which gzip may have packed."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opened = gzip.open if packed else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        lines = _Lines(path, file)
        try:
            counts = _read_counts(lines)
            levels, words = [], []
            for n, count in enumerate(counts, 1):
                levels.append(_read_level(lines, n, count, words, len(counts)))
            lines.expect("\\end\\")
            lines.expect_end()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: the file is not UTF-8 text ({error}).") from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path}: the file is cut off or damaged ({error}).") from error
    try:
        return _ngram_tables.from_ngrams(levels), words
    except ValueError as error:
        raise ValueError(f"{path}: {error}.") from error


class _Lines:
    """The lines of a file, without their ends, and where we are."""

    def __init__(self, path, file):
        self.path, self.file, self.number = path, file, 0

    def next(self):
        """The next line that is not empty; an error at the end of the file."""
        for line in self.file:
            self.number += 1
            if line.strip(" \t\r\n"):
                return line.rstrip(" \t\r\n")
        raise self.error("the file ends here, before \\end\\; it is cut off")

    def take(self, count):
        lines = list(itertools.islice(self.file, count))
        self.number += len(lines)
        if len(lines) < count:
            raise self.error("the file ends here, before \\end\\; it is cut off")
        return lines

    def expect(self, text):
        line = self.next()
        if line != text:
            raise self.error(f"expected {text}, got {line[:60]!r}")

    def expect_end(self):
        for line in self.file:  # to the end, where gzip keeps its checksum
            self.number += 1
            if line.strip():
                raise self.error(f"expected nothing after \\end\\, got {line.strip()[:60]!r}")

    def error(self, message, back=0):
        return ValueError(f"{self.path}, line {self.number - back}: {message}.")


def _read_counts(lines):
    line = lines.next()
    while line.startswith("#"):
        line = lines.next()
    if line != "\\data\\":
        raise lines.error(f"expected \\data\\, with which an ARPA file begins, got {line[:60]!r}")
    counts = []
    for line in lines.file:
        lines.number += 1
        if not line.strip():
            break
        name, _, count = line.strip().partition("=")
        if name.split() != ["ngram", str(len(counts) + 1)] or not count.strip().isdecimal():
            raise lines.error(f"expected 'ngram {len(counts) + 1}=COUNT' or an empty line, got {line.strip()[:60]!r}")
        counts.append(int(count))
    if not counts:
        raise lines.error("expected 'ngram 1=COUNT' after \\data\\")
    return counts


def _read_level(lines, n, count, words, order):
    """(ids (count, n), log10 probabilities, log10 back-offs) of one order; unigrams are appended to `words`."""
    lines.expect(f"\\{n}-grams:")
    words_of_level, probabilities, backoffs = [], np.zeros(count), np.zeros(count)
    ids = np.zeros((count, n), "uint32")
    known = {_CAPITAL_UNKNOWN: 0, **{word: number for number, word in enumerate(words)}}
    for first in range(0, count, _AT_A_TIME):
        rows = [_fields(line) for line in lines.take(min(_AT_A_TIME, count - first))]
        part = slice(first, first + len(rows))
        lengths = set(map(len, rows))
        if not lengths <= {n + 1, n + 2}:
            wrong = next(i for i, row in enumerate(rows) if len(row) not in (n + 1, n + 2))
            message = f"expected a log10 probability, {n} words and perhaps a back-off, got {' '.join(rows[wrong])!r}"
            raise lines.error(message, len(rows) - 1 - wrong)
        probabilities[part] = _numbers(lines, [row[0] for row in rows], high=0.0)
        backoffs[part] = _numbers(lines, [row[n + 1] if len(row) > n + 1 else "0" for row in rows])
        if n == 1:
            words_of_level += [row[1] for row in rows]
            continue
        found = map(known.get, itertools.chain.from_iterable(row[1 : n + 1] for row in rows))
        try:
            ids[part] = np.fromiter(found, "uint32", len(rows) * n).reshape(-1, n)
        except TypeError:
            wrong, word = next((i, w) for i, row in enumerate(rows) for w in row[1 : n + 1] if w not in known)
            raise lines.error(f"the word {word!r} is not among the 1-grams", len(rows) - 1 - wrong) from None
    if n > 1:
        return ids, probabilities, backoffs
    return _unigrams(lines, words_of_level, probabilities, backoffs, words, order)


def _unigrams(lines, read_words, probabilities, backoffs, words, order):
    """The unknown word becomes the first one, whatever place it has or has not."""
    if UNKNOWN not in read_words:
        read_words = [UNKNOWN if word == _CAPITAL_UNKNOWN else word for word in read_words]
    if len(set(read_words)) < len(read_words):
        twice = next(word for i, word in enumerate(read_words) if word in read_words[:i])
        raise ValueError(f"{lines.path}: the word {twice!r} is there twice among the 1-grams.")
    check_words(lines.path, read_words)
    if UNKNOWN not in read_words:
        read_words.append(UNKNOWN)
        probabilities, backoffs = np.append(probabilities, MISSING_UNKNOWN), np.append(backoffs, 0.0)
    unknown = read_words.index(UNKNOWN)
    sequence = [unknown, *range(unknown), *range(unknown + 1, len(read_words))]
    words += [read_words[i] for i in sequence]
    return np.arange(len(words))[:, None], probabilities[sequence], backoffs[sequence]


def check_words(path, words):
    """An error if a model cannot begin or end a text."""
    for word in (BEGIN, END):
        if word not in words:
            raise ValueError(f"{path}: {word} is not among the words; a model needs it to begin and end texts.")


def _fields(line):
    fields = line.rstrip(" \t\r\n").replace("\t", " ").split(" ")
    return fields if "" not in fields else [field for field in fields if field]


def _numbers(lines, texts, high=sys.float_info.max):
    try:
        numbers = np.array(texts).astype("float64")
        wrong = np.flatnonzero(~(numbers <= high))  # NaN is not
    except ValueError:
        wrong = [next(i for i, text in enumerate(texts) if not _is_number(text))]
    if len(wrong):
        message = "a log10 probability" if high == 0 else "a back-off"
        raise lines.error(f"expected {message}, got {texts[wrong[0]]!r}", len(texts) - 1 - wrong[0])
    return numbers


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def write(path, tables, words):
    """Writes an ARPA file, packed with gzip where the name ends so; an interrupted write leaves nothing behind."""
    starts = tables.starts
    order = len(starts) - 2
    probabilities, backoffs = _ngram_tables.values(tables)
    contexts = _ngram_tables.parents(tables)
    with written_aside(path) as aside:
        opened = gzip.open if str(path).endswith(".gz") else open
        with opened(aside, "wt", encoding="utf-8", newline="\n") as file:
            counts = "".join(f"ngram {n}={starts[n + 1] - starts[n]}\n" for n in range(1, order + 1))
            file.write(f"\\data\\\n{counts}")
            texts = words
            for n in range(1, order + 1):
                first, last = starts[n], starts[n + 1]
                if n > 1:
                    pairs = zip(next(contexts).tolist(), tables.longs[first:last].tolist(), strict=True)
                    texts = [f"{texts[parent]} {words[word]}" for parent, word in pairs]
                file.write(f"\n\\{n}-grams:\n")
                level = probabilities[first:last].tolist()
                if n == order:
                    file.writelines(f"{p:.9g}\t{text}\n" for p, text in zip(level, texts, strict=True))
                    continue
                rows = zip(level, texts, backoffs[first:last].tolist(), strict=True)
                file.writelines(f"{p:.9g}\t{text}\t{b:.9g}\n" for p, text, b in rows)
            file.write("\n\\end\\\n")
