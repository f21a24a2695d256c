"""Mends what keeps `tf.distribute` and Keras' `fit` apart. Importing `s2s_keras.training` applies it.

Five faults of Keras 3.15 (its issue 20585 is about the first two) and a trap of TensorFlow:

1. Before the first step, `fit` reduces a whole batch over the replicas to learn its shapes, and the strategy takes a
   tensor at a time.
2. The logs of a step are reduced along an axis that scalars do not have.
3. Gradients are clipped on every replica before they are summed, so that the norm limited is not the gradient's.
4. Gradient accumulation asks within one replica whether to update, which takes all of them.
5. `steps_per_execution` puts the steps into a loop of the graph, which fails in TensorFlow when they exchange
   something. Here they run one after the other: the number is taken, and gains no time.
6. Every dataset is cut into as many parts as there are replicas, also one that is a single worker's share already: each
   worker would see the first part of its batches only. Datasets of this library say that they are not to be cut.

The first two are looked for by calling Keras' own functions with a strategy that only records how it is called, and
left alone where they are gone; the others change only what more than one replica does.
"""

import functools
import sys

import keras
import tensorflow as tf

from s2s_keras.ops import _replicas_tensorflow
from s2s_keras.training import distribution

FIRST_VERSION = (3, 15)  # the oldest that the tests were run with


def apply():
    """Mends Keras, once; does nothing where it needs no mending."""
    if tuple(int(part) for part in keras.__version__.split(".")[:2]) < FIRST_VERSION:
        return
    trainer = _class_with(keras.Model, "_maybe_symbolic_build")
    if trainer is not None and _reduces_a_structure(trainer):
        _mend_symbolic_build(trainer)
    if trainer is not None and hasattr(trainer, "_make_function"):
        _mend_several_steps(trainer)
    module = sys.modules[trainer.__module__] if trainer is not None else None
    if hasattr(module, "reduce_per_replica") and _reduces_along_an_axis(module):
        _mend_reduction(module)
    optimizer = _class_with(keras.optimizers.Optimizer, "_all_reduce_sum_gradients")
    if optimizer is not None and hasattr(optimizer, "_clip_gradients"):
        _mend_clipping(optimizer)
        _mend_accumulation(optimizer)
    _keep_shares_whole(tf.distribute.MultiWorkerMirroredStrategy)
    _know_the_strategy(tf.distribute.MultiWorkerMirroredStrategy)
    _explain_lost_processes(_class_with(keras.Model, "fit"))


def _class_with(subclass, name):
    return next((c for c in subclass.__mro__ if name in vars(c)), None)


class _Recorder(tf.distribute.MultiWorkerMirroredStrategy):
    """A strategy of several workers that connects to none and records what it is asked to reduce."""

    def __init__(self):
        self.reduced = []

    @property
    def extended(self):
        class Extended:
            _in_multi_worker_mode = staticmethod(lambda: True)

        return Extended()

    def scope(self):
        raise _Enough

    def reduce(self, reduce_op, value, axis):
        self.reduced.append((value, axis))
        return value

    def experimental_local_results(self, value):
        return (value,)


class _Enough(Exception):
    pass


class _Distributed(tf.distribute.DistributedValues):
    def __init__(self):
        pass


def _reduces_a_structure(trainer):
    class Model:
        distribute_strategy = _distribute_strategy = _Recorder()

    batch = {"a": _Distributed(), "b": _Distributed()}
    try:
        trainer._maybe_symbolic_build(Model(), iterator=iter([(0, 0, iter([batch]))]))
    except _Enough:
        pass
    except Exception:  # it works in another way now, which only its authors can judge
        return False
    return any(isinstance(value, dict) for value, _ in Model._distribute_strategy.reduced)


def _reduces_along_an_axis(module):
    strategy = _Recorder()
    try:
        module.reduce_per_replica({"loss": 1.0}, strategy, "auto")
    except Exception:
        return False
    return any(axis is not None for _, axis in strategy.reduced)


def _mend_symbolic_build(trainer):
    original = trainer._maybe_symbolic_build

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and _multi_worker(self.distribute_strategy):
            data_batch, iterator = _first_local_batch(iterator, self.distribute_strategy), None
        return original(self, iterator=iterator, data_batch=data_batch)

    trainer._maybe_symbolic_build = _maybe_symbolic_build


def _first_local_batch(iterator, strategy):
    """A batch of this worker's first replica; only its shapes are needed."""
    adapter = getattr(iterator, "data_adapter", None)
    dataset = adapter.get_tf_dataset() if adapter is not None else None
    if getattr(dataset, "one_worker_only", False):
        return dataset.first_batch()  # the iterator would read ahead, in a short epoch to its end
    for _, _, batches in iterator:
        return keras.tree.map_structure(lambda v: strategy.experimental_local_results(v)[0], next(batches))


