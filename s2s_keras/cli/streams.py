"""What `transcribe --stream` prints while a recording goes on."""

import json
import sys

import numpy as np

CHUNK_SECONDS = 0.1
STDIN = "-"


def stream_files(model, files, *, language_model, sample_rate, as_json, timestamps):
    """Prints results as they come: a line for each utterance, and on a terminal what is understood so far."""
    for file in files:
        rate = sample_rate or model.sample_rate if file == STDIN else model.sample_rate
        stream = model.stream(rate, language_model)
        for result in stream(_stdin(rate) if file == STDIN else _file(file, rate)):
            if as_json:
                words = [[word.text, round(word.start, 3), round(word.end, 3)] for word in result.words]
                row = {"file": file, "text": result.text, "is_final": result.is_final, "words": words}
                print(json.dumps(row), flush=True)
            elif result.is_final:
                _clear()
                times = f"{result.words[0].start:8.2f} {result.words[-1].end:8.2f}  " if timestamps else ""
                print(f"{file}: {times}{result.text}" if len(files) > 1 else f"{times}{result.text}", flush=True)
            elif sys.stdout.isatty():
                _clear()
                print(result.text[-78:], end="", flush=True)


def _clear():
    """The line on a terminal is empty again."""
    if sys.stdout.isatty():
        print("\r\x1b[K", end="")


def _file(path, rate):
    """The samples of a file in pieces as short as a microphone's."""
    from s2s_keras.ops.audio import audio_blocks

    size = round(CHUNK_SECONDS * rate)
    for block in audio_blocks(path, rate):
        yield from np.split(block, range(size, len(block), size))


def _stdin(rate):
    """Samples of 16 bits from standard input, as they come."""
    size, rest = 2 * round(CHUNK_SECONDS * rate), b""
    while data := sys.stdin.buffer.read1(size):
        data = rest + data
        even = len(data) // 2 * 2
        rest = data[even:]
        yield np.frombuffer(data[:even], "<i2")
