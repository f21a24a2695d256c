"""Two devices of one JAX process transform their own rows each; a test runs this in a process that has two."""

import jax
import keras
import numpy as np

from s2s_keras.layers import LogMelSpectrogram

AUDIO = np.random.default_rng(0).normal(scale=0.1, size=(4, 4000)).astype("float32")
LENGTHS = np.array([4000, 3000, 100, 0], "int32")


def main():
    front_end = LogMelSpectrogram(dither=0.0)
    expected = np.asarray(front_end([AUDIO, LENGTHS]))
    distribution = keras.distribution.DataParallel(devices=jax.devices())
    keras.distribution.set_distribution(distribution)
    rows = jax.sharding.NamedSharding(distribution.device_mesh.backend_mesh, jax.sharding.PartitionSpec("batch"))
    inputs = [jax.device_put(x, rows) for x in (AUDIO, LENGTHS)]
    compiled = jax.jit(lambda *inputs: front_end(list(inputs))).lower(*inputs).compile()
    np.testing.assert_allclose(np.asarray(compiled(*inputs)), expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(np.asarray(front_end([AUDIO[:3], LENGTHS[:3]])), expected[:3], rtol=0, atol=1e-4)
    transforms = [line for line in compiled.as_text().splitlines() if " fft(" in line]
    assert transforms and all(" c64[2," in line for line in transforms), transforms  # two of four rows
    print("own rows only")


if __name__ == "__main__":
    main()
