"""LSTM and GRU over time as two loops of one matmul a step, forward and back, for TensorFlow and JAX.

What does not depend on the step before is done for all steps at once, outside the loops: the projection of the input,
the derivatives of the gates, the gradients of the weights. Automatic differentiation would add up the gradient of the
recurrent kernel step by step instead, and TensorFlow cannot compile it.
"""

import importlib

import keras
from keras import ops


def scan(*args, **kwargs):
    """`ops.scan` of tuples of tensors, of any length on TensorFlow too; outputs are shaped like the carry."""
    if keras.backend.backend() == "tensorflow":
        return importlib.import_module("s2s_keras.layers._recurrent_tensorflow").scan(*args, **kwargs)
    return ops.scan(*args, **kwargs)


def scan_nested(step, carry, xs):
    """The last carry and all of them, (S, ...), of a function of a carry and a step's inputs to the next carry."""

    def flat_step(flat_carry, flat_xs):
        after = step(*(keras.tree.pack_sequence_as(x, flat) for x, flat in ((carry, flat_carry), (xs, flat_xs))))
        after = tuple(keras.tree.flatten(after))
        return after, after

    last, every = scan(flat_step, *(tuple(keras.tree.flatten(x)) for x in (carry, xs)))
    return keras.tree.pack_sequence_as(carry, last), keras.tree.pack_sequence_as(carry, every)


def lstm(inputs, mask, states, kernel, recurrent_kernel, bias):
    """All hidden states and the last states of an LSTM.

    Args:
        inputs: float (T, B, D), finite at masked steps too.
        mask: bool (T, B, 1), False where the states stay as they are; or None.
        states: pair of float (B, H), hidden and cell state before the first step.
        kernel: float (D, 4 H), gates in Keras' order: input, forget, cell, output.
        recurrent_kernel: float (H, 4 H).
        bias: float (4 H,) or None.

    Returns:
        float (T, B, H), and the list of the last hidden and cell state.
    """
    projected = ops.matmul(inputs, kernel)
    projected = projected if bias is None else projected + bias
    units = recurrent_kernel.shape[0]
    loops = ops.custom_gradient(_lstm_loops if mask is None else _masked(_lstm_loops))
    args = () if mask is None else (ops.cast(mask, projected.dtype),)
    both = loops(projected, ops.copy(recurrent_kernel), *states, *args)  # TensorFlow takes no variable here
    return both[..., :units], [both[-1, :, :units], both[-1, :, units:]]


def gru(inputs, mask, states, kernel, recurrent_kernel, bias):
    """As `lstm` for a GRU whose reset gate acts on the projected state (`reset_after=True`).

    Kernels have 3 H columns in Keras' order: update, reset, candidate. The bias is (2, 3 H) or None.
    """
    projected = ops.matmul(inputs, kernel)
    projected = projected if bias is None else projected + bias[0]
    inner_bias = ops.zeros_like(recurrent_kernel[0]) if bias is None else ops.copy(bias[1])
    loops = ops.custom_gradient(_gru_loops if mask is None else _masked(_gru_loops))
    args = () if mask is None else (ops.cast(mask, projected.dtype),)
    outputs = loops(projected, ops.copy(recurrent_kernel), inner_bias, *states, *args)
    return outputs, [outputs[-1]]


def any_cell(inputs, mask, states, cell):
    """As `lstm` for any Keras cell, one step of it after the other; for inference."""

    def step(carry, xs):
        _, new = cell(xs[0], list(carry))
        new = tuple(_hold(xs[1] if len(xs) == 2 else None, n, old) for n, old in zip(new, carry, strict=True))
        return new, new

    last, outputs = scan(step, tuple(states), (inputs,) if mask is None else (inputs, ops.cast(mask, inputs.dtype)))
    return outputs[0], list(last)


def _masked(loops):
    """The same loops with a mask of ones and zeros as the last argument, which has no gradient."""

    def function(*args):
        *args, mask = args
        outputs, backward = loops(*args, mask=mask)

        def masked_backward(*upstream):
            return (*backward(*upstream), ops.zeros_like(mask))

        return outputs, masked_backward

    return function


def _hold(mask, new, old):
    return new if mask is None else ops.where(mask > 0, new, old)


