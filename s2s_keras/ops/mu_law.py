"""Mu-law: few classes of audio, narrow where it is quiet."""

from keras import ops


def mu_law_encode(audio, num_classes=256):
    """The classes of samples, whose widths grow with the amplitude.

    Args:
        audio: float, any shape, in [-1, 1]; what is beyond is clipped.
        num_classes: int, at least 2.

    Returns:
        int32, as `audio`, in [0, num_classes). Silence is `num_classes // 2`.

    Example:

    >>> import numpy as np
    >>> ops.convert_to_numpy(mu_law_encode(np.array([-1.0, -0.01, 0.0, 0.01, 1.0], "float32"))).tolist()
    [0, 98, 128, 157, 255]

    Reference:
        - ITU-T G.711, without its piecewise approximation; the classes are those of OpenSeq2Seq's WaveNet.
    """
    mu = num_classes - 1.0
    audio = ops.cast(audio, "float32")
    magnitude = ops.log1p(mu * ops.minimum(ops.abs(audio), 1.0)) / ops.log1p(mu)
    return ops.cast((ops.sign(audio) * magnitude + 1.0) / 2.0 * mu + 0.5, "int32")


def mu_law_decode(classes, num_classes=256):
    """The sample in the middle of each class.

    Args:
        classes: int, any shape, in [0, num_classes).
        num_classes: int, as given to `mu_law_encode`.

    Returns:
        float32, as `classes`, in [-1, 1].

    Example:

    >>> import numpy as np
    >>> [round(float(x), 4) for x in mu_law_decode(np.array([0, 98, 255]))]
    [-1.0, -0.0102, 1.0]
    """
    mu = num_classes - 1.0
    signal = 2.0 * ops.cast(classes, "float32") / mu - 1.0
    return ops.sign(signal) * ops.expm1(ops.abs(signal) * ops.log1p(mu)) / mu
