"""What to do when the loss or its gradients are not finite."""

import keras
from keras import ops


class NonFiniteGuard(keras.callbacks.Callback):
    """Watches over the updates that an optimizer of `s2s_keras.optimizers.LossScale` skips during `fit`.

    Such an optimizer skips an update whose loss or gradients are NaN or infinite, in every precision. This callback
    adds their number to the logs, keeps those losses out of the epoch's mean loss, and ends training when too many
    come in a row, with an error that names the files of the batch.

    Args:
        max_in_a_row: int, so many skipped updates in a row end training. Default 20: more than a loss scale that
            starts too high takes to come down.
        dataset: the training data, if it has `batch_utterances(epoch, index)` as `SpeechDataset` has: the error then
            names the files. Default None.

    Raises:
        ValueError: `max_in_a_row` is below 1; when `fit` begins, if the optimizer does not skip updates; and when too
            many updates in a row are skipped.

    Example:

    >>> import numpy as np
    >>> from s2s_keras.optimizers import StaticLossScale
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(StaticLossScale(keras.optimizers.SGD(0.1)), "mse")
    >>> x, y = np.ones((3, 2)), np.array([[1.0], [np.nan], [1.0]])
    >>> logs = model.fit(x, y, batch_size=1, verbose=0, callbacks=[NonFiniteGuard()]).history
    >>> bool(np.isfinite(logs["loss"][0])), logs["skipped"]
    (True, [1])

    Reference: `keras.callbacks.TerminateOnNaN` ends training at the first loss that is not finite, and does not see
    gradients. OpenSeq2Seq skips such updates in mixed precision only, and does not count them.
    """

    def __init__(self, max_in_a_row=20, dataset=None):
        super().__init__()
        if max_in_a_row < 1:
            raise ValueError(f"`max_in_a_row` is at least 1. Received: max_in_a_row={max_in_a_row}.")
        self.max_in_a_row = max_in_a_row
        self.dataset = dataset

    def on_train_begin(self, logs=None):
        model = self.model
        _skipping(model.optimizer)
        self._means = [metric for metric in model.metrics if type(metric) in (keras.metrics.Mean, _FiniteMean)]
        for metric in self._means:
            if type(metric) is keras.metrics.Mean:
                metric.__class__ = _FiniteMean
                model.make_train_function(force=True)  # one from an earlier `fit` has the other mean in it
        self._until_look = self.max_in_a_row
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._last = epoch, -1

    def on_train_batch_begin(self, batch, logs=None):
        for metric in self._means:
            metric.only_finite = True

    def on_train_batch_end(self, batch, logs=None):
        for metric in self._means:
            metric.only_finite = False
        self._until_look -= batch - self._last
        self._last = batch
        if self._until_look <= 0:
            # Looking waits for the step, and on JAX copies the whole state: not before there can be too many.
            in_a_row = self._read("skipped_in_a_row")
            if in_a_row >= self.max_in_a_row:
                raise ValueError(self._message(in_a_row, batch))
            self._until_look = self.max_in_a_row - in_a_row

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["skipped"] = self._read("skipped")

    def _read(self, name):
        optimizer = self.model.optimizer  # on JAX `self.model` brings the variables up to date
        return int(ops.convert_to_numpy(ops.convert_to_tensor(getattr(_skipping(optimizer), name))))

    def _message(self, in_a_row, batch):
        resumed_epoch, first = self.params.get("resumed", (None, 0))
        index = batch + (first if resumed_epoch == self._epoch else 0)
        message = (
            f"The loss or its gradients were not finite in {in_a_row} updates in a row, up to batch {index} of epoch "
            f"{self._epoch} (from 0)."
        )
        if hasattr(self.dataset, "batch_utterances"):
            utterances = self.dataset.batch_utterances(self._epoch, min(index, len(self.dataset) - 1))
            files = [f"{u.audio} ({u.where})" for u in utterances if u is not None]  # None: an empty row
            message += f" That batch has {', '.join(files) or 'empty rows only on this process'}."
        return message + (
            " If it is always these files, listen to them and leave them out; if it is any, lower the learning rate or "
            "clip gradients, and go on from an earlier checkpoint."
        )


class _FiniteMean(keras.metrics.Mean):
    """A mean that leaves out what is not finite while a training step asks for it; of nothing it is NaN."""

    only_finite = False

    def update_state(self, values, sample_weight=None):
        if self.only_finite:
            values = ops.convert_to_tensor(values)
            finite = ops.isfinite(values)
            sample_weight = ops.convert_to_tensor(1 if sample_weight is None else sample_weight)
            sample_weight = ops.where(finite, sample_weight, ops.zeros_like(sample_weight))
            values = ops.where(finite, values, ops.zeros_like(values))
        super().update_state(values, sample_weight)

    def result(self):
        return ops.where(self.count > 0, super().result(), float("nan"))


def _skipping(optimizer):
    """The optimizer that skips and counts, itself or within another one."""
    outermost = optimizer
    while optimizer is not None and not hasattr(optimizer, "skipped_in_a_row"):
        optimizer = getattr(optimizer, "inner_optimizer", None)
    if optimizer is None:
        raise ValueError(
            "NonFiniteGuard counts the updates that an optimizer skips, and this one skips none: a single NaN would "
            f"stay in the weights. Received: optimizer={type(outermost).__name__}. Wrap it, for example "
            "s2s_keras.optimizers.StaticLossScale(optimizer)."
        )
    return optimizer
