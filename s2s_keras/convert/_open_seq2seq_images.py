"""The names of classifiers of pictures in checkpoints of the original."""

import re

import keras

from s2s_keras.applications.image_classifier import ImageClassifier
from s2s_keras.applications.resnet import ResNet
from s2s_keras.layers import MaskedBatchNormalization

IMAGE_HEAD = "ForwardPass/fully_connected_decoder/fully_connected/"
KINDS = {
    "conv2d": keras.layers.Conv2D,
    "batch_normalization": (keras.layers.BatchNormalization, MaskedBatchNormalization),
    "dense": keras.layers.Dense,
}


def is_image_model(model):
    return isinstance(model, ImageClassifier)


def image_table(model):
    """Every weight of a classifier of pictures by the name that it has in a checkpoint: dict to `keras.Variable`."""
    resnet = isinstance(model, ResNet)
    scope = "ForwardPass/" + ("resnet_encoder/" if resnet else "cnn_encoder/")
    layers = [layer for layer in model.layers if layer.name != "logits"]
    layers = sorted(layers, key=_place) if resnet else layers
    table = {}
    for kind, types in KINDS.items():
        for n, layer in enumerate(layer for layer in layers if isinstance(layer, types)):
            name = f"{scope}{kind}_{n}/" if n else f"{scope}{kind}/"
            table |= {name + weight.name: weight for weight in layer.weights}
    if model.include_top:
        table |= {IMAGE_HEAD + weight.name: weight for weight in model.get_layer("logits").weights}
    return table


def _place(layer):
    """Where a layer of a `ResNet` stands in the order of building: a block's projection first."""
    block = re.match(r"stack_(\d+)_block_(\d+)_(projection|\d+)", layer.name)
    if block is None:
        return (1 if layer.name.startswith("final") else -1, 0, 0, 0)
    return (0, int(block[1]), int(block[2]), -1 if block[3] == "projection" else int(block[3]))
