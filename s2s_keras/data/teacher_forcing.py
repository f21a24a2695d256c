"""What attention is trained on."""

import numpy as np


class TeacherForcing:
    """Turns batches of audio and labels into those of models that write token after token.

    `speech_dataset(..., targets="attention")` or "joint" puts it into the data.

    Args:
        end_id: int, the token after the last: the vocabulary size.
        with_ctc: bool. True keeps the labels for CTC beside those for attention.

    Example:

    >>> inputs, labels = {"audio_lengths": np.array([9, 5, 0])}, np.array([[3, 1], [2, 0], [0, 0]])
    >>> inputs, targets = TeacherForcing(end_id=7)(inputs, labels)
    >>> inputs["decoder_token_ids"].tolist()
    [[0, 3, 1], [0, 2, 0], [0, 0, 0]]
    >>> targets.tolist()  # the last row is an empty one that fills a batch up
    [[3, 1, 7], [2, 7, 0], [0, 0, 0]]
    """

    def __init__(self, end_id, with_ctc=False):
        self.end_id = end_id
        self.with_ctc = with_ctc

    def __call__(self, inputs, labels):
        """A batch.

        Args:
            inputs: dict with "audio_lengths", int (B,); a row of length 0 has no target.
            labels: int (B, U), right-padded with 0.

        Returns:
            Tuple of inputs with "decoder_token_ids", int32 (B, U + 1), and targets, int32 (B, U + 1) or the dict
            {"attention": targets, "ctc": labels}.
        """
        decoder_token_ids = np.pad(labels, [(0, 0), (1, 0)])
        targets = np.pad(labels, [(0, 0), (0, 1)])
        rows = np.flatnonzero(inputs["audio_lengths"])
        targets[rows, np.count_nonzero(labels[rows], axis=1)] = self.end_id
        inputs = {**inputs, "decoder_token_ids": decoder_token_ids}
        return inputs, {"attention": targets, "ctc": labels} if self.with_ctc else targets
