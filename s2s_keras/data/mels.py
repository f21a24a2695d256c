"""Spectrograms of recordings, made once: in memory or in a folder."""

import hashlib
import os
import tempfile
import threading
import zipfile
from typing import NamedTuple

import keras
import numpy as np

from s2s_keras.data.manifest import UtteranceError
from s2s_keras.ops.trimming import trim_silence

FLOOR = 1e-5  # the least value of a mel bin before the logarithm


class Mel(NamedTuple):
    """What a synthesizer learns of one recording.

    Args:
        mel: float32 (T, F), log-mel spectrogram, the frames of silence at its end included.
        magnitude: float32 (T, M), magnitudes of the same frames, or None.
        num_spoken: int, frames before those of silence.
    """

    mel: np.ndarray
    magnitude: np.ndarray | None
    num_spoken: int


class MelReader:
    """Reads an utterance, trims it and makes its spectrogram: once where a cache is given.

    Silence follows every utterance: frames at the floor, by which a synthesizer learns to stop.

    Args:
        reader: `AudioReader`.
        features: callable, audio float32 (S,) -> log-mel float32 (T, F).
        magnitude: callable, audio float32 (S,) -> magnitudes float32 (T, M), or None. Default None.
        trim: float, decibels below the loudest part from which both ends count as silence; a callable audio -> audio;
            or None. Default 60.
        end_frames: int, frames of silence at least. Default 2.
        reduction_factor: int; frames are filled up with silence to a multiple of it. Default 1.
        floor: float, the value of silence before the logarithm. Default 1e-5.
        cache: bool or path. True keeps spectrograms in memory, a path in a folder, False nowhere. Default True.

    Raises:
        ValueError: a number is out of range.

    Example:

    >>> import soundfile
    >>> from s2s_keras.data import AudioReader, Utterance
    >>> path = os.path.join(tempfile.mkdtemp(), "yes.wav")
    >>> soundfile.write(path, np.ones(1600), 16000)
    >>> reader = MelReader(AudioReader(), lambda audio: np.zeros((1 + len(audio) // 256, 80), "float32"), end_frames=3)
    >>> reader(Utterance(path, "yes")).mel.shape
    (10, 80)
    """

    def __init__(
        self, reader, features, magnitude=None, trim=60.0, end_frames=2, reduction_factor=1, floor=FLOOR, cache=True
    ):
        if end_frames < 1 or reduction_factor < 1 or floor <= 0:
            raise ValueError(
                "Expected end_frames and reduction_factor of at least 1 and a floor above 0. Received: "
                f"end_frames={end_frames}, reduction_factor={reduction_factor}, floor={floor}."
            )
        self.reader = reader
        self.sample_rate = 1  # `SpeechDataset` counts in samples, here in frames
        self.features = features
        self.magnitude = magnitude
        self.trim = trim if trim is None or callable(trim) else lambda audio: trim_silence(audio, top_db=trim)
        self.end_frames = end_frames
        self.reduction_factor = reduction_factor
        self.floor = floor
        self.memory = {} if cache is True else None
        self.folder = None if cache in (True, False) else os.fspath(cache)
        if self.folder is not None:
            os.makedirs(self.folder, exist_ok=True)
            self._settings = self._fingerprint()

    def __call__(self, utterance):
        """Returns a `Mel`; raises `UtteranceError` where the recording cannot be used."""
        key = (utterance.audio, utterance.byte_offset, utterance.num_bytes, utterance.offset, utterance.duration)
        if self.memory is not None and key in self.memory:
            return self.memory[key]
        if self.folder is None:
            spectrograms = self._make(utterance)
        else:
            spectrograms = self._from_folder(utterance, key)
        mel = self._ended(*spectrograms)
        if self.memory is not None:
            self.memory[key] = mel
        return mel

    def _make(self, utterance):
        """(log-mel, magnitudes or None) of the recording."""
        audio = self.reader(utterance)
        if not audio.any():
            message = f"{utterance.audio} is digital silence; drop the line or mend the recording."
            raise UtteranceError("silent audio", utterance.where, message)
        return self._spectrograms(audio if self.trim is None else self.trim(audio), utterance.where)

    def _spectrograms(self, audio, where):
        spectrograms = []
        for name, function in (("features", self.features), ("magnitude", self.magnitude)):
            if function is None:
                continue
            result = np.asarray(function(audio), "float32")
            if result.ndim != 2 or not len(result) or len(result) != len([*spectrograms, result][0]):
                raise ValueError(
                    f"`{name}` takes audio (samples,) and gives (frames, bins), as many frames as `features`. "
                    f"Received: {result.shape} of {audio.shape}."
                )
            if not np.isfinite(result).all():
                raise UtteranceError("not finite", where, f"`{name}` gives NaN or infinity.")
            spectrograms.append(result)
        return spectrograms if len(spectrograms) == 2 else (*spectrograms, None)

    def _ended(self, mel, magnitude):
        spoken = len(mel)
        rest = -(-(spoken + self.end_frames) // self.reduction_factor) * self.reduction_factor - spoken
        mel = np.pad(mel, [(0, rest), (0, 0)], constant_values=np.log(self.floor))
        if magnitude is not None:
            magnitude = np.pad(magnitude, [(0, rest), (0, 0)], constant_values=self.floor)
        return Mel(mel, magnitude, spoken)

    def _from_folder(self, utterance, key):
        try:
            status = os.stat(utterance.audio)
            stamp = (status.st_size, status.st_mtime_ns)
        except OSError:
            stamp = None  # the reader says what is wrong
        name = hashlib.sha256(repr((key, stamp, self._settings)).encode()).hexdigest()[:32]
        path = os.path.join(self.folder, f"{name}.npz")
        try:
            with np.load(path) as arrays:
                return arrays["mel"], arrays.get("magnitude")
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
            pass  # not there, or damaged: made again
        mel, magnitude = self._make(utterance)
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".partial", delete=False) as file:
            np.savez(file, **{"mel": mel} | ({} if magnitude is None else {"magnitude": magnitude}))
        os.replace(file.name, path)
        return mel, magnitude

    def _fingerprint(self):
        """What trimming and features make of a known sound: other settings never find what these have left."""
        noise = np.random.default_rng(0).normal(0.0, 0.1, self.reader.sample_rate).astype("float32")
        noise *= np.geomspace(1e-5, 1.0, len(noise), dtype="float32")
        audio = noise if self.trim is None else self.trim(noise)
        made = [array.tobytes() for array in self._spectrograms(audio, "a probe") if array is not None]
        return hashlib.sha256(b"".join([repr((self.reader.sample_rate, len(audio))).encode(), *made])).hexdigest()


def features_of_layer(layer):
    """Makes `features` of a front end: audio (S,) -> its output (T, F), as a NumPy array.

    Audio is padded to whole seconds, so that a compiling backend meets few shapes, and what the padding made is cut.

    Args:
        layer: front end, called with [audio, audio_lengths], with `sample_rate` and `hop_length`.

    Returns:
        Callable.
    """

    inputs = {
        "audio": keras.Input((None,), name="audio"),
        "audio_lengths": keras.Input((), dtype="int32", name="audio_lengths"),
    }
    model, lock = keras.Model(inputs, layer(list(inputs.values()))), threading.Lock()

    def features(audio):
        padded = np.pad(audio, (0, -len(audio) % layer.sample_rate))
        with lock:
            mel = model.predict_on_batch({"audio": padded[None], "audio_lengths": np.array([len(audio)], "int32")})
        return mel[0, : 1 + len(audio) // layer.hop_length]

    return features
