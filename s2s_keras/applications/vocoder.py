"""What every vocoder shares: spectrograms in, audio out."""

import keras
import numpy as np

from s2s_keras.applications.application import Application

_MOST_FRAMES = 8192  # of a batch, padding included


class Vocoder(Application):
    """The base of what turns log-mel spectrograms into audio.

    A subclass has the attributes `num_mel_bins`, `sample_rate` and `hop_length`, takes the inputs of `mel_inputs` and
    gives audio, float32 (B, (T - 1) * hop_length), zero behind the end of each utterance.
    """

    exported_as = "audio"  # the name of the output in files for other runtimes

    def vocode(self, mel):
        """Speaks one spectrogram or several.

        Several are batched by length; what one sounds like does not depend on the others.

        Args:
            mel: float array (T, num_mel_bins), natural logarithms as `MelSpectrogram` makes them, or a list of such
                arrays.

        Returns:
            float32 array ((T - 1) * hop_length,) of samples at `sample_rate`, or a list of them.

        Raises:
            ValueError: a spectrogram of another shape, without a frame, or not finite.
        """
        if not isinstance(mel, (list, tuple)):
            return self.vocode([mel])[0]
        mels = [self._check(np.asarray(x)) for x in mel]
        order, audio, start = sorted(range(len(mels)), key=lambda n: -len(mels[n])), [None] * len(mels), 0
        while start < len(order):
            frames = _padded_frames(len(mels[order[start]]))
            members = order[start : start + max(_MOST_FRAMES // frames, 1)]
            batch = np.zeros((len(members), frames, self.num_mel_bins), "float32")
            lengths = np.array([len(mels[n]) for n in members], "int32")
            for row, n in enumerate(members):
                batch[row, : lengths[row]] = mels[n]
            outputs = self.predict_on_batch({"mel": batch, "mel_lengths": lengths})
            for n, row, length in zip(members, outputs, lengths, strict=True):
                audio[n] = np.array(row[: (length - 1) * self.hop_length], "float32")
            start += len(members)
        return audio

    def _check(self, mel):
        if mel.ndim != 2 or mel.shape[1] != self.num_mel_bins or not len(mel) or not np.all(np.isfinite(mel)):
            raise ValueError(
                f"A spectrogram is an array (frames, {self.num_mel_bins}) of finite numbers, with at least one frame. "
                f"Received: shape {mel.shape}, dtype {mel.dtype}."
            )
        return mel


def mel_inputs(num_mel_bins):
    """Fresh inputs for spectrograms: dict of Keras tensors."""
    return {
        "mel": keras.Input((None, num_mel_bins), name="mel", dtype="float32"),
        "mel_lengths": keras.Input((), name="mel_lengths", dtype="int32"),
    }


def _padded_frames(frames):
    """Few lengths to compile: multiples of 64, above 256 powers of 1.25 of that."""
    padded = 64
    while padded < frames:
        padded = padded + 64 if padded < 256 else -(-padded * 5 // 256) * 64
    return padded
