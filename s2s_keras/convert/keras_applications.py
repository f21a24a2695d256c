"""Weights of `keras.applications`: ResNet50V2, ResNet101V2 and ResNet152V2."""

import re

import numpy as np

from s2s_keras.applications.resnet import ResNet

RESCALED = 127.5  # their preprocessing makes pixels -1 to 1


def resnet_v2(source, labels=None):
    """A `ResNet` that computes what a ResNetV2 of `keras.applications` does, from pixels.

    Its layout differs from the original's: see `layout` of `ResNet`. Its projections and the last convolutions of its
    blocks have biases. They add the same to every pixel until the next normalization, whose mean takes them in.

    Args:
        source: `keras.applications.ResNet50V2`, `ResNet101V2` or `ResNet152V2`, with `include_top=True`.
        labels: sequence of str, the names of the classes in the order of its outputs, or None.

    Returns:
        `ResNet` with `layout="keras"`. Its logits are those below the softmax of `source`; it normalizes pixels
        itself, where `source` wants `keras.applications.resnet_v2.preprocess_input`.

    Raises:
        ValueError: `source` is another network.

    Example:

    >>> import keras
    >>> resnet_v2(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="mine"))
    Traceback (most recent call last):
    ValueError: 'mine' is no ResNetV2 of keras.applications with include_top=True: it has no layer conv1_conv.
    """
    layers = {layer.name: layer for layer in source.layers}
    for name in ("conv1_conv", "conv2_block1_preact_bn", "conv5_block1_1_conv", "post_bn", "predictions"):
        if name not in layers:
            raise ValueError(
                f"{source.name!r} is no ResNetV2 of keras.applications with include_top=True: it has no layer {name}."
            )
    found = [match for match in map(re.compile(r"conv(\d+)_block(\d+)_preact_bn").match, layers) if match]
    stacks = sorted({int(match[1]) for match in found})
    first = [layers[f"conv{stack}_block1_1_conv"] for stack in stacks]
    model = ResNet(
        blocks=tuple(sum(int(match[1]) == stack for match in found) for stack in stacks),
        filters=tuple(layer.filters for layer in first),
        stem=(layers["conv1_conv"].filters, 7, 2),
        layout="keras",
        labels=labels,
        num_classes=None if labels else layers["predictions"].units,
        image_shape=source.input_shape[1:],
        mean=RESCALED,
        deviation=RESCALED,
    )
    _Copy(layers, model).run(model.blocks)
    return model


class _Copy:
    """Weights from layers to a model, and the constant that biases have added to what flows between blocks."""

    def __init__(self, layers, model):
        self.layers = layers
        self.model = model

    def run(self, blocks):
        self.model.get_layer("stem_convolution").set_weights(self.layers["conv1_conv"].get_weights())
        constant = 0.0
        for n, count in enumerate(blocks):
            for m in range(count):
                constant = self.block(f"conv{n + 2}_block{m + 1}_", f"stack_{n}_block_{m}_", constant)
        self.normalization("post_bn", "final_", constant)
        self.model.get_layer("logits").set_weights(self.layers["predictions"].get_weights())

    def block(self, there, here, constant):
        self.normalization(f"{there}preact_bn", f"{here}0_", constant)
        if f"{there}0_conv" in self.layers:
            constant = self.convolution(f"{there}0_conv", f"{here}projection_")
        for n in range(2):
            self.convolution(f"{there}{n + 1}_conv", f"{here}{n}_")
            self.normalization(f"{there}{n + 1}_bn", f"{here}{n + 1}_", 0.0)
        return constant + self.convolution(f"{there}3_conv", f"{here}2_")

    def convolution(self, there, here):
        """Copies the kernel; returns the bias."""
        kernel, *bias = self.layers[there].get_weights()
        self.model.get_layer(f"{here}convolution").set_weights([kernel])
        return np.float64(bias[0]) if bias else 0.0

    def normalization(self, there, here, constant):
        gamma, beta, mean, variance = self.layers[there].get_weights()
        weights = [gamma, beta, mean - np.float32(constant), variance]
        self.model.get_layer(f"{here}normalization").set_weights(weights)
