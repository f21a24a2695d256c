"""Keywords in a sound that is still going on, such as that of a microphone."""

import collections
import typing

import numpy as np
import soxr

from s2s_keras.applications.classifier import softmax
from s2s_keras.applications.recordings import as_waveform

NOT_KEYWORDS = ("_silence_", "_unknown_")


class Detection(typing.NamedTuple):
    """A keyword that was heard.

    Args:
        label: str, the keyword, or int, its number in a model without `labels`.
        probability: float, smoothed.
        time: float, seconds from the beginning of the stream to the end of what it was heard in.

    Example:

    >>> Detection("yes", 0.9, 3.2).time
    3.2
    """

    label: str | int
    probability: float
    time: float


class KeywordSpotter:
    """A classifier's ear: takes audio in pieces of any size, tells which keywords it heard.

    Made by `SpeechClassifier.spotter`. The classifier hears a window that moves along; its probabilities are averaged
    over some windows, and a keyword is detected where its average reaches the keyword's threshold. Then the same
    keyword is not detected again for a while. It holds a window of audio, however long it listens.

    Args:
        model: `SpeechClassifier`.
        threshold: float, or dict from label to float: keywords that are not in the dict are not detected.
        window_seconds: float, what the classifier hears at a time: as long as the recordings that it was trained on.
        step_seconds: float, how often it listens.
        smoothing_seconds: float, over which probabilities are averaged.
        pause_seconds: float, during which a keyword that was detected is not detected again.
        sample_rate: int, of the audio that it will get, in Hz. Default: the model's own.

    Raises:
        ValueError: a number is out of range, there is no such label, or the model has no head or front end.
    """

    def __init__(
        self,
        model,
        threshold=0.8,
        window_seconds=1.0,
        step_seconds=0.1,
        smoothing_seconds=0.3,
        pause_seconds=1.0,
        sample_rate=None,
    ):
        times = {"window_seconds": window_seconds, "step_seconds": step_seconds, "smoothing_seconds": smoothing_seconds}
        if any(not value > 0 for value in times.values()) or not pause_seconds >= 0:
            raise ValueError(
                "Times must be above 0, and `pause_seconds` 0 or more. Received: "
                f"{', '.join(f'{k}={v}' for k, v in times.items())}, pause_seconds={pause_seconds}."
            )
        model.check_can("listen for keywords")
        names = list(range(model.num_classes)) if model.labels is None else list(model.labels)
        if not isinstance(threshold, dict):
            threshold = {name: threshold for name in names if name not in NOT_KEYWORDS}
        if unknown := sorted(map(str, set(threshold) - set(names))):
            raise ValueError(f"The model has no class {', '.join(unknown)}. It has: {', '.join(map(str, names))}.")
        if not all(0 < value <= 1 for value in threshold.values()):
            raise ValueError(f"A threshold is a probability above 0. Received: threshold={threshold!r}.")
        self.model, self.names = model, names
        self.thresholds = np.array([threshold.get(name, np.inf) for name in names])
        self.sample_rate = sample_rate or model.sample_rate
        self.window = max(round(window_seconds * model.sample_rate), 1)
        self.step = max(round(step_seconds * model.sample_rate), 1)
        self.smoothing = max(round(smoothing_seconds / step_seconds), 1)
        self.pause = round(pause_seconds * model.sample_rate)
        self.reset()

    def reset(self):
        """Forget what was heard; ready for another recording."""
        self._audio = np.zeros(self.window, "float32")  # silence before the beginning
        self._pending = np.zeros(0, "float32")
        self._heard = 0  # samples, at the model's rate
        self._recent = collections.deque(maxlen=self.smoothing)
        self._quiet_until = np.zeros(len(self.names))
        self._resampler = None
        if self.sample_rate != self.model.sample_rate:
            self._resampler = soxr.ResampleStream(self.sample_rate, self.model.sample_rate, 1, "float32", "HQ")

    def __call__(self, chunks):
        """Detections of an iterable of chunks, the whole of a recording, as they come."""
        self.reset()
        for chunk in chunks:
            yield from self.accept(chunk)
        yield from self.finish()

    def accept(self, chunk):
        """What was heard up to the end of a chunk.

        Args:
            chunk: array (S,) of floats in [-1, 1], int16 or int32.

        Returns:
            List of `Detection`.
        """
        samples = as_waveform(chunk, self.sample_rate, None)
        return self._listen(samples if self._resampler is None else self._resampler.resample_chunk(samples))

    def finish(self):
        """What was heard in the rest, with silence after it; ready for another recording.

        Returns:
            List of `Detection`.
        """
        rest = np.zeros(0, "float32")
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(rest, last=True)
        found = self._listen(np.concatenate([rest, np.zeros(self.window // 2 + self.smoothing * self.step, "float32")]))
        self.reset()
        return found

    def _listen(self, samples):
        self._pending = np.concatenate([self._pending, samples])
        found = []
        while len(self._pending) >= self.step:
            new, self._pending = self._pending[: self.step], self._pending[self.step :]
            self._audio = np.concatenate([self._audio, new])[-self.window :]
            self._heard += self.step
            inputs = {"audio": self._audio[None], "audio_lengths": np.array([self.window], "int32")}
            self._recent.append(softmax(self.model.predict_on_batch(inputs))[0])
            found += self._decide()
        return found

    def _decide(self):
        """The most likely keyword, if its average over the last windows reaches its threshold and it is no echo."""
        average = np.sum(self._recent, axis=0) / self.smoothing  # windows before the beginning count as nothing
        ready = (average >= self.thresholds) & (self._heard >= self._quiet_until)
        if not ready.any():
            return []
        best = int(np.argmax(np.where(ready, average, -1.0)))
        self._quiet_until[best] = self._heard + self.pause
        return [Detection(self.names[best], float(average[best]), self._heard / self.model.sample_rate)]
