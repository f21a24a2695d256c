"""Tacotron 2 beside plain PyTorch: the decoder's free-running loop, or a teacher-forced training step with Adam.

    python benchmarks/tacotron2.py [--step decoding|training] [--contestants NAME ...] [--threads 1] [--rounds 9]
        [--batch 1] [--frames 128] [--tokens 64] [--smoke]

NVIDIA's network of 28 million parameters. Every contestant has a process of its own and they take turns; the first
turn, with compilation, is not counted. Sentences are of one length, so PyTorch needs no mask.
"""

import math

import _common
import numpy as np


def main():
    contestants = (_common.PYTORCH, "TensorFlow graph, oneDNN", "TensorFlow XLA", "JAX")
    options = {"step": "decoding", "batch": 1, "frames": 128, "tokens": 64}
    arguments = _common.parse(__doc__.split("\n")[0], contestants, **options)
    if arguments.step not in ("decoding", "training"):
        raise SystemExit(f"--step is decoding or training. Received: {arguments.step}.")
    if arguments.smoke:
        arguments.batch, arguments.frames, arguments.tokens = 1, 32, 16
    if not arguments.measure:
        _common.compare(arguments)
        return
    rng = np.random.default_rng(0)
    token_ids = rng.integers(1, 148, (arguments.batch, arguments.tokens)).astype("int32")
    mel = rng.normal(size=(arguments.batch, arguments.frames, 80)).astype("float32")
    make = pytorch if arguments.measure.startswith(_common.PYTORCH) else ours
    turn, parameters = make(arguments, token_ids, mel)
    passes = 3 if arguments.step == "training" else 1
    # Weights behind the encoder meet every frame; in free running those of the postnet wait.
    gflop = passes * 2e-9 * arguments.batch * arguments.frames * (18.2e6 if passes == 1 else 22.5e6)
    _common.serve(turn, {"parameters": parameters, "gflop": gflop})


def pytorch(arguments, token_ids, mel):
    import torch
    from _tacotron2_torch import Tacotron2
    from torch.nn import functional as F

    torch.set_num_threads(arguments.threads)
    model = Tacotron2()
    parameters = sum(p.numel() for p in model.parameters())
    token_ids, mel, ended = torch.tensor(token_ids).long(), torch.tensor(mel), torch.zeros(mel.shape[:2])
    if arguments.step == "decoding":
        model.eval()

        def turn():
            with torch.inference_mode():
                return model.decode(model.encode(token_ids), arguments.frames).numpy()

    else:
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)

        def turn():
            optimizer.zero_grad()
            before, after, stop = model(token_ids, mel)
            stopped = F.binary_cross_entropy_with_logits(stop, ended)
            loss = F.mse_loss(before, mel) + F.mse_loss(after, mel) + stopped
            loss.backward()
            optimizer.step()
            return loss.item()

    return turn, parameters


def ours(arguments, token_ids, mel):
    import keras

    from s2s_keras.applications import Tacotron2NVIDIA
    from s2s_keras.applications.speech_synthesizer import CHUNK
    from s2s_keras.losses import StopTokenCrossEntropy

    model = Tacotron2NVIDIA()
    jit_compile = arguments.measure in ("JAX", "TensorFlow XLA")
    losses = {"mel": "mse", "mel_postnet": "mse", "stop": StopTokenCrossEntropy()}
    model.compile(keras.optimizers.Adam(1e-3), losses, jit_compile=jit_compile)
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    if arguments.step == "training":
        inputs = {"token_ids": token_ids, "mel": mel, "mel_lengths": np.full(len(mel), mel.shape[1], "int32")}
        targets = {"mel": mel, "mel_postnet": mel, "stop": np.zeros(mel.shape[:2], "float32")}
        return lambda: model.train_on_batch(inputs, targets), parameters
    stages, prenet = model._stages, model.get_layer("decoder").prenet
    for stage in (stages.start, stages.steps):
        stage.compile(jit_compile=jit_compile)
    drawn = prenet.draw((CHUNK, 1), np.random.default_rng(0))

    def turn():
        state = stages.start.predict_on_batch({"token_ids": token_ids})
        for _ in range(arguments.frames // CHUNK):
            outputs, state = stages.steps.predict_on_batch({"state": state, "drawn": drawn})
        return outputs

    return turn, parameters


if __name__ == "__main__":
    main()
