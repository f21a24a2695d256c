"""The part of `replicas` that only TensorFlow's distribution strategies need."""

import tensorflow as tf


def several():
    """Whether this code runs on one of several replicas."""
    context = tf.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1


def total(x):
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, x)


def choose(condition, yes, no, args):
    """Calls one of two functions on every replica; the condition is the same on all."""
    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        _cond(condition, lambda: yes(*args), lambda: no(*args))
        return

    def across_replicas(strategy, condition, *args):
        # An optimizer merges the replicas to update a mirrored variable, and cannot do that inside a `tf.cond` of one
        # replica: the condition has to be asked outside.
        condition = strategy.experimental_local_results(condition)[0]
        each = strategy.extended.call_for_each_replica
        _cond(condition, lambda: each(yes, args=args), lambda: each(no, args=args))

    tf.distribute.get_replica_context().merge_call(across_replicas, args=(condition, *args))


def _cond(condition, yes, no):
    def done(function):
        def call():
            function()
            return tf.constant(True)

        return call

    tf.cond(condition, done(yes), done(no))
