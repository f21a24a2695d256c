"""ResNet-50 v2 beside keras.applications and plain PyTorch: inference, or a training step with momentum.

    python benchmarks/resnet50.py [--task inference|training] [--contestants NAME ...] [--threads 2] [--rounds 5]
        [--batch 8] [--size 224] [--smoke]

Every contestant has a process of its own and they take turns. The first step, with compilation, is not counted; the
column "start" has it, with imports and building the model. ResNet50V2 of keras.applications strides later than the
original and ours, and has 15 % less to compute; `layout="keras"` here is the same network.
"""

import math

import _common
import numpy as np

BACKENDS = ("JAX", "TensorFlow XLA", "TensorFlow graph", "TensorFlow graph, oneDNN", "Keras on torch")
PEER = "keras.applications, "
SAME = "layout=keras, "
BLOCKS = (3, 4, 6, 3)

_common.SETTINGS |= {prefix + name: _common.SETTINGS[name] for prefix in (PEER, SAME) for name in BACKENDS}


def main():
    names = ("JAX", "TensorFlow graph, oneDNN")
    contestants = (_common.PYTORCH, *(prefix + name for name in names for prefix in ("", SAME, PEER)))
    arguments = _common.parse(__doc__.split("\n")[0], contestants, task="inference", batch=8, size=224)
    if arguments.smoke:
        arguments.batch, arguments.size = 1, 32
    if not arguments.measure:
        print_ratios(_common.compare(arguments))
        return
    pixels = np.random.default_rng(0).uniform(0, 255, (arguments.batch, arguments.size, arguments.size, 3))
    classes = np.random.default_rng(1).integers(0, 1000, arguments.batch)
    make = pytorch if arguments.measure == _common.PYTORCH else ours
    step, parameters, gflop = make(arguments, pixels.astype("float32"), classes)
    forward_and_backward = 3 if arguments.task == "training" else 1
    _common.serve(step, {"parameters": parameters, "gflop": forward_and_backward * arguments.batch * gflop})


def print_ratios(contestants):
    """To keras.applications on the same backend, of the least times."""
    for name, contestant in contestants.items():
        peer = contestants.get(PEER + name.removeprefix(SAME))
        if peer is not None and peer is not contestant:
            ratios = [min(contestant.times[clock]) / min(peer.times[clock]) for clock in ("wall", "cpu")]
            print(f"{name} / keras.applications: wall {ratios[0]:.2f}, CPU {ratios[1]:.2f}")


def pytorch(arguments, pixels, classes):
    import torch
    from _resnet_torch import ResNet50

    torch.set_num_threads(arguments.threads)
    model = ResNet50((1, 1, 1, 1) if arguments.smoke else BLOCKS).to(memory_format=torch.channels_last)
    operations, hooks = [], []
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            count = lambda layer, _, y: operations.append(layer.weight.numel() * y[0, 0].numel())  # noqa: E731
            hooks.append(layer.register_forward_hook(count))
    pixels = torch.tensor(pixels.transpose(0, 3, 1, 2)).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        model.eval()(pixels[:1])
    for hook in hooks:
        hook.remove()
    facts = sum(p.numel() for p in model.parameters()), 2e-9 * sum(operations)
    if arguments.task == "inference":

        @torch.inference_mode()
        def infer():
            return model(pixels).numpy()

        return infer, *facts
    optimizer = torch.optim.SGD(model.train().parameters(), 0.01, momentum=0.9)
    classes = torch.tensor(classes)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(pixels), classes)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, *facts


def ours(arguments, pixels, classes):
    import keras

    from s2s_keras.applications import ResNet50

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(arguments.threads)
    shape, name = pixels.shape[1:], arguments.measure
    if name.startswith(PEER):
        pixels = pixels / 127.5 - 1.0
        model = keras.applications.ResNet50V2(weights=None, input_shape=shape, classifier_activation=None)
    else:
        layout = "keras" if name.startswith(SAME) else "original"
        blocks = (1, 1, 1, 1) if arguments.smoke else BLOCKS
        model = ResNet50(blocks, image_shape=shape, num_classes=1000, layout=layout)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss, jit_compile=name.endswith(("JAX", "XLA")))
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    operations = sum(math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3]) for layer in convolutions)
    facts = sum(math.prod(weight.shape) for weight in model.trainable_weights), 2e-9 * operations
    if arguments.task == "inference":
        return lambda: model.predict_on_batch(pixels), *facts
    return lambda: model.train_on_batch(pixels, classes), *facts


if __name__ == "__main__":
    main()
