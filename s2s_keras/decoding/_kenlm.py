"""KenLM's binary files, of type trie: header, vocabulary, a trie of reversed n-grams in packed bits, strings.

Written from the layout that KenLM 0.3.0 writes (format version 5). A probing file holds hashes instead of n-grams, from
which n-grams cannot be had.
"""

import struct

import numpy as np

from s2s_keras.decoding import _ngram_tables
from s2s_keras.decoding._arpa import check_words

MAGIC = b"mmap lm http://kheafield.com/code"
_VERSION = b" format version 5\n\0"
_SANITY = struct.Struct("<56s3f3IQ")  # magic, 0, 1, -0.5, 1, 2**32 - 1, padding, 1: the byte order and sizes are ours
_SANE = (0.0, 1.0, -0.5, 1, 2**32 - 1, 0, 1)
_FIXED = struct.Struct("<B3xfI?3xI")  # order, probing multiplier, type, has strings, version of the search
_TYPES = ("probing", "rest probing", "trie", "quantized trie", "array-compressed trie", "quantized array trie")
_TRIE, _TRIE_VERSION = 2, 1
_UNIGRAM = np.dtype([("probability", "<f4"), ("backoff", "<f4"), ("next", "<u8")])
_PROBABILITY_BITS, _BACKOFF_BITS = 31, 32  # the sign of a log probability is known


def read(path):
    """(tables, words) of a binary file of KenLM."""
    data = np.memmap(path, "u1", "r")
    order, has_strings, counts, offset = _read_header(path, data)
    if not has_strings:
        raise ValueError(f"{path}: built without its words (build_binary -v). Build it again without -v.")
    num_words = counts[0]
    try:
        offset += 8 + 8 * num_words  # the words' hashes; ids are their ranks, and so the strings are sorted
        unigrams, offset = _take(data, offset, num_words + 2, _UNIGRAM)
        levels = [(np.arange(num_words)[:, None], *(unigrams[name][:num_words] for name in ("probability", "backoff")))]
        nexts, word_bits = unigrams["next"][: num_words + 1], num_words.bit_length()
        for n in range(2, order + 1):
            next_bits = 0 if n == order else counts[n].bit_length()
            level, nexts, offset = _read_level(data, offset, counts[n - 1], levels[-1][0], nexts, word_bits, next_bits)
            if np.any(level[0][:, 0] >= num_words):
                raise ValueError("a word is out of range")
            levels.append(level)
        words = bytes(data[offset:]).decode().split("\0")[:-1]
    except (IndexError, ValueError) as error:
        raise ValueError(f"{path}: cut off or damaged ({error}).") from error
    if len(words) != num_words or words[0] != "<unk>":
        raise ValueError(f"{path}: expected {num_words} words at its end, got {len(words)}; it is cut off or damaged.")
    check_words(path, words)
    try:
        return _ngram_tables.from_ngrams(levels), words
    except ValueError as error:
        raise ValueError(f"{path}: {error}; make the binary from the ARPA file again.") from error


def _read_header(path, data):
    if len(data) < _SANITY.size + _FIXED.size:
        raise ValueError(f"{path}: a KenLM binary, cut off after {len(data)} bytes.")
    magic, *values = _SANITY.unpack(bytes(data[: _SANITY.size]))
    if not magic.startswith(MAGIC + _VERSION):
        raise ValueError(f"{path}: a KenLM binary, but not of format version 5; build it again with a current KenLM.")
    if tuple(values) != _SANE:
        raise ValueError(f"{path}: a KenLM binary from another kind of machine; build it again from the ARPA file.")
    order, _, kind, has_strings, version = _FIXED.unpack(bytes(data[_SANITY.size :][: _FIXED.size]))
    if kind != _TRIE or version != _TRIE_VERSION:
        name = _TYPES[kind] if kind < len(_TYPES) else f"unknown type {kind}"
        raise ValueError(
            f"{path}: a KenLM binary of type {name}, version {version}; only its type trie holds n-grams that can be "
            "read back exactly. Load the ARPA file, or run build_binary trie ARPA FILE without -q, -b and -a."
        )
    end = _SANITY.size + _FIXED.size + 8 * order
    if order < 2 or len(data) < end:
        raise ValueError(f"{path}: a KenLM binary that is cut off or damaged, of order {order} with {len(data)} bytes.")
    counts = np.frombuffer(bytes(data[end - 8 * order : end]), "<u8").tolist()
    return order, has_strings, counts, end + -end % 8


def _take(data, offset, count, dtype):
    end = offset + count * dtype.itemsize
    if end > len(data):
        raise IndexError(f"{len(data)} bytes, {end} are needed")
    return np.frombuffer(bytes(data[offset:end]), dtype), end


def _read_level(data, offset, count, shorter, nexts, word_bits, next_bits):
    """((ids, probabilities, back-offs), where each entry's own longer n-grams begin, the offset behind) of an order."""
    from s2s_keras.decoding._ngram_building import unpack

    value_bits = _PROBABILITY_BITS + (_BACKOFF_BITS if next_bits else 0)
    bits = word_bits + value_bits + next_bits
    packed, offset = _take(data, offset, ((count + 1) * bits + 7) // 8 + 8, np.dtype("u1"))
    children = np.diff(nexts.astype("int64"))  # of each shorter n-gram: those with one word more before it
    if nexts[0] != 0 or nexts[-1] != count or np.any(children < 0):
        raise ValueError("the pointers of the trie are not in sequence")
    first_words = unpack(packed, 0, bits, word_bits, count)
    ids = np.concatenate([first_words[:, None].astype("uint32"), np.repeat(shorter, children, axis=0)], axis=1)
    probabilities = unpack(packed, word_bits, bits, _PROBABILITY_BITS, count).astype("uint32") | np.uint32(1 << 31)
    backoffs = np.zeros(count, "uint32")
    if next_bits:
        backoffs = unpack(packed, word_bits + _PROBABILITY_BITS, bits, _BACKOFF_BITS, count).astype("uint32")
        nexts = unpack(packed, word_bits + value_bits, bits, next_bits, count + 1)
    return (ids, probabilities.view("float32"), backoffs.view("float32")), nexts, offset
