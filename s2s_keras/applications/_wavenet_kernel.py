"""Compiled: generation of one sample after the other, without a backend.

A matrix that meets one sample is read from memory for that sample alone, and the matrices are larger than the cache
that is near. So what a convolution takes from samples of long ago is computed for several samples to come at once,
`AHEAD` of them, or as many as the dilation allows.
"""

import functools

import numpy as np

from s2s_keras.decoding._compiled import compiled

AHEAD = 8
ZERO, ONE, HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
LOG2_E, LN_2 = np.float32(1.0 / np.log(2.0)), np.float32(np.log(2.0))
SERIES = tuple(np.float32(1.0 / x) for x in (6, 24, 120, 720))  # of the exponential function
SMALLEST_LOG2, LARGEST_LOG2 = np.float32(-120.0), np.float32(120.0)
EXPONENT_BIAS, EXPONENT_SHIFT = np.int32(127), np.int32(23)  # of float32
TANH_RANGE, SIGMOID_RANGE = np.float32(15.0), np.float32(30.0)  # beyond, both are constant in float32

fast = functools.partial(compiled, fastmath=True, error_model="numpy")
inner = functools.partial(fast, no_cpython_wrapper=True, no_cfunc_wrapper=True)


@inner
def add_product(x, matrix, y):
    """y += x @ matrix, eight rows at a time: y is loaded and stored once for them."""
    whole = len(x) // 8 * 8
    for i in range(0, whole, 8):
        x0, x1, x2, x3, x4, x5, x6, x7 = x[i], x[i + 1], x[i + 2], x[i + 3], x[i + 4], x[i + 5], x[i + 6], x[i + 7]
        for j in range(len(y)):
            first = (x0 * matrix[i, j] + x1 * matrix[i + 1, j]) + (x2 * matrix[i + 2, j] + x3 * matrix[i + 3, j])
            second = (x4 * matrix[i + 4, j] + x5 * matrix[i + 5, j]) + (x6 * matrix[i + 6, j] + x7 * matrix[i + 7, j])
            y[j] += first + second
    for i in range(whole, len(x)):
        for j in range(len(y)):
            y[j] += x[i] * matrix[i, j]


@inner
def exponentiate(x, bits, powers):
    """x = exp(x), in loops that become vector instructions; `powers` are `bits` seen as float32."""
    for j in range(len(x)):
        y = min(max(x[j] * LOG2_E, SMALLEST_LOG2), LARGEST_LOG2)
        whole = np.floor(y + HALF)
        r = (y - whole) * LN_2
        tail = SERIES[0] + r * (SERIES[1] + r * (SERIES[2] + r * SERIES[3]))
        x[j] = ONE + r * (ONE + r * (HALF + r * tail))
        bits[j] = (np.int32(whole) + EXPONENT_BIAS) << EXPONENT_SHIFT
    for j in range(len(x)):
        x[j] *= powers[j]


@inner
def gate(h, bits, powers, z):
    """z = tanh(first half of h) * sigmoid(second half)."""
    size = len(z)
    for j in range(size):
        h[j] = min(max(h[j], -TANH_RANGE), TANH_RANGE) * np.float32(-2.0)
    for j in range(size, 2 * size):
        h[j] = -min(max(h[j], -SIGMOID_RANGE), SIGMOID_RANGE)
    exponentiate(h, bits, powers)
    for j in range(size):
        z[j] = (ONE - h[j]) / ((ONE + h[j]) * (ONE + h[size + j]))


@inner
def look_back(kernel, bias, queue, first, dilation, t, h):
    """h[m] = what the convolution of sample t + m takes from earlier samples, and the bias, for every row of h."""
    taps, filters = kernel.shape[0], kernel.shape[1]
    half, ring = filters // 2, dilation * (taps - 1)
    for m in range(len(h)):
        for j in range(len(bias)):
            h[m, j] = bias[j]
    for k in range(taps - 1):
        for m in range(len(h)):
            add_product(queue[first + (t + m + k * dilation) % ring, :half], kernel[k, :half], h[m, :filters])
        for m in range(len(h)):
            add_product(queue[first + (t + m + k * dilation) % ring, half:], kernel[k, half:], h[m, filters:])


@inner
def pick(logits, temperature, uniform, bits, powers):
    """A class by its probability; overwrites the logits."""
    if temperature == ZERO:
        return np.argmax(logits)
    largest = logits.max()
    for j in range(len(logits)):
        logits[j] = (logits[j] - largest) / temperature
    exponentiate(logits, bits, powers)
    total = ZERO
    for j in range(len(logits)):
        total += logits[j]
    goal, n, reached = total * uniform, 0, logits[0]
    while reached < goal and n < len(logits) - 1:
        n += 1
        reached += logits[n]
    return n


