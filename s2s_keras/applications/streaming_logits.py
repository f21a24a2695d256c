"""The logits of a recording that is still going on, exactly or from a window that moves along."""

import keras
import numpy as np
from keras import ops

from s2s_keras.applications.recordings import real_frames
from s2s_keras.layers.blank_padding import IMPOSSIBLE
from s2s_keras.layers.streaming import Memory, NotStreamable, Signal, stream_layer
from s2s_keras.ops.masks import apply_mask
from s2s_keras.ops.pauses import levels_of

STEADY_DB = 6.0  # a window in which nothing is so much louder than the rest is noise, not speech


class StreamingNetwork(keras.Model):
    """A recognizer that takes the next frames and the memory of those before.

    Args:
        recognizer: `CTCRecognizer`; weights are shared.
        step_frames: int, frames of features that go in at a time.

    Call arguments:
        inputs: dict of audio, float (1, S), and its length in `audio_lengths`, int (1,); `first`, int (1,), the frame
            of it that is next; `mask`, bool (1, step_frames), whether the next frames are real; and `memory`, dict,
            what came out in the step before, left out in the first one.

    Returns:
        Dict of logits, float32 (1, T, V), their mask, bool (1, T), and memory.

    Raises:
        NotStreamable: a layer needs frames that are still to come.
    """

    def __init__(self, recognizer, step_frames):
        super().__init__(name=f"{recognizer.name}_stream")
        self.recognizer = recognizer
        self.step_frames = step_frames
        self.delay = None  # of the logits, in frames of theirs; known when it was called
        self.built = True  # the recognizer's layers are: Keras need not call it once to find out

    def call(self, inputs):
        memory = Memory(inputs.get("memory"))
        features = self.recognizer.front_end([inputs["audio"], inputs["audio_lengths"]])
        places = inputs["first"] + ops.arange(self.step_frames, dtype="int32")
        features = ops.take(features, ops.minimum(places, ops.shape(features)[1] - 1), axis=1)
        signal = Signal(apply_mask(features, inputs["mask"]), inputs["mask"])

        def stream(layer):
            if layer is self.recognizer.front_end:
                return lambda *args, **kwargs: signal
            if not isinstance(layer, keras.layers.Layer):
                return _without_signals(layer)
            return lambda inputs, **kwargs: stream_layer(layer, inputs, memory)

        # Keras' own way through a functional model, with another function in the place of each layer
        sources = [inputs[name] for name in sorted(self.recognizer.input)]
        logits = self.recognizer._run_through_graph(sources, operation_fn=stream)
        self.delay = logits.delay
        return {"logits": logits.frames, "mask": logits.mask, "memory": memory.new}


def _without_signals(operation):
    """An operation that makes masks from lengths, which nobody asks for here; one between layers does not stream."""

    def call(*args, **kwargs):
        if any(isinstance(x, Signal) for x in keras.tree.flatten((args, kwargs))):
            raise NotStreamable(f"The operation {operation.name!r} is no layer. Expected layers from audio to logits.")
        return operation(*args, **kwargs)

    return call


