"""CTC on TensorFlow: one loop for both directions, and a gradient that does not go back through it."""

import tensorflow as tf

from s2s_keras.ops.ctc import PADDED_LOGIT

_NEVER = -1e30  # the log-probability of what cannot be, finite so that differences are never NaN
_FIRST = [[0, 0], [0, 0], [1, 0]]  # padding: one place before the labels


@tf.custom_gradient
def ctc_loss(labels, logits):
    """Loss (B,) of int32 labels (B, U) and float32 logits (B, T, V); above 1e8 where nothing aligns."""
    losses, log_probs, occupancies = _forward(labels, logits)

    def backward(upstream):
        upstream = upstream[:, tf.newaxis, tf.newaxis]
        one_hot = tf.one_hot(tf.pad(labels, [[0, 0], [1, 0]]), tf.shape(logits)[2])
        return None, tf.exp(log_probs) * upstream - tf.matmul(occupancies * upstream, one_hot)

    return losses, backward


@tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None, None], tf.float32)])
def _forward(labels, logits):
    log_probs = tf.nn.log_softmax(logits)
    emissions = tf.gather(log_probs, tf.pad(labels, [[0, 0], [1, 0]]), axis=2, batch_dims=1)
    emissions = tf.transpose(tf.maximum(emissions, PADDED_LOGIT), [1, 0, 2])
    # Every alignment passes every frame once: without its best token, sums stay near zero, where float32 is fine.
    best = tf.reduce_max(emissions, axis=-1, keepdims=True)
    losses, occupancies = _align(labels, emissions - best)
    return losses - tf.reduce_sum(best, axis=[0, 2]), log_probs, occupancies


def _align(labels, emissions):
    """Loss (B,) and occupancies (B, T, 1 + U) from log-probabilities (T, B, 1 + U) of blank and of every label."""
    batch, width = tf.shape(emissions)[1], tf.shape(emissions)[2]
    lengths = tf.reduce_sum(tf.cast(labels > 0, tf.int32), axis=1, keepdims=True)
    # The way back is the way forward over reversed labels and frames, so both go through one loop, on an axis of two.
    equal = labels[:, 1:] == labels[:, :-1]
    repeated = tf.pad(tf.stack([equal, tf.reverse(equal, [1])]), _FIRST)[..., : width - 1]
    first = tf.stack([tf.zeros([batch, 1], tf.int32), width - 1 - lengths])
    start = tf.where(tf.range(width) == first, 0.0, _NEVER)
    blank, label = emissions[..., :1], emissions[..., 1:]
    back = tf.reverse(tf.concat([blank, tf.reverse(label, [2])], axis=2), [0])
    blanks, emits = _scan(tf.stack([emissions, back], axis=1), repeated, start)
    blanks_back, emits_back = tf.reverse(blanks[:, 1], [0, 2]), tf.reverse(emits[:, 1], [0, 2])
    losses = -_logaddexp(blanks_back[0, :, 0], emits_back[0, :, 0])
    emits, emits_back = emits[:, 0, :, 1:], emits_back[..., :-1]
    scores = tf.concat([blanks[:, 0] + blanks_back - blank, emits + emits_back - label], axis=2)
    of_labels = tf.transpose(tf.nn.softmax(scores)[..., width:], [1, 0, 2])
    return losses, tf.concat([1.0 - tf.reduce_sum(of_labels, axis=-1, keepdims=True), of_labels], axis=2)


def _scan(emissions, repeated, start):
    """Log-sums over all ways into blank u and, one place further, label u, at every frame: both (T, 2, B, U + 1)."""
    frames = tf.shape(emissions)[0]
    emissions = tf.TensorArray(tf.float32, frames).unstack(emissions)

    def step(frame, blanks, emits, all_blanks, all_emits):
        emission = emissions.read(frame)
        moved = _logaddexp(blanks, emits)
        # Between equal labels there has to be a blank.
        into = tf.where(repeated, blanks[..., :-1], moved[..., :-1])
        emits = tf.pad(_logaddexp(emits[..., 1:], into) + emission[..., 1:], _FIRST, constant_values=_NEVER)
        blanks = moved + emission[..., :1]
        return frame + 1, blanks, emits, all_blanks.write(frame, blanks), all_emits.write(frame, emits)

    outputs = tf.TensorArray(tf.float32, frames), tf.TensorArray(tf.float32, frames)
    states = 0, start, tf.fill(tf.shape(start), _NEVER), *outputs
    *_, blanks, emits = tf.while_loop(lambda frame, *_: frame < frames, step, states, maximum_iterations=frames)
    return blanks.stack(), emits.stack()


def _logaddexp(x, y):
    high = tf.maximum(x, y)
    return high + tf.math.softplus(tf.minimum(x, y) - high)
