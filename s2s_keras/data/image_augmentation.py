"""Changes to pictures that a classifier should not mind: callables `(pixels, rng) -> pixels`, float32 (H, W, C).

All randomness comes from the `numpy.random.Generator` that is passed in. Several are applied in the order of a tuple.
"""

import numpy as np


class RandomFlip:
    """Mirrors a picture from left to right.

    Args:
        probability: float. Default 0.5.

    Example:

    >>> RandomFlip(1.0)(np.array([[[1.0], [2.0]]]), np.random.default_rng(0))[0, :, 0].tolist()
    [2.0, 1.0]
    """

    def __init__(self, probability=0.5):
        self.probability = _probability(probability)

    def __call__(self, pixels, rng):
        return pixels[:, ::-1] if rng.random() < self.probability else pixels


class RandomShift:
    """Moves a picture by whole pixels; zeros come in at the sides.

    Args:
        pixels: int, the most that it moves, in either direction.

    Example:

    >>> shifted = RandomShift(1)(np.ones((4, 4, 1)), np.random.default_rng(1))
    >>> shifted.shape, float(shifted.sum())
    ((4, 4, 1), 12.0)

    Reference: OpenSeq2Seq's crop of the padded picture, for CIFAR-10.
    """

    def __init__(self, pixels):
        if not isinstance(pixels, int) or pixels < 0:
            raise ValueError(f"`pixels` is an integer of at least 0. Received: pixels={pixels!r}.")
        self.pixels = pixels

    def __call__(self, pixels, rng):
        height, width = pixels.shape[:2]
        top, left = rng.integers(0, 2 * self.pixels + 1, 2)
        padded = np.pad(pixels, ((self.pixels, self.pixels), (self.pixels, self.pixels), (0, 0)))
        return padded[top : top + height, left : left + width]


class RandomErasing:
    """Fills a rectangle of a picture with noise.

    Args:
        probability: float. Default 0.5.
        area: (float, float), the share of the picture's area that is erased, from and to. Default (0.02, 0.25).
        aspect: float, the most by which one side is longer than the other. Default 3.3.

    Example:

    >>> erased = RandomErasing(1.0, area=(0.25, 0.25))(np.zeros((8, 8, 1), "float32"), np.random.default_rng(0))
    >>> 10 <= int((erased > 0).sum()) <= 20
    True

    Reference: [Random erasing](https://arxiv.org/abs/1708.04896).
    """

    def __init__(self, probability=0.5, area=(0.02, 0.25), aspect=3.3):
        self.probability = _probability(probability)
        self.area = tuple(area)
        self.aspect = aspect
        if not 0.0 < self.area[0] <= self.area[1] <= 1.0 or aspect < 1.0:
            raise ValueError(
                "`area` is two shares of the picture, 0 < from <= to <= 1, and `aspect` at least 1. Received: "
                f"area={area}, aspect={aspect}."
            )

    def __call__(self, pixels, rng):
        if rng.random() >= self.probability:
            return pixels
        height, width, channels = pixels.shape
        area = rng.uniform(*self.area) * height * width
        aspect = np.exp(rng.uniform(-np.log(self.aspect), np.log(self.aspect)))
        h = min(max(round(np.sqrt(area * aspect)), 1), height)
        w = min(max(round(np.sqrt(area / aspect)), 1), width)
        top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        pixels = pixels.copy()
        pixels[top : top + h, left : left + w] = rng.uniform(0.0, 255.0, (h, w, channels))
        return pixels


def _probability(probability):
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"A probability lies in [0, 1]. Received: {probability}.")
    return probability
