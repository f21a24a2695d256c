"""Weights of `keras.applications`: ResNet50V2, ResNet101V2 and ResNet152V2."""

import re

from s2s_keras.applications.resnet import ResNet

RESCALED = 127.5  # their preprocessing makes pixels -1 to 1


def resnet_v2(source, labels=None):
    """A `ResNet` that computes what a ResNetV2 of `keras.applications` does, from pixels.

    Its layout differs from the original's: see `layout` of `ResNet`.

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
    for there, here in _names(model.blocks).items():
        if there in layers:
            model.get_layer(here).set_weights(layers[there].get_weights())
    return model


def _names(blocks):
    """{name of a layer there: its name here}."""
    names = {"conv1_conv": "stem_convolution", "post_bn": "final_normalization", "predictions": "logits"}
    for n, count in enumerate(blocks):
        for m in range(count):
            there, here = f"conv{n + 2}_block{m + 1}_", f"stack_{n}_block_{m}_"
            names |= {f"{there}preact_bn": f"{here}0_normalization", f"{there}0_conv": f"{here}projection_convolution"}
            names |= {f"{there}{k}_conv": f"{here}{k - 1}_convolution" for k in (1, 2, 3)}
            names |= {f"{there}{k}_bn": f"{here}{k}_normalization" for k in (1, 2)}
    return names
