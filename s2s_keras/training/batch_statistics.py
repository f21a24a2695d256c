"""The statistics that batch normalization uses outside of training, computed anew."""

import keras
from keras import ops

from s2s_keras.layers import MaskedBatchNormalization


def update_batch_statistics(model, batches):
    """Replaces the moving means and variances of a network by their averages over batches.

    The moving statistics follow the last few batches of training, augmented as they were, and those of averaged weights
    belong to none of them. Each of these batches goes through the network once, in training mode, and counts the same;
    no weight changes but the statistics. Layers that are frozen keep theirs.

    Args:
        model: `keras.Model` with `MaskedBatchNormalization` or `keras.layers.BatchNormalization`.
        batches: iterable of inputs of the model, for example `(inputs for inputs, labels in dataset)`.

    Raises:
        ValueError: no batch normalization to update, no batches, or a batch whose outputs are not numbers. After an
            error the statistics are what they were.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
    >>> update_batch_statistics(model, [np.array([[1.0], [3.0]]), np.array([[4.0], [8.0]])])
    >>> [statistic.numpy().tolist() for statistic in model.layers[0].non_trainable_weights]
    [[4.0], [2.5]]

    Reference:
        [Rethinking "Batch" in BatchNorm](https://arxiv.org/abs/2105.07576), section 3, "precise BatchNorm";
        `torch.optim.swa_utils.update_bn`.
    """
    kinds = MaskedBatchNormalization, keras.layers.BatchNormalization
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, kinds) and layer.trainable]
    if not layers:
        raise ValueError(
            f"{model.name} has no statistics to update: expected MaskedBatchNormalization or BatchNormalization with "
            "trainable=True. Received none, or only frozen ones. Unfreeze them, or leave this call out."
        )
    momenta = [layer.momentum for layer in layers]
    statistics = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
    before, totals, count = [ops.copy(variable.value) for variable in statistics], 0, 0
    try:
        for layer in layers:
            layer.momentum = 0.0  # the moving statistics are then those of the batch
        for inputs in batches:
            outputs = model(inputs, training=True)
            if any(ops.any(ops.isnan(output)) for output in keras.tree.flatten(outputs)):
                raise ValueError(
                    f"Batch {count} makes {model.name} put out NaN. Expected finite inputs and weights. Leave out the "
                    "inputs that are not finite, or go back to weights from before they became so."
                )
            count += 1
            batch = [ops.copy(variable.value) for variable in statistics]
            totals = batch if count == 1 else [total + value for total, value in zip(totals, batch, strict=True)]
        if not count:
            raise ValueError("The statistics need at least one batch. Received an iterable without any.")
    except BaseException:
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(value)
        raise
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    for variable, total in zip(statistics, totals, strict=True):
        variable.assign(total / count)
