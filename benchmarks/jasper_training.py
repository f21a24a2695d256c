"""A training step of Jasper 5x3 beside plain PyTorch: forward, CTC, backward, NovoGrad.

    python benchmarks/jasper_training.py [--contestants NAME ...] [--threads 2] [--rounds 5] [--seconds 8] [--batch 1]
        [--blocks 5] [--repeat 3] [--smoke]

Every contestant has a process of its own and they take turns. The first step, with compilation, is not counted; the
column "start" has it, with imports and building the model. Recordings are of one length, so PyTorch needs no mask.
"""

import math

import _common
import numpy as np

LEARNING_RATE = 0.01
CHARACTERS_PER_SECOND = 15  # of read English


def main():
    contestants = (_common.PYTORCH, "JAX", "TensorFlow graph, oneDNN")
    arguments = _common.parse(__doc__.split("\n")[0], contestants, seconds=8.0, batch=1, blocks=5, repeat=3)
    if arguments.smoke:
        arguments.seconds, arguments.blocks, arguments.repeat = 0.5, 1, 1
    if not arguments.measure:
        _common.compare(arguments)
        return
    blocks = _common.BLOCKS[: arguments.blocks]
    features, lengths = _common.random_features(arguments.batch, arguments.seconds)
    shape = (arguments.batch, math.ceil(CHARACTERS_PER_SECOND * arguments.seconds))
    labels = np.random.default_rng(1).integers(1, _common.VOCABULARY_SIZE, shape, "int32")
    make = pytorch if arguments.measure.startswith(_common.PYTORCH) else ours
    step, parameters = make(arguments, blocks, features, lengths, labels)
    forward = arguments.batch * _common.gflop(blocks, arguments.repeat, False, features.shape[1])
    _common.serve(step, {"parameters": parameters, "gflop": 3 * forward})


def pytorch(arguments, blocks, features, lengths, labels):
    import torch
    from _jasper_torch import Jasper, NovoGrad

    torch.set_num_threads(arguments.threads)
    model = Jasper(blocks, arguments.repeat, dense=False).train()
    parameters = sum(p.numel() for p in model.parameters())
    optimizer = NovoGrad(model.parameters(), LEARNING_RATE)
    forward = torch.compile(model) if "compile" in arguments.measure else model
    features, labels = torch.tensor(features), torch.tensor(labels)
    label_lengths = torch.full((len(labels),), labels.shape[1])
    frames = torch.tensor(-(-lengths // 2))

    def step():
        log_probs = forward(features).log_softmax(-1).transpose(0, 1)
        loss = torch.nn.functional.ctc_loss(log_probs, labels, frames, label_lengths, reduction="sum") / len(labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, parameters


def ours(arguments, blocks, features, lengths, labels):
    import keras

    from s2s_keras.applications import Jasper
    from s2s_keras.losses import CTC
    from s2s_keras.optimizers import NovoGrad

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(arguments.threads)
    model = Jasper(blocks, arguments.repeat, residual="plain", front_end=None)
    jit_compile = arguments.measure in ("JAX", "TensorFlow XLA")
    model.compile(NovoGrad(LEARNING_RATE), CTC(), jit_compile=jit_compile)
    inputs = {"features": features, "feature_lengths": lengths}
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return lambda: model.train_on_batch(inputs, labels), parameters


if __name__ == "__main__":
    main()
