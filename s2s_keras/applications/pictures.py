"""Pictures as the models take them: pixels from 0 to 255 of one size."""

import os

import numpy as np

from s2s_keras.ops.images import cover, read_image, to_channels


def as_picture(image, image_shape):
    """A path or an array as float32 pixels of a shape.

    Args:
        image: path, or array (H, W), (H, W, 1) or (H, W, 3) of pixels from 0 to 255.
        image_shape: (height, width, channels).

    Returns:
        float32, of `image_shape`.

    Raises:
        ValueError: the file cannot be read, or the array is no picture.

    Example:

    >>> as_picture(np.zeros((10, 12), "uint8"), (8, 8, 3)).shape
    (8, 8, 3)
    """
    height, width, channels = image_shape
    if isinstance(image, (str, os.PathLike)):
        return cover(read_image(image, channels), height, width)
    image = np.asarray(image)
    image = image[..., None] if image.ndim == 2 else image
    numbers = np.issubdtype(image.dtype, np.integer) or np.issubdtype(image.dtype, np.floating)
    if image.ndim != 3 or image.shape[-1] not in (1, 3, channels) or not numbers or not image.size:
        raise ValueError(
            "A picture is a path, or an array (height, width), (height, width, 1) or (height, width, 3) of pixels from "
            f"0 to 255. Received: shape {np.shape(image)}, dtype {image.dtype}."
        )
    if not np.all(np.isfinite(image)) or image.min() < 0 or image.max() > 255:
        raise ValueError(
            f"The pixels of a picture are from 0 to 255. Received: {image.min()} to {image.max()}. Scale them, for "
            "example `255 * image` for those from 0 to 1."
        )
    return cover(to_channels(image.astype("float32"), channels), height, width)
