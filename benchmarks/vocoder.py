"""Speaking a spectrogram with Vocos, beside the same network in plain PyTorch, and Griffin-Lim.

    python benchmarks/vocoder.py [--backends tensorflow jax torch] [--variant VocosMini] [--seconds 10] [--threads 1]
        [--repeats 15] [--smoke]

One spectrogram in, audio out. Both have the same weights and the same output. Each backend runs in a process of its
own, together with PyTorch; within it the contestants take turns. The table gives medians of process CPU time over all
threads and, in brackets, the least wall time; the real-time factor is the former over the length of the audio.
Compiling is not counted.
"""

import argparse
import importlib.util
import json

import _common
import numpy as np

BACKENDS = ("tensorflow", "jax", "torch")
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # of a single thread
PEER = "PyTorch"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", default=[b for b in BACKENDS if importlib.util.find_spec(b)])
    parser.add_argument("--variant", default="VocosMini", choices=("Vocos", "VocosMini"))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--smoke", action="store_true", help="one second, once: shows that the benchmark runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.seconds, arguments.repeats = 1.0, 1
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments)))
        return
    print(f"{arguments.variant}, {arguments.seconds:g} s, {arguments.threads} thread(s); ms of CPU time (wall)\n")
    print("| process | | ms | / PyTorch | real-time factor |\n|---|---|---|---|---|")
    for backend in arguments.backends:
        results = _common.measure_apart(backend, arguments.threads, XLA_FLAGS)
        for name, (cpu, wall) in results.items():
            factor = cpu / 1000 / arguments.seconds
            print(f"| {backend} | {name} | {cpu:.1f} ({wall:.1f}) | {cpu / results[PEER][0]:.2f} | {factor:.4f} |")


def measure(backend, arguments):
    """{name: (median CPU ms, least wall ms)} of one backend and PyTorch."""
    import _vocos_torch
    import torch

    from s2s_keras import applications

    torch.set_num_threads(arguments.threads)
    model = getattr(applications, arguments.variant)()
    frames = 1 + round(arguments.seconds * model.sample_rate / model.hop_length)
    mel = np.random.default_rng(0).normal(-5.0, 2.0, (1, frames, model.num_mel_bins)).astype("float32")
    inputs = {"mel": mel, "mel_lengths": np.array([frames], "int32")}
    sizes = (model.num_mel_bins, model.hidden_dim, model.intermediate_dim, model.num_layers)
    network = _vocos_torch.Vocos(*sizes, model.fft_length, model.hop_length).eval()
    _vocos_torch.load(network, model)
    peer_input = torch.tensor((mel - np.float32(np.log(model.floor))).swapaxes(1, 2).copy())

    steps = {PEER: torch.inference_mode()(lambda: network(peer_input).numpy())}
    steps["Vocos, `predict_on_batch`"] = lambda: model.predict_on_batch(inputs)
    if model.num_mel_bins == 80:
        griffin_lim = applications.GriffinLim()
        steps["Griffin-Lim, 32 iterations"] = lambda: griffin_lim.predict_on_batch(inputs)
    peer, ours = (step() for step in list(steps.values())[:2])
    np.testing.assert_allclose(ours, peer, atol=1e-4 * np.abs(peer).max())
    return _common.take_turns(steps, arguments.repeats)


if __name__ == "__main__":
    main()
