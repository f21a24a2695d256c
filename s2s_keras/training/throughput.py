"""How fast a recipe trains."""

import contextlib
import resource
import time
from pathlib import Path

import keras

from s2s_keras.training import distribution
from s2s_keras.training.recipe import Recipe, load_recipe
from s2s_keras.training.runner import compile_model, dtype_policy, for_fit


def benchmark(recipe, steps=20, warmup=10):
    """Measures training as `train` does it, data and all, but without callbacks, validation and a folder.

    A backend that compiles does so once per shape: let `warmup` be long enough for every bucket of the data to come by,
    or look at "slowest_step".

    Args:
        recipe: `Recipe`, or str or path of its file or of a run's folder.
        steps: int, steps that are measured. Default 20.
        warmup: int, steps before them. Default 10.

    Returns:
        Dict: "steps_per_second"; "items_per_second", examples of all processes together; "audio_seconds_per_second",
        real audio without padding, where the data are a `SpeechDataset`; "slowest_step" in seconds; "peak_memory", the
        most that the process held after the warm-up, in bytes; "device_memory", the same of the first GPU, where there
        is one and the backend tells; and "processes".

    Raises:
        ValueError: `steps` or `warmup` is below 1.

    Example:

    >>> import numpy as np
    >>> class Line(Recipe):
    ...     def model(self):
    ...         return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    ...     def training_data(self, model):
    ...         return Points()
    ...     def loss(self):
    ...         return "mse"
    >>> class Points(keras.utils.PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return np.ones((2, 1), "float32"), np.ones((2, 1), "float32")
    >>> result = benchmark(Line(batch_size=2), steps=4, warmup=1)
    >>> round(result["items_per_second"] / result["steps_per_second"], 3)
    2.0

    Reference: OpenSeq2Seq's `--benchmark` with `--bench_steps` and `--bench_start`.
    """
    if steps < 1 or warmup < 1:
        raise ValueError(f"At least one step is measured, after one or more. Received: {steps} after {warmup}.")
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    distribution.connect()
    with dtype_policy(recipe.dtype_policy):
        keras.utils.set_random_seed(recipe.seed)
        with distribution.scope():
            model = recipe.model()
        training = recipe.training_data(model)
        compile_model(recipe, model, len(training))
        clock = _Clock(warmup, steps)
        epochs = -(-(warmup + steps) // len(training))
        shuffle = not hasattr(training, "for_fit")
        model.fit(for_fit(training), epochs=epochs, callbacks=[clock], verbose=0, shuffle=shuffle)
    items, audio = _work(recipe, training, range(warmup, warmup + steps))
    result = {
        "steps_per_second": steps / clock.seconds,
        "items_per_second": items / clock.seconds,
        "audio_seconds_per_second": audio and audio / clock.seconds,
        "slowest_step": clock.slowest,
        "peak_memory": clock.peak_memory,
        "device_memory": clock.device_memory,
        "processes": distribution.process_count(),
    }
    return {key: value for key, value in result.items() if value is not None}


class _Clock(keras.callbacks.Callback):
    """Times steps; reading the loss at both ends waits for what a backend has queued."""

    def __init__(self, warmup, steps):
        super().__init__()
        self.warmup, self.steps = warmup, steps
        self.done, self.slowest = 0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        if self.done == self.warmup:
            float(logs["loss"])
            _forget_peak()
            self.start = self.last = time.perf_counter()
        elif self.done > self.warmup:
            if self.done == self.warmup + self.steps:
                float(logs["loss"])
                self.seconds = time.perf_counter() - self.start
                self.peak_memory, self.device_memory = _peak_memory(), _device_memory()
                self.model.stop_training = True
            now = time.perf_counter()
            self.slowest, self.last = max(self.slowest, now - self.last), now


def _work(recipe, training, steps):
    """Examples and seconds of audio of all processes in these steps; no seconds where the data do not say."""
    if not hasattr(training, "plan"):
        return recipe.batch_size * len(steps) * distribution.process_count(), None
    items, seconds, plan = 0, 0.0, training.plan
    for epoch in range(steps.stop // len(training) + 1):
        for index, utterances in enumerate(plan.global_batches(epoch)):
            if epoch * len(training) + index in steps:
                items += len(utterances)
                seconds += float(plan.durations[utterances].sum())
    return items, seconds


def _forget_peak():
    """Lets Linux count the peak of memory from here on; elsewhere it stays that of the whole process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory():
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _device_memory():
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    if backend == "torch":
        import torch

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"] if tf.config.list_physical_devices("GPU") else None