class ExactLogits:
    """Logits equal to those of the whole recording, each as soon as the network has seen what it depends on.

    For front ends with a fixed gain and fixed statistics, and layers that do not need the whole recording.

    Args:
        recognizer: `CTCRecognizer`.
        step_seconds: float, how much audio goes through the network at a time, at least.

    Raises:
        NotStreamable: the front end or a layer needs the whole recording.
    """

    def __init__(self, recognizer, step_seconds):
        front_end = recognizer.front_end
        if not getattr(front_end, "streamable", False):
            raise NotStreamable(
                "A front end streams with a gain and statistics that do not depend on the recording. Received: "
                f"{type(front_end).__name__} {front_end.name!r}. Make one with "
                "`front_end.with_statistics(recordings)` and train with it."
            )
        self.hop = front_end.hop_length
        self.stride = round(recognizer.frame_seconds * recognizer.sample_rate) // self.hop
        self.step = self.stride * max(round(step_seconds * recognizer.sample_rate / self.hop / self.stride), 1)
        self.reach = front_end.window_length // 2 + 1  # samples that a frame takes on either side of its middle
        self.context = -(-self.reach // self.hop)  # frames of audio that are kept
        if recognizer.dtype_policy.name != "float32":
            recognizer = recognizer.copy(dtype="float32")
        self.network = StreamingNetwork(recognizer, self.step)
        outputs = self.network.compute_output_spec(self._inputs(keras.KerasTensor))
        self.first_memory = keras.tree.map_structure(
            lambda x: np.zeros(x.shape, keras.backend.standardize_dtype(x.dtype)), outputs["memory"]
        )
        self.vocabulary_size = outputs["logits"].shape[-1]
        self.latency = (self.step * self.hop + self.reach) / recognizer.sample_rate
        self.latency += self.network.delay * recognizer.frame_seconds
        self.reset()

    def reset(self):
        """Ready for another recording."""
        self.audio, self.start = np.zeros(0, "float32"), 0  # kept samples, and the number of the first of them
        self.samples = self.next = self.emitted = 0  # samples heard, frames that went in and logits that came out
        self.memory = self.first_memory

    def _inputs(self, make):
        size = (self.context + self.step + 1) * self.hop + self.reach
        return {
            "audio": make((1, size), "float32"),
            "audio_lengths": make((1,), "int32"),
            "first": make((1,), "int32"),
            "mask": make((1, self.step), "bool"),
        }

    def push(self, audio, last=False):
        """The next samples, float32 (S,): logits (T, V) that are certain by now, and none that are not."""
        self.audio = np.concatenate([self.audio, audio])
        self.samples += len(audio)
        found = [np.zeros((0, self.vocabulary_size), "float32")]
        if last:
            frames = 1 + self.samples // self.hop if self.samples else 0
            wanted = -(-frames // self.stride)
        else:
            frames = max(0, (self.samples - self.reach) // self.hop + 1)
        while self.emitted < wanted if last else frames - self.next >= self.step:
            found.append(self._run(frames))
            self.emitted += len(found[-1])
        return np.concatenate(found), found[0]

    def _run(self, frames):
        inputs = self._inputs(np.zeros)
        begin = max(self.next - self.context, 0) * self.hop
        self.audio, self.start = self.audio[begin - self.start :], begin
        heard = self.audio[: inputs["audio"].shape[1]]
        inputs["audio"][0, : len(heard)] = heard
        inputs["audio_lengths"][0] = len(heard)
        inputs["first"][0] = self.next - begin // self.hop
        inputs["mask"][0] = self.next + np.arange(self.step) < frames
        outputs = self.network.predict_on_batch({**inputs, "memory": self.memory})
        self.memory = outputs["memory"]
        self.next += self.step
        return real_frames(outputs["logits"][outputs["mask"]])


class WindowLogits:
    """Logits of a window of audio that moves along, from its middle; for networks that need the whole recording.

    A window of steady noise says blank: front ends make noise alone as loud as speech.

    Args:
        recognizer: `CTCRecognizer`.
        step_seconds: float, how far the window moves.
        context_seconds: float, what the window holds before and after the logits that are kept.
    """

    def __init__(self, recognizer, step_seconds, context_seconds):
        self.recognizer = recognizer
        self.frame = round(recognizer.frame_seconds * recognizer.sample_rate)
        self.step = max(round(step_seconds * recognizer.sample_rate / self.frame), 1)
        self.context = max(round(context_seconds * recognizer.sample_rate / self.frame), 0)
        self.latency = (self.step + self.context) * self.frame / recognizer.sample_rate
        self.reset()

    def reset(self):
        """Ready for another recording."""
        self.audio, self.start = np.zeros(0, "float32"), 0  # kept samples, and the frame of the first of them
        self.emitted = self.seen = 0  # frames that came out, and that a window has held
        self.rest = np.zeros((0, self.recognizer.vocabulary_size), "float32")

    def push(self, audio, last=False):
        """The next samples, float32 (S,): logits (T, V) that will not change any more, and those that still may."""
        self.audio = np.concatenate([self.audio, audio])
        found, final = [self.rest[:0]], False
        while not final:
            waiting = len(self.audio) - (self.seen - self.start) * self.frame
            final = last and waiting <= self.step * self.frame
            if not final and waiting < self.step * self.frame:
                break
            self.seen += self.step
            logits = self._run(self.audio if final else self.audio[: (self.seen - self.start) * self.frame])
            first = self.emitted - self.start
            stable = len(logits) if final else max(self.seen - self.start - self.context, first)
            found.append(logits[first:stable])
            self.rest = logits[stable:]
            self.emitted += stable - first
            drop = max(self.emitted - self.context - self.start, 0)
            self.audio, self.start = self.audio[drop * self.frame :], self.start + drop
        return np.concatenate(found), self.rest

    def _run(self, heard):
        """Logits (T, V) of samples (S,)."""
        batch = {
            "audio": np.zeros((1, (2 * self.context + 2 * self.step) * self.frame), "float32"),
            "audio_lengths": np.array([len(heard)], "int32"),
        }
        batch["audio"][0, : len(heard)] = heard
        logits = real_frames(self.recognizer.predict_on_batch(batch)[0])
        if _is_steady(heard, self.recognizer.sample_rate):
            logits[:], logits[:, 0] = IMPOSSIBLE, 0.0
        return logits


def _is_steady(audio, sample_rate):
    """Whether no twentieth of a second is much louder than the quiet parts."""
    levels = levels_of(audio, sample_rate)
    if len(levels) < 5:
        return True
    power = np.convolve(10 ** (levels / 10), np.full(5, 1 / 5), "valid")
    return 10 * np.log10(power.max()) - np.quantile(levels, 0.1) < STEADY_DB
