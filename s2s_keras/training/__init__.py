"""What a toolkit gives for free around `fit`."""

from s2s_keras.training.callbacks import SamplePrinter as SamplePrinter