@inner
def draw(parameters, temperature, uniforms, bits, powers):
    """A sample of a mixture of logistics; overwrites the logits of its weights."""
    components = len(parameters) // 3
    n = pick(parameters[:components], temperature, uniforms[0], bits, powers)
    sample = parameters[components + n]
    if temperature > ZERO:
        u = min(max(uniforms[1], np.float32(1e-5)), np.float32(1.0 - 1e-5))
        scale = np.exp(max(parameters[2 * components + n], np.float32(-14.0)))
        sample += temperature * scale * (np.log(u) - np.log(ONE - u))
    return min(max(sample, -ONE), ONE)


@fast
def generate(
    start,
    start_bias,
    kernels,
    biases,
    outputs,
    dense,
    head,
    dilations,
    firsts,
    add_last,
    condition,
    hop_length,
    queue,
    mixture,
    temperature,
    uniforms,
    classes,
    samples,
    logits,
):
    """Fills `classes` and `samples`, whose first entries are those of the samples before.

    Args:
        start: float32 (K, V, C), of the first convolution.
        start_bias: float32 (C,).
        kernels: float32 (L, K, C, C), of the blocks: half of the rows for the filter, half for the gate.
        biases: float32 (L, 2 C).
        outputs: float32 (L, C, C + S), to the next block and to the result.
        dense: float32 (S, S).
        head: float32 (S, V).
        dilations: int64 (L,).
        firsts: int64 (L,), the first row of each block in the queue.
        add_last: bool, whether the output of the last block belongs to the result.
        condition: float32 (T + 1, 2 C), zeros first.
        hop_length: int, samples of a row of the condition.
        queue: float32 (R, C), inputs of the blocks, a ring of (K - 1) * dilation rows for each.
        mixture: bool, whether the head gives a mixture of logistics or classes.
        temperature: float32.
        uniforms: float32 (N, 2).
        classes: int32 (K + N,), all 0 for a mixture.
        samples: float32 (K + N,), for a mixture, all 1 for classes.
        logits: float32 (N, V) that takes them, or of no rows.
    """
    num_blocks, taps, filters = kernels.shape[:3]
    half, size = filters // 2, outputs.shape[2]
    state, h, z = np.zeros(size, np.float32), np.zeros(2 * filters, np.float32), np.zeros(filters, np.float32)
    back = np.zeros((num_blocks, AHEAD, 2 * filters), np.float32)
    hidden, result = np.zeros(dense.shape[1], np.float32), np.zeros(head.shape[1], np.float32)
    bits = np.zeros(max(2 * filters, head.shape[1]), np.int32)
    powers = bits.view(np.float32)
    for t in range(len(uniforms)):
        frame = condition[(t + hop_length - 1) // hop_length]
        state[:filters] = start_bias
        state[filters:] = ZERO
        for k in range(taps):
            row = start[k, classes[t + k]]
            for j in range(filters):
                state[j] += samples[t + k] * row[j]
        for n in range(num_blocks):
            dilation, first = dilations[n], firsts[n]
            ahead = min(dilation, AHEAD)
            if t % ahead == 0:
                look_back(kernels[n], biases[n], queue, first, dilation, t, back[n, :ahead])
            for j in range(2 * filters):
                h[j] = back[n, t % ahead, j] + frame[j]
            add_product(state[:half], kernels[n, taps - 1, :half], h[:filters])
            add_product(state[half:filters], kernels[n, taps - 1, half:], h[filters:])
            queue[first + t % (dilation * (taps - 1))] = state[:filters]
            gate(h, bits, powers, z)
            add_product(z, outputs[n], state)
        if add_last:
            for j in range(filters):
                state[filters + j] += state[j]
        for j in range(filters, size):
            state[j] = max(state[j], ZERO)
        hidden[:] = ZERO
        add_product(state[filters:], dense, hidden)
        for j in range(len(hidden)):
            hidden[j] = max(hidden[j], ZERO)
        result[:] = ZERO
        add_product(hidden, head, result)
        if len(logits):
            logits[t] = result
        if mixture:
            samples[taps + t] = draw(result, temperature, uniforms[t], bits, powers)
        else:
            classes[taps + t] = pick(result, temperature, uniforms[t, 0], bits, powers)
