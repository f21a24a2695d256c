"""Random pieces of recordings with their spectrograms, what vocoders are trained on."""

import keras
import numpy as np

from s2s_keras.data.checking import AudioReader
from s2s_keras.data.epochs import EpochDataset
from s2s_keras.data.manifest import load_manifest

_ROWS = 8  # recordings whose spectrograms are computed at a time


class MelSegments(EpochDataset):
    """Batches of random pieces of recordings: mel spectrograms and the audio they are those of.

    Recordings are read once and kept in memory. A piece's spectrogram is that of the whole recording at its place, so
    it knows what sounds beyond its ends, as in the middle of an utterance. Every epoch takes another piece of every
    recording; without `shuffle` the pieces are the same each time, for a development set.

    Args:
        source: manifest (path or list of `Utterance`).
        mel_spectrogram: `s2s_keras.layers.MelSpectrogram`, which also says the sample rate.
        num_frames: int, hops of a piece, which has one frame more.
        batch_size: int.
        shuffle: bool, whether order and pieces change from epoch to epoch.
        pieces: int, pieces of every recording in an epoch.
        seed: int.

    Raises:
        ValueError: a recording cannot be read, or fewer than `batch_size` are long enough for a piece.

    Example:

    >>> import os, tempfile
    >>> import soundfile
    >>> from s2s_keras.data import Utterance
    >>> from s2s_keras.layers import MelSpectrogram
    >>> path = os.path.join(tempfile.mkdtemp(), "noise.wav")
    >>> soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    >>> segments = MelSegments([Utterance(path, "")], MelSpectrogram(), num_frames=32, batch_size=1)
    >>> x, audio = segments[0]
    >>> x["mel"].shape, x["mel_lengths"].tolist(), audio.shape
    ((1, 33, 80), [33], (1, 8192))
    """

    def __init__(self, source, mel_spectrogram, num_frames=64, batch_size=16, shuffle=False, pieces=1, seed=0):
        super().__init__()
        utterances = source if isinstance(source, list) else load_manifest(source)
        hop = mel_spectrogram.hop_length
        recordings = [*map(AudioReader(mel_spectrogram.sample_rate), utterances)]
        self.recordings = [audio for audio in recordings if len(audio) > num_frames * hop]
        if len(self.recordings) * pieces < batch_size:
            raise ValueError(
                f"A batch is {batch_size} pieces of {num_frames * hop} samples. Received {len(self.recordings)} "
                f"recordings that are longer, of {len(recordings)}. Use a smaller `batch_size` or `num_frames`."
            )
        self.mels = _spectrograms(self.recordings, mel_spectrogram)
        self.hop_length = hop
        self.num_frames = num_frames
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.pieces = pieces
        self.seed = seed

    def __len__(self):
        return len(self.recordings) * self.pieces // self.batch_size

    def batch(self, epoch, index):
        """Any batch of any epoch.

        Args:
            epoch: int, from 0.
            index: int, from 0 to `len(self) - 1`.

        Returns:
            Tuple of {"mel": float32 (B, num_frames + 1, F), "mel_lengths": int32 (B,)} and audio, float32
            (B, num_frames * hop_length).
        """
        epoch = epoch if self.shuffle else 0
        order = np.tile(np.arange(len(self.recordings)), self.pieces)
        if self.shuffle:
            np.random.default_rng((self.seed, epoch)).shuffle(order)
        rng = np.random.default_rng((self.seed, epoch, index))
        mels, audio = [], []
        for n in order[index * self.batch_size : (index + 1) * self.batch_size]:
            start = rng.integers(len(self.recordings[n]) // self.hop_length - self.num_frames + 1)
            first, size = start * self.hop_length, self.num_frames * self.hop_length
            mels.append(self.mels[n][start : start + self.num_frames + 1])
            audio.append(self.recordings[n][first : first + size])
        lengths = np.full(len(mels), self.num_frames + 1, "int32")
        return {"mel": np.stack(mels), "mel_lengths": lengths}, np.stack(audio)

    def element_spec(self):
        """The `tf.TensorSpec` of everything in a batch."""
        import tensorflow as tf

        mel = tf.TensorSpec((None, self.num_frames + 1, self.mels[0].shape[-1]), "float32")
        inputs = {"mel": mel, "mel_lengths": tf.TensorSpec((None,), "int32")}
        return inputs, tf.TensorSpec((None, self.num_frames * self.hop_length), "float32")


def _spectrograms(recordings, layer):
    """The spectrogram (T, F) of each recording; all are padded to the longest, for one compiled shape."""
    samples, mels = max(map(len, recordings)), []
    for start in range(0, len(recordings), _ROWS):
        audio = np.zeros((_ROWS, samples), "float32")
        lengths = np.zeros(_ROWS, "int32")
        rows = recordings[start : start + _ROWS]
        for row, recording in enumerate(rows):
            audio[row, : len(recording)], lengths[row] = recording, len(recording)
        batch = keras.ops.convert_to_numpy(layer([audio, lengths]))
        mels += [
            mel[: 1 + len(recording) // layer.hop_length].copy() for mel, recording in zip(batch, rows, strict=False)
        ]
    return mels
