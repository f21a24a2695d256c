"""Where in a sequence something is, as a vector."""

import numpy as np
from keras import ops

LONGEST = 1e4  # steps a radian of the slowest wave


def sinusoid(positions, units):
    """Sines and cosines of positions, of wavelengths that grow geometrically.

    Args:
        positions: float (...).
        units: int, even, channels.

    Returns:
        float32 (..., units): sines, then cosines.

    Example:

    >>> ops.convert_to_numpy(sinusoid(np.array([0.0, 1.0]), 4)).round(2).tolist()
    [[0.0, 0.0, 1.0, 1.0], [0.8399999737739563, 0.0, 0.5400000214576721, 1.0]]

    Reference:
        - [Attention is all you need](https://arxiv.org/abs/1706.03762), section 3.5, which takes turns between them.
    """
    rates = np.float32(LONGEST) ** -np.linspace(0.0, 1.0, units // 2, dtype="float32")
    angles = ops.cast(positions, "float32")[..., None] * ops.convert_to_tensor(rates)
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
