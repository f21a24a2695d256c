"""What WaveNet is trained on."""

from keras import ops

from s2s_keras.ops.mu_law import mu_law_encode


class NextSample:
    """Turns batches of audio with its mel spectrogram into those of `WaveNet`: the next sample is what it learns.

    Clips that are cut out of recordings begin where a frame of the mel spectrogram does.

    Args:
        num_classes: int, classes of mu-law: `model.num_classes`. None for a mixture of logistics: samples stay floats.

    Example:

    >>> import numpy as np
    >>> audio, lengths = np.array([[0.0, 1.0, -1.0, 0.0]], "float32"), np.array([4])
    >>> inputs, targets = NextSample(256)({"audio": audio, "audio_lengths": lengths, "mel": np.zeros((1, 2, 80))})
    >>> inputs["audio"].tolist(), inputs["audio_lengths"].tolist(), targets.tolist()
    ([[0.0, 1.0, -1.0]], [3], [[255, 0, 128]])
    """

    def __init__(self, num_classes=256):
        self.num_classes = num_classes

    def __call__(self, inputs):
        """A batch.

        Args:
            inputs: dict of "audio", float (B, S + 1), "audio_lengths", int (B,), and what else the model takes.

        Returns:
            Tuple of inputs with a sample less, and targets, (B, S): int32 classes or float32 samples.
        """
        audio, lengths = inputs["audio"], inputs["audio_lengths"]
        targets = audio[:, 1:]
        if self.num_classes is not None:
            targets = ops.convert_to_numpy(mu_law_encode(targets, self.num_classes))
        return {**inputs, "audio": audio[:, :-1], "audio_lengths": (lengths - 1).clip(0)}, targets
