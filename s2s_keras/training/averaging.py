"""The average of the weights that an optimizer keeps with `use_ema=True`."""

import keras
from keras import ops


class EvaluateAverage(keras.callbacks.SwapEMAWeights):
    """Validation sees the average of the weights, training goes on with the weights themselves.

    For an optimizer with `use_ema=True`, alone or in a `LossScale`. When `fit` ends, Keras puts the average into the
    model; training then goes on from it.

    Args:
        swap_on_epoch: bool, whether callbacks that come later in the list see the average at the end of an epoch, too,
            for example one that saves the best model. A checkpoint to resume from must come earlier. Defaults to
            `False`.

    Raises:
        ValueError: at the first validation, if the optimizer keeps no average.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
    >>> x = np.ones((4, 1), "float32")
    >>> history = model.fit(x, x, validation_data=(x, x), callbacks=[EvaluateAverage()], verbose=0).history
    >>> sorted(history)
    ['loss', 'val_loss']

    Reference:
        `keras.callbacks.SwapEMAWeights`, which leaves the average in the model after `predict`; and after `fit` on JAX
        model and optimizer share their arrays, so that the next `fit` fails. Both are mended here.
    """

    def on_predict_end(self, logs=None):
        self.on_test_end(logs)

    def on_train_end(self, logs=None):
        if keras.backend.backend() == "jax":  # a step gives its arrays away, which a second owner does not survive
            for variable in self.model.trainable_variables:
                variable.assign(ops.copy(variable.value))
