"""Recognition of a recording that is still going on."""

import dataclasses

import numpy as np
import soxr

from s2s_keras.applications.recordings import as_waveform
from s2s_keras.applications.streaming_logits import ExactLogits, WindowLogits
from s2s_keras.applications.transcription import gap_between_words, moved
from s2s_keras.decoding import ctc_greedy
from s2s_keras.decoding.hypothesis import greedy_hypotheses, token_texts
from s2s_keras.layers.streaming import NotStreamable

LONGEST_SECONDS = 30.0  # of an utterance without a pause


@dataclasses.dataclass(frozen=True, slots=True)
class StreamResult:
    """What was understood so far.

    Args:
        text: str, of the utterance.
        is_final: bool. A final text stays as it is, and the next result is about the next utterance.
        words: tuple of `Word` with times from the beginning of the stream; of a final text only.

    Example:

    >>> StreamResult("yes", is_final=False).words
    ()
    """

    text: str
    is_final: bool
    words: tuple = ()


class Stream:
    """A recognizer's ear: takes audio in pieces of any size, tells what it understood so far.

    Made by `CTCRecognizer.stream`. It holds a few seconds of audio and the logits of an utterance, however long it
    listens.

    Args:
        recognizer: `CTCRecognizer`.
        search: `CTCBeamSearch`, or None for greedy search.
        sample_rate: int, of the audio that it will get; None for the recognizer's.
        step_seconds, context_seconds, endpoint_seconds: as of `CTCRecognizer.stream`.

    Attributes:
        exact: bool, whether logits are those of the whole recording.
        latency: float, seconds from a sound to its logits, computation not included.
    """

    def __init__(self, recognizer, search, sample_rate, step_seconds, context_seconds, endpoint_seconds):
        if not step_seconds > 0 or not context_seconds >= 0 or not (endpoint_seconds is None or endpoint_seconds > 0):
            raise ValueError(
                "A stream needs step_seconds above 0, context_seconds of 0 or more, and endpoint_seconds above 0 or "
                f"None. Received: step_seconds={step_seconds}, context_seconds={context_seconds}, "
                f"endpoint_seconds={endpoint_seconds}."
            )
        self.recognizer, self.search = recognizer, search
        try:
            self.logits = ExactLogits(recognizer, step_seconds)
        except NotStreamable:
            self.logits = WindowLogits(recognizer, step_seconds, context_seconds)
        self.exact = isinstance(self.logits, ExactLogits)
        self.latency = self.logits.latency
        self.frame_seconds = recognizer.frame_seconds
        self.endpoint = None if endpoint_seconds is None else max(round(endpoint_seconds / self.frame_seconds), 2)
        self.texts = token_texts(recognizer.tokenizer)
        self._is_letter = np.array([bool(text.strip()) for text in self.texts])
        self.sample_rate = sample_rate or recognizer.sample_rate
        self.reset()

    def reset(self):
        """Forget what was heard; ready for another recording."""
        self.logits.reset()
        self._utterance, self._begin = None, 0  # logits that are certain, and the frame of the first of them
        self._partial, self._rest = "", None
        self._resampler = None
        if self.sample_rate != self.recognizer.sample_rate:
            self._resampler = soxr.ResampleStream(self.sample_rate, self.recognizer.sample_rate, 1, "float32", "HQ")

    def __call__(self, chunks):
        """Results of an iterable of chunks, the whole of a recording, as they come."""
        self.reset()
        for chunk in chunks:
            yield from self.accept(chunk)
        yield from self.finish()

    def accept(self, audio):
        """The next piece of audio.

        Args:
            audio: float in [-1, 1], int16 or int32 (S,).

        Returns:
            List of `StreamResult`: utterances that ended, and the one that is going on if its text has changed.

        Raises:
            ValueError: `audio` is no such array; nothing is lost, the next piece may follow.
        """
        audio = as_waveform(np.asarray(audio), self.recognizer.sample_rate, None)
        return self._hear(audio, last=False)

    def finish(self):
        """The end of the recording: list of the last `StreamResult`. The stream is ready for another one."""
        results = self._hear(np.zeros(0, "float32"), last=True)
        self.reset()
        return results

    def _hear(self, audio, last):
        if self._resampler is not None:
            audio = self._resampler.resample_chunk(audio, last=last)
        certain, rest = self.logits.push(audio, last)
        if not last and not len(certain) and rest is self._rest:
            return []  # the network did not run
        self._rest = rest
        known = certain if self._utterance is None else np.concatenate([self._utterance, certain])
        results = []
        while (end := self._end_of_utterance(known, last)) is not None:
            results += self._final(known[:end])
            known, self._begin = known[end:], self._begin + end
        self._utterance = known
        text = "" if last else self._partial_text(np.concatenate([known, rest]))
        if text != self._partial:
            results.append(StreamResult(text, is_final=False))
        self._partial = text
        return results

    def _end_of_utterance(self, logits, last):
        """The frame at which an utterance has ended, or None if it goes on."""
        if self.endpoint is not None:
            spoken = np.flatnonzero(self._is_letter[logits.argmax(axis=1)])
            pauses = np.flatnonzero(np.diff(spoken, append=len(logits)) > self.endpoint)
            if len(pauses):
                return spoken[pauses[0]] + 1 + self.endpoint // 2
            if not len(spoken) and len(logits) > 2 * self.endpoint:  # silence: nothing will come of it
                return len(logits) - self.endpoint
        longest = round(LONGEST_SECONDS / self.frame_seconds)
        if len(logits) > longest:
            return max(gap_between_words(logits[:longest], logits[:longest], self.texts), 1)
        return len(logits) if last and len(logits) else None

    def _final(self, logits):
        hypothesis = moved(self._read(logits, self.frame_seconds), self._begin * self.frame_seconds)
        text = " ".join(hypothesis.text.split())
        if not text:
            return []  # if a partial text was told, an empty one follows
        self._partial = ""
        return [StreamResult(text, True, hypothesis.words)]

    def _partial_text(self, logits):
        if self.search is not None:
            return self._read(logits).text
        return " ".join(self.recognizer.tokenizer.decode(ctc_greedy(logits[None])[0]).split())

    def _read(self, logits, frame_seconds=None):
        logits = logits[None]
        if self.search is not None:
            return self.search(logits, 1, frame_seconds)[0][0]
        return greedy_hypotheses(self.recognizer.tokenizer, logits, 1, frame_seconds)[0][0]
