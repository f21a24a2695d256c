"""What `processes.py` trains: a small Jasper on seconds of noise, so that every step is the same work."""

import os

# A core for each process, chosen before a backend starts its threads: XLA takes all that it may.
CORES = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, {CORES[int(os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", 0)) % len(CORES)]})

import keras  # noqa: E402
import numpy as np  # noqa: E402

from s2s_keras.applications import Jasper  # noqa: E402
from s2s_keras.training import Recipe  # noqa: E402

SAMPLE_RATE = 16000


class Noise(keras.utils.PyDataset):
    def __init__(self, batch_size, seconds):
        super().__init__()
        audio = np.random.default_rng(0).normal(scale=0.1, size=(batch_size, int(seconds * SAMPLE_RATE)))
        lengths = np.full(batch_size, audio.shape[1], "int32")
        labels = np.random.default_rng(1).integers(1, 29, (batch_size, int(4 * seconds)))
        self.batch = {"audio": audio.astype("float32"), "audio_lengths": lengths}, labels.astype("int32")

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        return self.batch

    def for_fit(self):
        if keras.backend.backend() != "tensorflow":
            return self
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensors(self.batch).repeat(len(self))
        dataset.one_worker_only = True  # as datasets of several shards say themselves
        dataset.first_batch = lambda: self.batch
        return dataset


class Scaling(Recipe):
    batch_size = 8
    seconds: float = 12.0
    filters: int = 384

    def model(self):
        def block(filters, kernel_size):
            return (filters, kernel_size, 0.0)

        return Jasper(
            prologue=(block(self.filters // 2, 11), block(self.filters // 2, 7)),
            blocks=(block(self.filters, 5),) * 3,
            epilogue=(block(self.filters, 1),),
            repeat=2,
            residual="plain",
        )

    def training_data(self, model):
        return Noise(self.batch_size, self.seconds)

    def metrics(self, model):
        return []
