"""Changes to pictures that a classifier should not mind: callables `(pixels, rng) -> pixels`, float32 (H, W, C).

All randomness comes from the `numpy.random.Generator` that is passed in; what needs none has no use for it. Several are
applied in the order of a tuple. The original's, for ImageNet in training and evaluation, and for CIFAR-10:

    (RandomResizedCrop(224, 224), RandomFlip())
    (CenterCrop(224, 224, shorter_side=256),)
    (RandomShift(4), RandomFlip(), Standardize())
"""

import numpy as np

from s2s_keras.ops.images import center_crop, resize

ATTEMPTS = 10  # at a crop of the wished area and aspect


class RandomFlip:
    """Mirrors a picture from left to right.

    Args:
        probability: float. Default 0.5.

    Example:

    >>> RandomFlip(1.0)(np.array([[[1.0], [2.0]]]), np.random.default_rng(0))[0, :, 0].tolist()
    [2.0, 1.0]
    """

    def __init__(self, probability=0.5):
        self.probability = check_probability(probability)

    def __call__(self, pixels, rng):
        return pixels[:, ::-1] if rng.random() < self.probability else pixels


class RandomShift:
    """Moves a picture by whole pixels; zeros come in at the sides.

    Args:
        pixels: int, the most that it moves, in either direction.

    Example:

    >>> shifted = RandomShift(1)(np.ones((4, 4, 1)), np.random.default_rng(0))
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


class RandomResizedCrop:
    """Cuts a random part out of a picture and scales it to one size.

    Args:
        height: int, of the result.
        width: int, of the result.
        area: (float, float), share of the picture's area, from and to. Default (0.05, 1.0).
        aspect: (float, float), width divided by height of the part, from and to. Default (0.75, 1.33).

    Example:

    >>> RandomResizedCrop(8, 8)(np.zeros((20, 30, 3)), np.random.default_rng(0)).shape
    (8, 8, 3)

    Reference: OpenSeq2Seq's training crop for ImageNet, [Inception](https://arxiv.org/abs/1409.4842). It saw to it that
    a tenth of what ImageNet's boxes enclose is inside, which needs the boxes.
    """

    def __init__(self, height, width, area=(0.05, 1.0), aspect=(0.75, 1.33)):
        self.height = height
        self.width = width
        self.area = check_range("area", area, 1.0)
        self.aspect = check_range("aspect", aspect)

    def __call__(self, pixels, rng):
        height, width = pixels.shape[:2]
        for _ in range(ATTEMPTS):
            area, aspect = rng.uniform(*self.area) * height * width, rng.uniform(*self.aspect)
            h, w = round(np.sqrt(area / aspect)), round(np.sqrt(area * aspect))
            if 0 < h <= height and 0 < w <= width:
                top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
                return resize(pixels[top : top + h, left : left + w], self.height, self.width)
        h = min(height, round(width / self.aspect[0]))  # a picture so wide or so high that no part fits
        w = min(width, round(height * self.aspect[1]))
        return resize(center_crop(pixels, h, w), self.height, self.width)


class CenterCrop:
    """Scales a picture to a shorter side and cuts its middle out.

    Args:
        height: int, of the result.
        width: int, of the result.
        shorter_side: int, pixels of the shorter side after scaling; at least `height` and `width`.

    Example:

    >>> CenterCrop(8, 8, shorter_side=9)(np.zeros((20, 30, 3))).shape
    (8, 8, 3)

    Reference: OpenSeq2Seq's evaluation on ImageNet: 224 x 224 of a shorter side of 256.
    """

    def __init__(self, height, width, shorter_side):
        if not 0 < max(height, width) <= shorter_side:
            raise ValueError(
                f"`shorter_side` is at least `height` and `width`. Received: height={height}, width={width}, "
                f"shorter_side={shorter_side}."
            )
        self.height = height
        self.width = width
        self.shorter_side = shorter_side

    def __call__(self, pixels, rng=None):
        scale = self.shorter_side / min(pixels.shape[:2])
        pixels = resize(pixels, round(scale * pixels.shape[0]), round(scale * pixels.shape[1]))
        return center_crop(pixels, self.height, self.width)


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
        self.probability = check_probability(probability)
        self.area = check_range("area", area, 1.0)
        self.aspect = check_range("aspect", (1.0, aspect))[1]

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


class Standardize:
    """Subtracts a picture's mean and divides by its deviation; for models with `mean=0.0, deviation=1.0`.

    Example:

    >>> Standardize()(np.array([[[1.0], [3.0]]]))[0, :, 0].tolist()
    [-1.0, 1.0]

    Reference: `tf.image.per_image_standardization`, which OpenSeq2Seq used for CIFAR-10: a picture of one colour is
    divided by the root of its number of values.
    """

    def __call__(self, pixels, rng=None):
        pixels = pixels - pixels.mean()
        return pixels / max(pixels.std(), pixels.size**-0.5)


def check_probability(probability):
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"A probability lies in [0, 1]. Received: {probability}.")
    return probability


def check_range(name, pair, most=np.inf):
    pair = tuple(pair)
    if len(pair) != 2 or not 0.0 < pair[0] <= pair[1] <= most:
        most = f" <= {most:g}" if np.isfinite(most) else ""
        raise ValueError(f"`{name}` is two numbers, 0 < from <= to{most}. Received: {pair}.")
    return pair
