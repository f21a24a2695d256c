"""CTC on JAX: one scan for both directions, and a gradient that does not go back through it."""

import jax
import jax.numpy as jnp

from s2s_keras.ops.ctc import PADDED_LOGIT

_NEVER = -1e30  # the log-probability of what cannot be, finite so that differences are never NaN
_FIRST = ((0, 0), (0, 0), (1, 0))  # padding: one place before the labels


@jax.jit
def ctc_loss(labels, logits):
    """Loss (B,) of int32 labels (B, U) and float32 logits (B, T, V); above 1e8 where nothing aligns."""
    return _ctc_loss(labels, logits)


@jax.custom_vjp
def _ctc_loss(labels, logits):
    return _forward(labels, logits)[0]


def _forward(labels, logits):
    tokens = jnp.pad(labels, ((0, 0), (1, 0)))
    high = logits.max(axis=-1, keepdims=True)
    normalizer = high + jnp.log(jnp.exp(logits - high).sum(axis=-1, keepdims=True))  # NaN of infinite logits
    index = jnp.broadcast_to(tokens[:, None], (*logits.shape[:2], tokens.shape[1]))
    emissions = jnp.maximum(jnp.take_along_axis(logits, index, axis=2) - normalizer, PADDED_LOGIT).transpose(1, 0, 2)
    # Every alignment passes every frame once: without its best token, sums stay near zero, where float32 is fine.
    best = emissions.max(axis=-1, keepdims=True)
    losses, occupancies = _align(labels, emissions - best)
    return losses - best.sum(axis=(0, 2)), (labels, logits, normalizer, occupancies)


def _backward(residuals, upstream):
    labels, logits, normalizer, occupancies = residuals
    tokens = jnp.pad(labels, ((0, 0), (1, 0)))
    one_hot = jax.nn.one_hot(tokens, logits.shape[2], dtype=logits.dtype)
    expected = jnp.einsum("btu,buv->btv", occupancies, one_hot, precision="highest")
    return None, (jnp.exp(logits - normalizer) - expected) * upstream[:, None, None]


_ctc_loss.defvjp(_forward, _backward)


def _align(labels, emissions):
    """Loss (B,) and occupancies (B, T, 1 + U) from log-probabilities (T, B, 1 + U) of blank and of every label."""
    width = emissions.shape[2]
    positions, lengths = jnp.arange(width), jnp.sum(labels > 0, axis=1, keepdims=True)
    # The way back is the way forward over reversed labels and frames, so both go through one scan, on an axis of two.
    equal = labels[:, 1:] == labels[:, :-1]
    repeated = jnp.pad(jnp.stack([equal, equal[:, ::-1]]), _FIRST)[..., : width - 1]
    start = jnp.stack(jnp.broadcast_arrays(positions == 0, positions == width - 1 - lengths))
    blank, label = emissions[..., :1], emissions[..., 1:]
    both = jnp.stack([emissions, jnp.concatenate([blank, label[..., ::-1]], axis=2)[::-1]], axis=1)
    blanks, emits = _scan(both, repeated, jnp.where(start, 0.0, _NEVER))
    blanks_back, emits_back = blanks[::-1, 1, :, ::-1], emits[::-1, 1, :, ::-1]
    losses = -_logaddexp(blanks_back[0, :, 0], emits_back[0, :, 0])
    emits, emits_back = emits[:, 0, :, 1:], emits_back[..., :-1]
    scores = jnp.concatenate([blanks[:, 0] + blanks_back - blank, emits + emits_back - label], axis=2)
    of_labels = jax.nn.softmax(scores, axis=-1)[..., width:].transpose(1, 0, 2)
    return losses, jnp.concatenate([1.0 - of_labels.sum(axis=-1, keepdims=True), of_labels], axis=2)


def _scan(emissions, repeated, start):
    """Log-sums over all ways into blank u and, one place further, label u, at every frame: both (T, 2, B, U + 1)."""

    def step(states, emission):
        blanks, emits = states
        moved = _logaddexp(blanks, emits)
        # Between equal labels there has to be a blank.
        into = jnp.where(repeated, blanks[..., :-1], moved[..., :-1])
        emits = jnp.pad(_logaddexp(emits[..., 1:], into) + emission[..., 1:], _FIRST, constant_values=_NEVER)
        states = moved + emission[..., :1], emits
        return states, states

    return jax.lax.scan(step, (start, jnp.full_like(start, _NEVER)), emissions)[1]


def _logaddexp(x, y):
    high = jnp.maximum(x, y)
    return high + jnp.log1p(jnp.exp(jnp.minimum(x, y) - high))
