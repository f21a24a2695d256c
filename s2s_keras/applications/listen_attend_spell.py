"""Listen, attend and spell: an encoder, attention, and a decoder that writes token after token."""

import keras

from s2s_keras.applications.attention_recognizer import AttentionRecognizer


@keras.saving.register_keras_serializable(package="s2s_keras")
class ListenAttendSpell(AttentionRecognizer):
    """A recognizer that attends: every token depends on all tokens before it and on where it looks in the audio.

    Args:
        blocks: tuple of (filters, kernel_size, strides, repeat, dropout), the convolutions of the encoder.
        recurrent_layers: tuple of int, units of the bidirectional layers on top of them.
        rnn: "lstm" or "gru", in encoder and decoder.
        hidden_dim: int, channels of the decoder.
        num_layers: int, recurrent cells of the decoder.
        embedding_dim: int, channels of a token.
        attention: "location", "coverage", "bahdanau" (normalized), "luong" (scaled) or a `StepAttention`.
        attention_dim: int, channels in which the named attentions compare; "luong" takes `hidden_dim`.
        dropout: float, the rate dropped of the decoder's embeddings and outputs.
        max_positions: int, positions of frames and tokens that have an embedding of their own; 0 for none.
        **kwargs: `vocabulary_size` (blank included), `tokenizer`, `include_top`, `front_end`, `num_mel_bins`,
            `spec_augment`, `dtype` of `CTCRecognizer`, and `name`.

    Inputs:
        {"audio": float (B, S) in [-1, 1], "audio_lengths": int (B,), samples, "decoder_token_ids": int (B, U), 0 and
        then the labels}; features with `front_end=None`.

    Outputs:
        Logits, float32 (B, U, V + 1), of the labels and the end, whose id is V, the vocabulary size.

    Trained with:
        `CrossEntropy()` on data from `speech_dataset(..., targets="attention")`.

    Example:

    >>> model = ListenAttendSpell(blocks=((8, 5, 2, 1, 0.0),), hidden_dim=8, embedding_dim=4, max_positions=0)
    >>> model.output_shape
    (None, None, 30)

    Reference:
        - [Listen, attend and spell](https://arxiv.org/abs/1508.01211);
          [Attention-based models for speech recognition](https://arxiv.org/abs/1506.07503). The defaults are
          OpenSeq2Seq's, whose encoder is convolutional. Here the end of a sentence is trained, search has the
          embeddings of positions that training has, and no utterance changes another's output.
    """