def _mend_reduction(module):
    original = module.reduce_per_replica

    def reduce_per_replica(values, strategy, reduction):
        if reduction in ("auto", "mean") and _multi_worker(strategy):
            return keras.tree.map_structure(lambda v: strategy.reduce("MEAN", v, axis=None), values)
        return original(values, strategy, reduction)

    module.reduce_per_replica = reduce_per_replica


def _mend_several_steps(trainer):
    original = trainer._make_function

    def _make_function(self, step_function):
        make = functools.partial(original, self, step_function)
        if self.steps_per_execution == 1 or not _multi_worker(self.distribute_strategy):
            return make()
        count, one = self.steps_per_execution, make()
        current, left = None, 0

        def function(iterator):
            nonlocal current, left
            if iterator is not current:  # a step beyond the end fails, but may have counted already
                current, size = iterator, int(getattr(iterator, "_cardinality", -1))
                left = size if size >= 0 else float("inf")
            if not left:
                raise StopIteration
            self.steps_per_execution = 1  # what `one` looks at when it is traced
            try:
                for _ in range(min(count, left)):
                    outputs = one(iterator)
            finally:
                self.steps_per_execution = count
            left -= min(count, left)
            return outputs

        return function

    trainer._make_function = _make_function


class _Summed(list):
    """Gradients that are those of all replicas already."""


def _mend_clipping(optimizer):
    clip, update = optimizer._clip_gradients, optimizer._backend_update_step

    def _clip_gradients(self, grads):
        context = tf.distribute.get_replica_context()
        clips = any(x is not None for x in (self.clipnorm, self.global_clipnorm, self.clipvalue))
        if not clips or context is None or context.num_replicas_in_sync == 1:
            return clip(self, grads)
        return _Summed(clip(self, context.all_reduce(tf.distribute.ReduceOp.SUM, list(grads))))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if not isinstance(grads, _Summed):
            return update(self, grads, trainable_variables, learning_rate)
        variables = [getattr(v, "value", v) for v in trainable_variables]
        tf.__internal__.distribute.interim.maybe_merge_call(
            self._distributed_tf_update_step,
            self._distribution_strategy,
            list(zip(grads, variables, strict=True)),
            learning_rate,
        )

    optimizer._clip_gradients, optimizer._backend_update_step = _clip_gradients, _backend_update_step


def _mend_accumulation(optimizer):
    apply = optimizer._backend_apply_gradients

    def _backend_apply_gradients(self, grads, trainable_variables):
        context, steps = tf.distribute.get_replica_context(), self.gradient_accumulation_steps
        if not steps or context is None or context.num_replicas_in_sync == 1:
            return apply(self, grads, trainable_variables)
        if self.ema_overwrite_frequency:
            raise ValueError(
                "Gradient accumulation and `ema_overwrite_frequency` do not go together on several replicas. Received: "
                f"gradient_accumulation_steps={steps}, ema_overwrite_frequency={self.ema_overwrite_frequency}. Leave "
                "the latter out; the average is put into the model when training ends."
            )
        sums = [self._accumulated_gradients[self._get_variable_index(v)] for v in trainable_variables]

        def update(grads):
            means = self._clip_gradients([(g + s) / steps for g, s in zip(grads, sums, strict=True)])
            self._apply_weight_decay(trainable_variables)
            self._backend_update_step(means, trainable_variables, self.learning_rate)
            self._backend_reset_gradient_accumulators()

        def accumulate(grads):
            self._backend_increment_gradient_accumulators(grads, sums)

        _replicas_tensorflow.choose((self._iterations + 1) % steps == 0, update, accumulate, (list(grads),))
        if self.use_ema:
            self._update_model_variables_moving_average(self._trainable_variables)

    optimizer._backend_apply_gradients = _backend_apply_gradients


def _keep_shares_whole(strategy):
    distribute = strategy.experimental_distribute_dataset

    def experimental_distribute_dataset(self, dataset, options=None):
        if getattr(dataset, "one_worker_only", False):
            return self.distribute_datasets_from_function(lambda context: dataset, options)
        return distribute(self, dataset, options)

    strategy.experimental_distribute_dataset = experimental_distribute_dataset


def _know_the_strategy(strategy):
    """`distribution` reaches the other processes through it, also where a script has made its own."""
    make = strategy.__init__

    @functools.wraps(make)
    def __init__(self, *args, **kwargs):
        make(self, *args, **kwargs)
        distribution.use(self)

    strategy.__init__ = __init__


def _explain_lost_processes(trainer):
    def explained(method):
        @functools.wraps(method)
        def call(self, *args, **kwargs):
            with distribution.lost_processes_explained():
                return method(self, *args, **kwargs)

        return call

    for name in ("fit", "evaluate", "predict"):
        setattr(trainer, name, explained(vars(trainer)[name]))


def _multi_worker(strategy):
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) and strategy.extended._in_multi_worker_mode()