def _lstm_loops(projected, recurrent_kernel, hidden, cell, mask=None):
    units = recurrent_kernel.shape[0]

    def step(carry, xs):
        hidden, cell, _ = carry
        x, real = xs if len(xs) == 2 else (*xs, None)
        gates = x + ops.matmul(hidden, recurrent_kernel)
        i_f = ops.sigmoid(gates[:, : 2 * units])
        g = ops.tanh(gates[:, 2 * units : 3 * units])
        o = ops.sigmoid(gates[:, 3 * units :])
        new_cell = i_f[:, units:] * cell + i_f[:, :units] * g
        new_hidden = o * ops.tanh(new_cell)
        carry = (_hold(real, new_hidden, hidden), _hold(real, new_cell, cell), ops.concatenate([i_f, g, o], axis=-1))
        return carry, carry

    xs = (projected,) if mask is None else (projected, mask)
    _, (hiddens, cells, gates) = scan(step, (hidden, cell, projected[0]), xs)

    def backward(upstream):
        i, f, g, o = ops.split(gates, 4, axis=-1)
        before = ops.concatenate([cell[None], cells[:-1]])
        squashed = ops.tanh(cells)
        by_cell = [g * i * (1 - i), before * f * (1 - f), i * (1 - g * g)]
        by_hidden, through = squashed * o * (1 - o), o * (1 - squashed * squashed)
        keep = f
        if mask is not None:
            by_cell = [derivative * mask for derivative in by_cell]
            by_hidden, through, keep = by_hidden * mask, through * mask, f * mask + (1 - mask)
        by_cell = ops.concatenate(by_cell, axis=-1)
        transposed = ops.transpose(recurrent_kernel)

        def step(carry, xs):
            d_hidden, d_cell = carry
            d_outer, d_outer_cell, by_cell, by_hidden, through, keep, *real = xs
            d_hidden, d_cell = d_hidden + d_outer, d_cell + d_outer_cell
            d_cell = d_cell + d_hidden * through
            d_gates = ops.concatenate([ops.concatenate([d_cell] * 3, axis=-1) * by_cell, d_hidden * by_hidden], axis=-1)
            d_before = ops.matmul(d_gates, transposed)
            d_before = d_before + (1 - real[0]) * d_hidden if real else d_before
            return (d_before, d_cell * keep), (d_hidden, d_cell)

        xs = (upstream[..., :units], upstream[..., units:], by_cell, by_hidden, through, keep)
        xs = xs if mask is None else (*xs, mask)
        zeros = ops.zeros_like(hidden)
        (d_hidden, d_cell), (d_hiddens, d_cells) = scan(step, (zeros, zeros), xs, reverse=True)
        d_gates = ops.concatenate([ops.concatenate([d_cells] * 3, axis=-1) * by_cell, d_hiddens * by_hidden], axis=-1)
        return d_gates, _outer(ops.concatenate([hidden[None], hiddens[:-1]]), d_gates), d_hidden, d_cell

    return ops.concatenate([hiddens, cells], axis=-1), backward


def _gru_loops(projected, recurrent_kernel, bias, hidden, mask=None):
    units = recurrent_kernel.shape[0]

    def step(carry, xs):
        hidden, _ = carry
        x, real = xs if len(xs) == 2 else (*xs, None)
        inner = ops.matmul(hidden, recurrent_kernel) + bias
        z_r = ops.sigmoid(x[:, : 2 * units] + inner[:, : 2 * units])
        z, r, inner = z_r[:, :units], z_r[:, units:], inner[:, 2 * units :]
        n = ops.tanh(x[:, 2 * units :] + r * inner)
        carry = (_hold(real, z * hidden + (1 - z) * n, hidden), ops.concatenate([z_r, n, inner], axis=-1))
        return carry, carry

    xs = (projected,) if mask is None else (projected, mask)
    unused = ops.concatenate([projected[0], hidden], axis=-1)  # a loop must put out what it carries
    _, (hiddens, gates) = scan(step, (hidden, unused), xs)

    def backward(upstream):
        z, r, n, inner = ops.split(gates, 4, axis=-1)
        before = ops.concatenate([hidden[None], hiddens[:-1]])
        by_candidate = (1 - z) * (1 - n * n)
        by_inner, keep = by_candidate * r, z
        by_gates = ops.concatenate([(before - n) * z * (1 - z), by_candidate * inner * r * (1 - r)], axis=-1)
        if mask is not None:
            by_candidate, by_inner, by_gates = by_candidate * mask, by_inner * mask, by_gates * mask
            keep = z * mask + (1 - mask)
        by_all = ops.concatenate([by_gates, by_inner], axis=-1)
        transposed = ops.transpose(recurrent_kernel)

        def step(carry, xs):
            d_outer, by_all, keep = xs
            d_hidden = carry[0] + d_outer
            d_inner = ops.concatenate([d_hidden] * 3, axis=-1) * by_all
            return (ops.matmul(d_inner, transposed) + d_hidden * keep,), (d_hidden,)

        xs = (upstream, by_all, keep)
        (d_hidden,), (d_hiddens,) = scan(step, (ops.zeros_like(hidden),), xs, reverse=True)
        d_inner = ops.concatenate([d_hiddens] * 3, axis=-1) * by_all
        d_projected = ops.concatenate([d_inner[..., : 2 * units], d_hiddens * by_candidate], axis=-1)
        return d_projected, _outer(before, d_inner), ops.sum(d_inner, axis=(0, 1)), d_hidden

    return hiddens, backward


def _outer(left, right):
    """Sum over time and batch of outer products: (T, B, H) and (T, B, G) to (H, G)."""
    left, right = (ops.reshape(x, (-1, x.shape[-1])) for x in (left, right))
    return ops.matmul(ops.transpose(left), right)
