"""Random changes of colour and shape, a few at a time."""

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

ENHANCE = ("Brightness", "Color", "Contrast", "Sharpness")
FILL = 128  # what comes in at the sides
STRONGEST = 10


class RandAugment:
    """Some of eleven changes, drawn for every picture, with one strength for all.

    Brightness, colour, contrast, sharpness, rotation, shear and shift either way, equalized or fewer brightness levels,
    inverted bright pixels, or none.

    Args:
        num_changes: int, one after the other. Default 2.
        strength: float from 0 to 10: at 10 a picture is turned by 30 degrees or shifted by 30 %. Default 5.

    Call arguments:
        pixels: float (H, W, 1) or (H, W, 3), from 0 to 255.
        rng: `numpy.random.Generator`.

    Returns:
        float32, as `pixels`.

    Raises:
        ValueError: an argument is out of range.

    Example:

    >>> RandAugment()(np.zeros((8, 8, 3), "float32"), np.random.default_rng(0)).shape
    (8, 8, 3)

    Reference: [RandAugment](https://arxiv.org/abs/1909.13719), with fewer kinds of change.
    """

    def __init__(self, num_changes=2, strength=5.0):
        if num_changes < 0 or not 0.0 <= strength <= STRONGEST:
            raise ValueError(
                f"`num_changes` is at least 0 and `strength` from 0 to {STRONGEST}. Received: "
                f"num_changes={num_changes}, strength={strength}."
            )
        self.num_changes = num_changes
        self.strength = strength

    def __call__(self, pixels, rng):
        pixels = np.clip(np.round(pixels), 0.0, 255.0).astype("uint8")
        gray = pixels.shape[-1] == 1
        image = Image.fromarray(pixels[..., 0] if gray else pixels)
        names = sorted(CHANGES)
        for n in rng.integers(0, len(names), self.num_changes):
            sign = rng.choice((-1.0, 1.0))
            image = CHANGES[names[n]](image, sign * self.strength / STRONGEST)
        pixels = np.asarray(image, "float32")
        return pixels[..., None] if gray else pixels


def _enhance(name):
    def change(image, amount):
        return getattr(ImageEnhance, name)(image).enhance(1.0 + 0.9 * amount)

    return change


def _affine(matrix):
    """A change that reads pixel (x, y), counted from the middle, from where a matrix (2, 3) says."""

    def change(image, amount):
        width, height = image.size
        a = np.array(matrix(amount, width, height), "float64")
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        a[:, 2] += middle - a[:, :2] @ middle
        fill = FILL if image.mode == "L" else (FILL,) * 3
        return image.transform(image.size, Image.Transform.AFFINE, a.ravel().tolist(), Image.BILINEAR, fillcolor=fill)

    return change


def _rotation(amount, width, height):
    angle = np.deg2rad(30.0 * amount)
    return [[np.cos(angle), np.sin(angle), 0.0], [-np.sin(angle), np.cos(angle), 0.0]]


def _posterize(image, amount):
    return ImageOps.posterize(image, 8 - round(4 * abs(amount)))


def _solarize(image, amount):
    return ImageOps.solarize(image, 256 - round(256 * abs(amount)))


def _equalize(image, amount):
    return ImageOps.equalize(image)


CHANGES = {
    **{name: _enhance(name) for name in ENHANCE},
    "equalize": _equalize,
    "nothing": lambda image, amount: image,
    "posterize": _posterize,
    "rotate": _affine(_rotation),
    "shear x": _affine(lambda amount, w, h: [[1.0, 0.3 * amount, 0.0], [0.0, 1.0, 0.0]]),
    "shear y": _affine(lambda amount, w, h: [[1.0, 0.0, 0.0], [0.3 * amount, 1.0, 0.0]]),
    "shift x": _affine(lambda amount, w, h: [[1.0, 0.0, 0.3 * amount * w], [0.0, 1.0, 0.0]]),
    "shift y": _affine(lambda amount, w, h: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.3 * amount * h]]),
    "solarize": _solarize,
}
