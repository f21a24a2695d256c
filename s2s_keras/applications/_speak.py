"""A folder that a synthesizer was exported to speaks: with NumPy and onnxruntime (or TensorFlow), without Keras.

`SpeechSynthesizer.export` writes this file into the folder as `speak.py`:

    python FOLDER/speak.py "Hello world." --output hello.wav

Texts are in words: numbers and abbreviations are written out before.
"""

import argparse
import contextlib
import functools
import gzip
import importlib.util
import json
import re
import sys
import unicodedata
import warnings
import wave
from pathlib import Path

import numpy as np

SETTINGS = "speech.json"
TABLE = "text.json.gz"  # `SynthesisTokenizer.table`
SAVED_MODEL = "networks"
GUESSER = "letter_to_sound.py"  # says words that are not in the table


class Speaker:
    """Speaks with the networks of a folder, as the model that they were exported from with the same seed.

    Args:
        folder: path.

    Raises:
        ValueError: a file is missing or damaged.
        ImportError: the package that runs the networks is not installed.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        with self._reading(SETTINGS) as path:
            self.settings = json.loads(path.read_text("utf-8"))
        self.sample_rate = self.settings["sample_rate"]
        load = self._onnx if self.settings["format"] == "onnx" else self._saved_model
        self._start, self._steps, self._correct, self._vocoder = load(("start", "steps", "correct", "vocoder"))

    def speak(self, text, seed=0, speaker=0, style=None):
        """Audio of a text, float32 (S,) at `sample_rate`: its sentences with pauses between them."""
        pause = np.zeros(round(self.settings["pause"] * self.sample_rate), "float32")
        audio = []
        for sentence in sentences(text, self.table):
            mel = self.spectrogram(token_ids(sentence, self.table, self.guess), seed, speaker, style)
            audio += [pause, self.vocode(mel)]
        return np.concatenate(audio[1:])

    def spectrogram(self, token_ids, seed=0, speaker=0, style=None):
        """The mel spectrogram of a sentence.

        Args:
            token_ids: list of int.
            seed: int, of the dropout that stays on: another one, another way to say it.
            speaker: int, the voice, for a model that has several.
            style: list of float, weights of the style tokens, for a model that has them. Default: all alike.

        Returns:
            float32 array (T, num_mel_bins).

        Raises:
            ValueError: token ids, a voice or a style that the model does not have, or the speech did not end.
        """
        facts, rng = self.settings, np.random.default_rng(seed)
        state = self._start({"token_ids": self._checked(token_ids), **self._conditions(speaker, style)})
        limit = max(facts["least_limit"], facts["frames_per_token"] * len(token_ids))
        threshold = np.log(facts["stop"] / (1.0 - facts["stop"]))
        mels, frames = [], 0
        while frames < limit:
            outputs = self._steps({**state, "drawn": self._draw(rng)})
            state |= {name.removeprefix("next_"): x for name, x in outputs.items() if name.startswith("next_")}
            mels.append(outputs["mel"])
            ended = np.flatnonzero(outputs["stop"][0] > threshold)
            if ended.size:
                length = max(frames + int(ended[0]), 1)
                if length > limit:
                    break
                mel = np.concatenate(mels, axis=1)[:, :length]
                return self._correct({"mel": mel, "lengths": np.array([length], "int32")})["mel_postnet"][0]
            frames += outputs["mel"].shape[1]
        raise ValueError(
            f"Attention got lost: the speech did not end within {limit} frames. Try another seed, or shorter sentences."
        )

    def vocode(self, mel):
        """Audio of a mel spectrogram (T, num_mel_bins), float32 ((T - 1) * hop_length,)."""
        return self._vocoder({"mel": mel[None], "mel_lengths": np.array([len(mel)], "int32")})["audio"][0]

    def _checked(self, ids):
        size = self.settings["vocabulary_size"]
        if not len(ids) or not all(0 < n < size for n in ids):
            raise ValueError(f"A sentence is a list of token ids from 1 to {size - 1}. Received: {list(ids)}.")
        return np.array([ids], "int32")

    def _conditions(self, speaker, style):
        voices, styles = self.settings["num_speakers"], np.array(self.settings["styles"], "float32")
        if speaker not in range(max(voices, 1)) or (style is not None and np.shape(style) != (len(styles),)):
            raise ValueError(
                f"The model has {max(voices, 1)} voices and {len(styles)} style tokens. "
                f"Received: speaker={speaker!r}, style={style!r}."
            )
        conditions = {"speaker_ids": np.array([speaker], "int32")} if voices else {}
        if len(styles):
            weights = np.full(len(styles), 1.0 / len(styles)) if style is None else np.asarray(style)
            conditions["style"] = (weights @ styles)[None].astype("float32")
        return conditions

    def _draw(self, rng):
        rate, shape = self.settings["dropout"], (self.settings["chunk"], 1, self.settings["drawn_dim"])
        if not rate:
            return np.zeros(shape, "float32")
        return (rng.random(shape, "float32") >= rate).astype("float32") / (1.0 - rate)

    @functools.cached_property
    def guess(self):
        """What finds the phonemes of a word by its letters, or None of a model that does without."""
        if "rules" not in self.table:
            return None
        with self._reading(GUESSER) as path:
            spec = importlib.util.spec_from_file_location("letter_to_sound", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        return lambda word: module.guess(word, self.table["rules"])

    @functools.cached_property
    def table(self):
        """What turns texts into token ids, see `SynthesisTokenizer.table`."""
        if not self.settings["has_table"]:
            raise ValueError("The model has no table from texts to token ids. Give it token ids instead (--ids).")
        with self._reading(TABLE) as path, gzip.open(path, "rt", encoding="utf-8") as file:
            return json.load(file)

    @contextlib.contextmanager
    def _reading(self, name):
        path = self.folder / name
        if not path.exists():
            raise ValueError(
                f"{path}: no such file. A folder that speaks is written by `s2s-keras export PRESET --output FOLDER`."
            )
        try:
            yield path
        except Exception as error:  # of a kind that depends on who reads
            raise ValueError(f"{path} cannot be read, is it damaged? Export the model again. {error}") from error

    def _onnx(self, names):
        onnxruntime = _package("onnxruntime")

        def network(name):
            with self._reading(f"{name}.onnx") as path:
                session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            inputs, outputs = ([x.name for x in some()] for some in (session.get_inputs, session.get_outputs))
            return lambda x: dict(zip(outputs, session.run(outputs, {name: x[name] for name in inputs}), strict=True))

        return [network(name) for name in names]

    def _saved_model(self, names):
        tensorflow = _package("tensorflow")
        with self._reading(SAVED_MODEL) as path:
            self._loaded = tensorflow.saved_model.load(str(path))

        def network(name):
            function = getattr(self._loaded, name)
            return lambda x: {name: y.numpy() for name, y in function(x).items()}

        return [network(name) for name in names]


def sentences(text, table):
    """The sentences of a text: list of str.

    Example:

    >>> sentences("Yes. No!", {"lower": True, "sentence": r"\\S[^.!]*."})
    ['yes.', 'no!']
    """
    text = unicodedata.normalize("NFC", text.lower() if table["lower"] else text)
    found = [sentence for sentence in re.findall(table["sentence"], text) if re.search(r"\w", sentence)]
    if not found:
        raise ValueError(f"There is nothing to say. Received: {text!r}.")
    return found


def token_ids(sentence, table, guess=None):
    """The token ids of a sentence in words.

    Args:
        sentence: str, as `sentences` returns it.
        table: dict, see `SynthesisTokenizer.table`.
        guess: callable from a word that is not in the table to its phonemes, or None.

    Returns:
        List of int.

    Raises:
        ValueError: there is something that the model cannot say.
    """
    ids, missing = [], []
    for part in re.findall(table["part"], sentence):
        if part.startswith("{") and part.endswith("}") and table["phonemes"]:
            given = part[1:-1].upper().split()
            if wrong := [phoneme for phoneme in given if phoneme not in table["phonemes"]]:
                raise ValueError(f"Braces hold phonemes such as {{HH AH0 L OW1}}. Received: {wrong} in {sentence!r}.")
            ids += [table["phonemes"][phoneme] for phoneme in given]
        elif (said := _pronounce(part, table)) is not None:
            ids += said
        elif guess is not None and part[0].isalpha() and (guessed := guess(part)):
            ids += [table["phonemes"][phoneme] for phoneme in guessed]
        elif part[0].isalpha() and table["unknown_words"] == "error":
            raise ValueError(f"The dictionary does not have {part!r}. Received: {sentence!r}.")
        else:
            missing += [character for character in part if character not in table["characters"]]
            ids += [table["characters"][character] for character in part if character in table["characters"]]
    if missing:
        message = f"Nobody taught this model to say {', '.join(map(repr, sorted(set(missing))))}: {sentence!r}."
        if table["unknown"] == "error":
            raise ValueError(f"{message} Write it as words.")
        warnings.warn(f"{message} It is left out.", stacklevel=2)
    return [*table["before"], *ids, *table["after"]]


def _package(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"The networks of this folder need {name}: pip install {name}.") from error


def _pronounce(word, table):
    words = table["words"]
    if word in words or not word.endswith("'s") or word[:-2] not in words:
        return words.get(word)
    said = words[word[:-2]]
    return said + table["possessive"][str(said[-1])]


def write_wav(path, audio, sample_rate):
    """Writes float audio (S,) in [-1, 1] with 16 bits a sample.

    Example:

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a.wav")
    >>> write_wav(path, np.zeros(100), 16000)
    >>> os.path.getsize(path)
    244
    """
    samples = np.round(np.clip(audio, -1.0, 1.0) * 32767.0).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, sample_rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def main():
    parser = argparse.ArgumentParser(description="Say a text with the networks of this folder.")
    parser.add_argument("text", help="what to say, in words; with --ids token ids")
    parser.add_argument("-o", "--output", required=True, help="WAV file to write")
    parser.add_argument("--ids", action="store_true", help="the text is token ids of one sentence, between spaces")
    parser.add_argument("--seed", type=int, default=0, help="another number, another way to say it")
    parser.add_argument("--speaker", type=int, default=0, help="which voice, for models that have several")
    parser.add_argument("--style", type=float, nargs="+", help="weights of the style tokens, for models that have them")
    given = parser.parse_args()
    try:
        speaker = Speaker(Path(__file__).resolve().parent)
        manner = (given.seed, given.speaker, given.style)
        if given.ids:
            audio = speaker.vocode(speaker.spectrogram([int(n) for n in given.text.split()], *manner))
        else:
            audio = speaker.speak(given.text, *manner)
        write_wav(given.output, audio, speaker.sample_rate)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"Error: {error}")
    print(f"{given.output}: {len(audio) / speaker.sample_rate:.1f} s at {speaker.sample_rate} Hz")


if __name__ == "__main__":
    main()
