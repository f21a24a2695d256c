"""Jasper 10x5 inference beside plain PyTorch: features of a recording in, logits out.

    python benchmarks/jasper_inference.py [--contestants NAME ...] [--threads 2] [--rounds 5] [--seconds 15]
        [--blocks 10] [--repeat 5] [--smoke]

Every contestant has a process of its own and they take turns. The first step, with compilation, is not counted; the
column "start" has it, with imports and building the model.
"""

import math

import _common


def main():
    contestants = (_common.PYTORCH, "JAX", "TensorFlow XLA")
    arguments = _common.parse(__doc__.split("\n")[0], contestants, seconds=15.0, batch=1, blocks=10, repeat=5)
    if arguments.smoke:
        arguments.seconds, arguments.blocks, arguments.repeat = 0.5, 1, 1
    if not arguments.measure:
        _common.compare(arguments)
        return
    blocks = tuple(block for block in _common.BLOCKS for _ in range(2))[: arguments.blocks]
    features, lengths = _common.random_features(arguments.batch, arguments.seconds)
    make = pytorch if arguments.measure.startswith(_common.PYTORCH) else ours
    step, parameters = make(arguments, blocks, features, lengths)
    gflop = len(features) * _common.gflop(blocks, arguments.repeat, True, features.shape[1])
    _common.serve(step, {"parameters": parameters, "gflop": gflop})


def pytorch(arguments, blocks, features, lengths):
    """No mask: a single recording has no padding."""
    import torch
    from _jasper_torch import Jasper

    torch.set_num_threads(arguments.threads)
    model = Jasper(blocks, arguments.repeat, dense=True).eval()
    parameters = sum(p.numel() for p in model.parameters())
    if "compile" in arguments.measure:
        model = torch.compile(model)
    features = torch.tensor(features)

    @torch.inference_mode()
    def step():
        return model(features).numpy()

    return step, parameters


def ours(arguments, blocks, features, lengths):
    import keras

    from s2s_keras.applications import Jasper

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(arguments.threads)
    model = Jasper(blocks, arguments.repeat, front_end=None)
    model.compile(jit_compile=arguments.measure in ("JAX", "TensorFlow XLA"))
    inputs = {"features": features, "feature_lengths": lengths}
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return lambda: model.predict_on_batch(inputs), parameters


if __name__ == "__main__":
    main()
