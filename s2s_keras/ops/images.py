"""Pictures from files, and their size and colours: NumPy and Pillow, without a backend."""

import os

import numpy as np
from PIL import Image, ImageOps

GRAY = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R 601, as Pillow and JPEG


def read_image(path, channels=3):
    """The pixels of a picture file, upright.

    Args:
        path: str or path-like, of a format that Pillow reads: JPEG, PNG, BMP, GIF (the first frame) and so on.
        channels: int, 1 for gray, 3 for colours. What is transparent is laid on black.

    Returns:
        float32 (H, W, channels), from 0 to 255.

    Raises:
        ValueError: there is no such file, or it is no picture or damaged.

    Example:

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "dots.png")
    >>> write_image(path, np.array([[0, 255]]))
    >>> read_image(path, channels=1)[..., 0].tolist()
    [[0.0, 255.0]]
    """
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I;16"):  # Pillow would clip 16 bits to 255
                pixels = np.asarray(image, "float32") / 257.0
                return to_channels(pixels[..., None], channels)
            if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA"):
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"), "float32")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error).split("\n")[0]
        raise ValueError(
            f"{os.fspath(path)}: the picture cannot be read: {reason}. Expected a file that Pillow reads, such as JPEG "
            "or PNG."
        ) from error
    return pixels[..., None] if channels == 1 else pixels


def write_image(path, pixels):
    """Writes (H, W), (H, W, 1) or (H, W, 3) pixels from 0 to 255 to a file, whose name says the format."""
    pixels = np.clip(np.round(np.asarray(pixels)), 0, 255).astype("uint8")
    Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels).save(path)


def to_channels(pixels, channels):
    """Gray to three equal colours, or colours to gray.

    Example:

    >>> to_channels(np.array([[[255.0, 0.0, 0.0]]]), 1).round(1).tolist()
    [[[76.2]]]
    """
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 1:
        return pixels @ np.array(GRAY, pixels.dtype)[:, None]
    return np.repeat(pixels, channels, axis=-1)


def resize(pixels, height, width):
    """Pixels (H, W, C) at another size: bilinear, and every old pixel counts where the picture becomes smaller.

    Example:

    >>> resize(np.array([[[0.0], [100.0], [200.0], [100.0]]]), 1, 2).round()[0, :, 0].tolist()
    [71.0, 143.0]
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    pixels = np.asarray(pixels, "float32")
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(pixels[..., c])).resize((width, height), Image.BILINEAR))
        for c in range(pixels.shape[-1])
    ]
    return np.stack(planes, axis=-1)


def cover(pixels, height, width):
    """Scales a picture until it covers a size and cuts its middle out: nothing is distorted.

    Example:

    >>> cover(np.zeros((20, 30, 3)), 10, 10).shape
    (10, 10, 3)
    """
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    pixels = resize(pixels, max(round(scale * pixels.shape[0]), height), max(round(scale * pixels.shape[1]), width))
    return center_crop(pixels, height, width)


def center_crop(pixels, height, width):
    """The middle of a picture (H, W, C) that is at least as large."""
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]
