"""Attention and CTC on one encoder."""

import keras
from keras import ops

from s2s_keras.applications.attention_recognizer import BEAM_WIDTH, AttentionRecognizer
from s2s_keras.decoding import ctc_prefix_extend, ctc_prefix_scores, ctc_prefix_start


@keras.saving.register_keras_serializable(package="s2s_keras")
class JointCTCAttention(AttentionRecognizer):
    """A recognizer that attends, with a CTC output on the same encoder: CTC makes attention learn to move forward.

    With the defaults, the original's configuration, 42,745,655 parameters. Arguments are those of `ListenAttendSpell`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples, "decoder_token_ids": int (B, U), 0 and
        then the labels}; features with `front_end=None`.

    Outputs:
        {"attention": logits, float32 (B, U, V + 1), of the labels and the end, whose id is V, the vocabulary size;
        "ctc": logits, float32 (B, T', V); padded frames say blank with certainty}.

    Trained with:
        `compile(loss={"attention": CrossEntropy(), "ctc": CTC()}, loss_weights={"attention": 0.75, "ctc": 0.25})` on
        data from `speech_dataset(..., targets="joint")`. CTC sums over a sentence where cross entropy is a mean over
        tokens, so its weight counts for more than it seems.

    Example:

    >>> model = JointCTCAttention(blocks=((8, 5, 2, 1, 0.0),), hidden_dim=8, embedding_dim=4, max_positions=0)
    >>> model.output_shape
    [(None, None, 30), (None, None, 29)]

    Reference:
        - [Joint CTC-attention based end-to-end speech recognition](https://arxiv.org/abs/1609.06773). OpenSeq2Seq
          trains both and searches with attention alone; here hypotheses are scored by both, token by token.
    """

    has_ctc = True

    def hypotheses(
        self, audio, sample_rate=None, batch_size=8, beam_width=BEAM_WIDTH, length_penalty=0.0, ctc_weight=0.3, **search
    ):
        """The most likely texts of recordings.

        Args:
            audio: list of paths or arrays, as for `transcribe`.
            sample_rate: int, of arrays, in Hz. Default: the model's own.
            batch_size: int, recordings at a time.
            beam_width: int, hypotheses that are followed.
            length_penalty: float, see `s2s_keras.decoding.beam_search`.
            ctc_weight: float in [0, 1]; 0 is attention alone, 1 is CTC alone.

        Returns:
            List of lists of (text, score), best first, up to `beam_width` for each recording.

        Raises:
            ValueError: as `transcribe`, or `ctc_weight` is out of its range.
        """
        if not 0.0 <= ctc_weight <= 1.0:
            raise ValueError(f"`ctc_weight` must be in [0, 1]. Received: ctc_weight={ctc_weight}.")
        return super().hypotheses(
            audio, sample_rate, batch_size, beam_width, length_penalty, ctc_weight=ctc_weight, **search
        )

    def search(self, inputs, ctc_weight=0.3, **options):
        outputs = self._encoder(inputs)
        state = {
            "attention": self.get_layer("decoder").start(outputs["memory"], outputs["mask"]),
            "ctc": ctc_prefix_start(outputs["ctc"]),
        }
        batch_size, size = ops.shape(outputs["mask"])[0], self.vocabulary_size + 1
        state["reached"] = ops.zeros((batch_size, size))  # by CTC, with each token

        def step(token_ids, state):
            """What attention and CTC add to the score of a hypothesis, token by token."""
            logits, attention = self.step(token_ids, state["attention"])
            ctc = ctc_prefix_extend(state["ctc"], token_ids)
            scores, whole = ctc_prefix_scores(ctc)
            reached = ops.concatenate([scores, whole[:, None]], axis=-1)
            before = ops.take_along_axis(state["reached"], ops.cast(token_ids, "int32")[:, None], axis=-1)
            added = (1.0 - ctc_weight) * ops.log_softmax(logits, axis=-1) + ctc_weight * (reached - before)
            return added, {"attention": attention, "ctc": ctc, "reached": reached}

        return self._beam_search(step, state, outputs["mask"], normalize=False, **options)
