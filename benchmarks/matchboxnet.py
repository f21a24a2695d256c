"""MatchboxNet-3x2x64 beside plain PyTorch: features of a second in, classes out; or a training step with Adam.

    python benchmarks/matchboxnet.py [--step inference|training] [--contestants NAME ...] [--threads 1] [--rounds 15]
        [--batch 64] [--repeat 4] [--smoke]

Every contestant has a process of its own and they take turns; a turn is `--repeat` steps. The first one, with
compilation, is not counted. Recordings are of one length, so PyTorch needs no mask.
"""

import math

import _common
import numpy as np


def main():
    contestants = (_common.PYTORCH, "TensorFlow graph, oneDNN", "TensorFlow XLA", "JAX")
    arguments = _common.parse(__doc__.split("\n")[0], contestants, step="inference", batch=64, repeat=4)
    if arguments.step not in ("inference", "training"):
        raise SystemExit(f"--step is inference or training. Received: {arguments.step}.")
    if arguments.smoke:
        arguments.batch, arguments.repeat = 2, 1
    if not arguments.measure:
        _common.compare(arguments)
        return
    features, lengths = _common.random_features(arguments.batch, 1.0)
    classes = np.random.default_rng(1).integers(0, 35, arguments.batch)
    make = pytorch if arguments.measure.startswith(_common.PYTORCH) else ours
    step, parameters, gflop = make(arguments, features, lengths, classes)

    def turn():
        for _ in range(arguments.repeat):
            step()

    passes = arguments.repeat * (3 if arguments.step == "training" else 1)
    _common.serve(turn, {"parameters": parameters, "gflop": passes * gflop})


def pytorch(arguments, features, lengths, classes):
    import torch
    from _matchboxnet_torch import MatchboxNet

    torch.set_num_threads(arguments.threads)
    model = MatchboxNet()
    parameters = sum(p.numel() for p in model.parameters())
    features, classes = torch.tensor(features), torch.tensor(classes)
    if arguments.step == "inference":
        model.eval()

        def step():
            with torch.inference_mode():
                return model(features).numpy()

    else:
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)

        def step():
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(features), classes)
            loss.backward()
            optimizer.step()
            return loss.item()

    return step, parameters, gflop_of(parameters, features.shape)


def ours(arguments, features, lengths, classes):
    import keras

    from s2s_keras.applications import MatchboxNet3x2x64

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(arguments.threads)
    model = MatchboxNet3x2x64(num_classes=35, front_end=None)
    jit_compile = arguments.measure in ("JAX", "TensorFlow XLA")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=jit_compile)
    inputs = {"features": features, "feature_lengths": lengths}
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    gflop = gflop_of(parameters, features.shape)
    if arguments.step == "inference":
        return lambda: model.predict_on_batch(inputs), parameters, gflop
    return lambda: model.train_on_batch(inputs, classes), parameters, gflop


def gflop_of(parameters, shape):
    """Every weight but those of the normalizations meets every frame; these few are not told apart."""
    return 2e-9 * parameters * shape[0] * shape[1]


if __name__ == "__main__":
    main()
