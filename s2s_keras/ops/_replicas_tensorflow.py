"""The part of `replicas` that only TensorFlow's distribution strategies need."""

import tensorflow as tf


def total(x):
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return x
    return context.all_reduce(tf.distribute.ReduceOp.SUM, x)


def apply_if(condition, optimizer, grads, variables):
    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        _cond(condition, lambda: optimizer.apply(grads, variables))
        return

    def across_replicas(strategy, condition, grads, variables):
        # The condition is the same on every replica. An optimizer merges the replicas to update a mirrored variable,
        # and cannot do that inside a `tf.cond` of one replica: the condition has to be asked outside.
        condition = strategy.experimental_local_results(condition)[0]
        apply = optimizer.apply
        _cond(condition, lambda: strategy.extended.call_for_each_replica(apply, args=(grads, variables)))

    tf.distribute.get_replica_context().merge_call(across_replicas, args=(condition, grads, variables))


def _cond(condition, function):
    def updated():
        function()
        return tf.constant(True)

    tf.cond(condition, updated, lambda: tf.constant(False))
