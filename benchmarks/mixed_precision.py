"""Training samples per second in float32, mixed_float16 and mixed_bfloat16, beside plain PyTorch with autocast.

    python benchmarks/mixed_precision.py [--models Jasper10x5 QuartzNet15x5] [--contestants JAX PyTorch]
        [--precisions float32 mixed_float16 mixed_bfloat16] [--batch 32] [--seconds 15] [--steps 20] [--smoke]

Forward, CTC, backward, AdamW (which both have) on whatever device JAX and PyTorch find; meant for a GPU. Every
contestant and precision has a process of its own, one after the other, so that each has the device's memory for itself.
QuartzNet has no peer in plain PyTorch here. On an NVIDIA GPU float32 is true float32: TF32 is off on both sides unless
`--tf32` is given.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time

import _common
import numpy as np

CHARACTERS_PER_SECOND = 15  # of read English
LEARNING_RATE = 1e-4
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
MODELS = ("Jasper10x5", "QuartzNet15x5")
WARMUP = 3
TINY = (16, 3, 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--contestants", nargs="+", default=["JAX", "PyTorch"], choices=["JAX", "PyTorch"])
    parser.add_argument("--precisions", nargs="+", default=list(POLICIES), choices=POLICIES)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="a tiny network, once: shows that the benchmark runs")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.batch, arguments.seconds, arguments.steps = 1, 0.2, 1
        arguments.models, arguments.precisions = arguments.models[:1], ["mixed_bfloat16"]  # a CPU's float16 is slow
    if arguments.measure:
        print(json.dumps(measure(arguments, *arguments.measure)))
        return
    print("| | precision | samples/s | / its float32 | / PyTorch's | device |\n|" + "---|" * 6)
    for name in arguments.models:
        rates = {}
        for contestant in reversed(arguments.contestants):  # PyTorch first, for the ratio to it
            for precision in arguments.precisions:
                if contestant == "PyTorch" and name != "Jasper10x5":
                    continue
                rate, device = apart(name, contestant, precision)
                rates[contestant, precision] = rate
                peers = (contestant, "float32"), ("PyTorch", precision)
                ratios = " | ".join(f"{rate / rates[peer]:.2f}" if peer in rates else "" for peer in peers)
                print(f"| {name}, {contestant} | {precision} | {rate:.2f} | {ratios} | {device} |", flush=True)


def apart(name, contestant, precision):
    """Samples per second and the name of the device, measured in a process of its own."""
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    if "--tf32" not in sys.argv:
        environment["JAX_DEFAULT_MATMUL_PRECISION"] = "float32"
    command = [sys.executable, *sys.argv, "--measure", name, contestant, precision]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def measure(arguments, name, contestant, precision):
    """(samples per second, name of the device)."""
    features, lengths = _common.random_features(arguments.batch, arguments.seconds)
    shape = (arguments.batch, max(1, int(CHARACTERS_PER_SECOND * arguments.seconds)))
    labels = np.random.default_rng(1).integers(1, _common.VOCABULARY_SIZE, shape, "int32")
    if arguments.smoke:
        labels = labels[:, :3]
    make = jax_step if contestant == "JAX" else pytorch_step
    step, wait, device = make(arguments, name, precision, features, lengths, labels)
    for _ in range(1 if arguments.smoke else WARMUP):
        step()
    wait()
    start = time.perf_counter()
    for _ in range(arguments.steps):
        step()
    wait()
    return arguments.steps * arguments.batch / (time.perf_counter() - start), device


def jax_step(arguments, name, precision, features, lengths, labels):
    import jax
    import keras

    from s2s_keras import applications
    from s2s_keras.losses import CTC
    from s2s_keras.optimizers import BackoffLossScale

    keras.config.set_dtype_policy(precision)
    tiny = dict(blocks=(TINY,), repeat=1, prologue=TINY, epilogue=(TINY,)) if arguments.smoke else {}
    model = getattr(applications, name)(front_end=None, **tiny)
    optimizer = keras.optimizers.AdamW(LEARNING_RATE)
    model.compile(BackoffLossScale(optimizer) if precision == "mixed_float16" else optimizer, CTC(), jit_compile=True)
    inputs = {"features": jax.device_put(features), "feature_lengths": jax.device_put(lengths)}
    labels = jax.device_put(labels)

    def step():
        model.train_on_batch(inputs, labels)  # waits for the loss, as a loop that logs it

    return step, lambda: None, jax.devices()[0].device_kind


def pytorch_step(arguments, name, precision, features, lengths, labels):
    import torch
    from _jasper_torch import Jasper

    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arguments.tf32
    torch.backends.cudnn.benchmark = True
    blocks = (TINY,) if arguments.smoke else tuple(block for block in _common.BLOCKS for _ in range(2))
    model = Jasper(blocks, 1 if arguments.smoke else 5, dense=True).train().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, fused=gpu)
    scaler = torch.amp.GradScaler(device.type, enabled=gpu and precision == "mixed_float16")
    features, labels = torch.tensor(features, device=device), torch.tensor(labels, device=device)
    label_lengths = torch.full((len(labels),), labels.shape[1])
    frames = torch.tensor(-(-lengths // 2))
    if precision == "float32":
        autocast = contextlib.nullcontext
    else:
        half = torch.float16 if precision == "mixed_float16" else torch.bfloat16

        def autocast():
            return torch.autocast(device.type, dtype=half)

    def step():
        with autocast():
            logits = model(features)
        log_probs = logits.float().log_softmax(-1).transpose(0, 1)
        loss = torch.nn.functional.ctc_loss(log_probs, labels, frames, label_lengths, reduction="sum") / len(labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        return loss.item()

    wait = torch.cuda.synchronize if gpu else lambda: None
    return step, wait, torch.cuda.get_device_name() if gpu else "cpu"


if __name__ == "__main__":
    main()
