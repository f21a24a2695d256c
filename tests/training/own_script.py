"""What a user's own script may look like; tests run it in several processes.

Arguments: folder for results, dtype policy, batch size of a process, epochs.
"""

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np

import s2s_keras.training
from s2s_keras.applications import Jasper
from s2s_keras.data import load_manifest, speech_dataset
from s2s_keras.layers import LogMelSpectrogram
from s2s_keras.losses import CTC
from s2s_keras.metrics import WordErrorRate
from s2s_keras.optimizers import BackoffLossScale
from s2s_keras.training import distribution

CLIPS = Path(s2s_keras.__file__).parent / "presets" / "clips" / "manifest.jsonl"


def build(steps_per_execution):
    model = Jasper(
        prologue=((24, 5, 0.0),),
        blocks=((24, 5, 0.0),),
        epilogue=((32, 1, 0.0),),
        repeat=1,
        residual="plain",
        front_end=LogMelSpectrogram(num_mel_bins=16, dither=0.0),  # dither is noise, another on every process
    )
    optimizer = keras.optimizers.SGD(1e-3, momentum=0.9, global_clipnorm=20.0)
    metrics = [WordErrorRate(model.tokenizer)]
    model.compile(BackoffLossScale(optimizer), CTC(), metrics=metrics, steps_per_execution=steps_per_execution)
    return model


def main(folder, policy, batch_size, epochs):
    if keras.backend.backend() == "tensorflow" and "TF_CONFIG" in os.environ:
        import tensorflow as tf

        scope = tf.distribute.MultiWorkerMirroredStrategy().scope()
    else:
        distribution.connect()
        scope = distribution.scope()
    count, index = distribution.process_count(), distribution.process_index()
    keras.utils.set_random_seed(3)
    keras.mixed_precision.set_global_policy(policy)
    with scope:
        model = build(steps_per_execution=2 if count > 1 else 1)

    def dataset(**arguments):
        return speech_dataset(
            load_manifest(CLIPS),
            model.tokenizer,
            int(batch_size),
            num_shards=count,
            shard_index=index,
            pad_to_boundary=True,
            cache=True,
            **arguments,
        )

    train, dev = dataset(shuffle=True, seed=5), dataset()
    history = model.fit(
        train.for_fit(),
        validation_data=dev.for_fit(),
        epochs=int(epochs),
        verbose=0,
        shuffle=False,
    ).history
    scores = model.evaluate(dev.for_fit(), verbose=0, return_dict=True)
    predicted = model.predict(dev.for_fit(), verbose=0) if keras.backend.backend() == "tensorflow" else np.zeros(0)
    flags = [distribution.any_process(flag) for flag in (index == count - 1, False)]
    values = [keras.ops.convert_to_numpy(v) for v in (model.optimizer.scale, model.optimizer.skipped)]
    np.savez(f"{folder}/weights.{index}.npz", *map(keras.ops.convert_to_numpy, model.weights))
    result = {"history": history, "scores": scores, "predicted": list(predicted.shape), "flags": flags}
    result["scale"], result["skipped"] = map(float, values)
    Path(folder, f"result.{index}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
