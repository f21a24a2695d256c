"""Mixtures of logistic distributions, as a network gives them."""

from keras import ops

MIN_LOG_SCALE = -14.0  # a hundredth of a step of 16 bits; narrower ones differ in nothing


def split_mixture(parameters):
    """The parameters of M components side by side: (..., 3 M) -> logits of weights, means, logarithms of scales."""
    logits, means, log_scales = ops.split(parameters, 3, axis=-1)
    return logits, means, ops.maximum(log_scales, MIN_LOG_SCALE)
