"""Log-mel features of a long recording, beside the libraries one would use instead.

    python benchmarks/log_mel.py [--backends tensorflow jax torch] [--seconds 60] [--threads 1] [--repeats 25] [--smoke]

The features are a recognizer's: peak gain, pre-emphasis, 64 mel bins, logarithm, every bin normalized over time. The
rows called "log-mel alone" leave out gain, pre-emphasis and normalization on both sides. Kaldi's own filters come with
pre-emphasis and without normalization. Each backend runs in a process of its own, together with the peers. Within a
process the contestants take turns; the table gives medians of process CPU time over all threads and, in brackets, the
least wall time. Compiling is not counted.
"""

import argparse
import importlib.util
import json

import _common
import numpy as np

BACKENDS = ("tensorflow", "jax", "torch")
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # of a single thread
SAMPLE_RATE, WINDOW, HOP, FFT, BINS = 16000, 320, 160, 512, 64
ALONE = {"gain": 1.0, "preemphasis": 0.0, "normalization": None}
SUFFIX = ", log-mel alone"
PEER = "librosa"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", default=[b for b in BACKENDS if importlib.util.find_spec(b)])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--smoke", action="store_true", help="one second, once: shows that the benchmark runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.seconds, arguments.repeats = 1.0, 1
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments)))
        return
    print(f"{arguments.seconds:g} s of audio, {arguments.threads} thread(s); ms of CPU time (wall)\n")
    print("| process | features | ms | / librosa's |\n|---|---|---|---|")
    for backend in arguments.backends:
        results = _common.measure_apart(backend, arguments.threads, XLA_FLAGS)
        for name, (cpu, wall) in results.items():
            peer = results[PEER + SUFFIX * name.endswith(SUFFIX)][0]
            print(f"| {backend} | {name} | {cpu:.1f} ({wall:.1f}) | {cpu / peer:.2f} |")


def measure(backend, arguments):
    """{name: (median CPU ms, least wall ms)} of one backend and the peers."""
    samples = round(SAMPLE_RATE * arguments.seconds)
    audio = (0.1 * np.random.default_rng(0).normal(size=samples)).astype("float32")
    contestants = {**librosa_contestants(audio), **optional_contestants(audio, arguments.threads)}
    contestants |= keras_contestants(backend, audio, arguments.threads)
    expected = contestants[PEER]()
    for name, step in contestants.items():
        if name.startswith("s2s_keras") and not name.endswith(SUFFIX):
            np.testing.assert_allclose(np.asarray(step())[0], expected.T, atol=2e-3, err_msg=name)
    return _common.take_turns(contestants, arguments.repeats)


def librosa_contestants(audio):
    import librosa

    window = np.hanning(WINDOW)

    def log_mel(samples):
        power = librosa.feature.melspectrogram(
            y=samples, sr=SAMPLE_RATE, n_fft=FFT, win_length=WINDOW, hop_length=HOP, window=window,
            pad_mode="reflect", n_mels=BINS,
        )  # fmt: skip
        return np.log(power + 1e-20)

    def features():
        samples = audio / (np.abs(audio).max() + 1e-5 / 32768)
        result = log_mel(librosa.effects.preemphasis(samples, coef=0.97, zi=np.zeros(1, "float32")))
        return (result - result.mean(axis=1, keepdims=True)) / result.std(axis=1, keepdims=True)

    return {PEER: features, PEER + SUFFIX: lambda: log_mel(audio)}


def optional_contestants(audio, threads):
    """torch.stft and kaldi-native-fbank, where they are installed."""
    contestants = {}
    if importlib.util.find_spec("torch"):
        contestants["torch.stft"] = torch_contestant(audio, threads)
    if importlib.util.find_spec("kaldi_native_fbank"):
        contestants["kaldi-native-fbank"] = kaldi_contestant(audio)
    return contestants


def torch_contestant(audio, threads):
    import librosa
    import torch

    torch.set_num_threads(threads)
    samples = torch.tensor(audio)
    window = torch.hann_window(WINDOW, periodic=False)
    filters = torch.tensor(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=FFT, n_mels=BINS))

    @torch.no_grad()
    def features():
        scaled = samples / (samples.abs().max() + 1e-5 / 32768)
        scaled = torch.cat([scaled[:1], scaled[1:] - 0.97 * scaled[:-1]])
        spectrum = torch.stft(scaled, FFT, HOP, WINDOW, window, center=True, return_complex=True)
        result = torch.log(filters @ torch.view_as_real(spectrum).square().sum(-1) + 1e-20)
        return (result - result.mean(1, keepdim=True)) / result.std(1, keepdim=True, correction=0)

    return features


def kaldi_contestant(audio):
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.frame_length_ms = 1000 * WINDOW / SAMPLE_RATE
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = BINS

    def features():
        online = kaldi_native_fbank.OnlineFbank(options)
        online.accept_waveform(SAMPLE_RATE, audio)
        online.input_finished()
        return np.stack([online.get_frame(index) for index in range(online.num_frames_ready)])

    return features


def keras_contestants(backend, audio, threads):
    from s2s_keras.layers import LogMelSpectrogram

    contestants = {}
    for suffix, options in (("", {}), (SUFFIX, ALONE)):
        layer = LogMelSpectrogram(BINS, **options)
        for setting, step in settings(backend, layer, audio[None], threads).items():
            contestants[f"s2s_keras, {setting}{suffix}"] = step
    return contestants


def settings(backend, layer, audio, threads):
    """{name: step} for every way this backend runs a layer."""
    lengths = np.array([audio.shape[1]], "int32")
    if backend == "tensorflow":
        import tensorflow as tf

        inputs = [tf.constant(audio), tf.constant(lengths)]
        signature = [[tf.TensorSpec((None, None)), tf.TensorSpec((None,), tf.int32)]]
        graph = tf.function(layer, input_signature=signature)
        compiled = tf.function(layer, jit_compile=True)
        return {"TensorFlow graph": lambda: graph(inputs).numpy(), "TensorFlow XLA": lambda: compiled(inputs).numpy()}
    if backend == "jax":
        import jax

        inputs = [jax.numpy.asarray(audio), jax.numpy.asarray(lengths)]
        compiled = jax.jit(lambda inputs: layer(inputs))
        return {"JAX": lambda: compiled(inputs).block_until_ready()}
    import torch

    torch.set_num_threads(threads)
    inputs = [torch.tensor(audio), torch.tensor(lengths)]
    return {"torch": torch.no_grad()(lambda: layer(inputs))}


if __name__ == "__main__":
    main()
