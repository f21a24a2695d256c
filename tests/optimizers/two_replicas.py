"""Two logical CPUs under MirroredStrategy train as one; a test runs this in a process of its own."""

import keras
import numpy as np
import tensorflow as tf

import s2s_keras.training  # noqa: F401  mends clipping and accumulation
from s2s_keras.optimizers import BackoffLossScale

X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = X @ np.array([[3.0], [-2.0], [1.0], [0.5]], "float32")
X[9, 2] = np.nan  # in the second batch, on the first replica only


def train(strategy, **arguments):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)])
        inner = keras.optimizers.Adam(0.05, **arguments)
        model.compile(BackoffLossScale(inner, maximum=1024.0), "mse")
    model.fit(X, Y, batch_size=8, epochs=3, verbose=0, shuffle=False)
    optimizer = model.optimizer
    numbers = [keras.ops.convert_to_numpy(v).item() for v in (optimizer.scale, optimizer.skipped, optimizer.iterations)]
    return [keras.ops.convert_to_numpy(w) for w in model.weights], numbers


def main():
    cpu, *_ = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for arguments in ({"global_clipnorm": 0.5}, {"clipvalue": 0.1}, {"gradient_accumulation_steps": 3}):
        (weights, numbers), (expected, same) = train(two, **arguments), train(tf.distribute.get_strategy(), **arguments)
        print(arguments, numbers, same, max(np.abs(a - b).max() for a, b in zip(weights, expected, strict=True)))
        assert numbers == same and numbers[1] == 3, (numbers, same)
        for a, b in zip(weights, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    print("equal")


if __name__ == "__main__":
    main()
