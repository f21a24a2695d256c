"""How close vocoders come to real recordings.

    python recipes/measure_vocoder.py ../shared/data/tts_en_kathleen/manifest_dev.jsonl vocos_mini_kathleen_en

Every recording is spoken from its spectrogram, by each preset or run and by Griffin-Lim. The columns are means over
recordings: the mean absolute difference of log-mel spectrograms; `MultiResolutionSpectrum`; and how much more periodic
voiced frames have become (highest normalized autocorrelation at a lag of 45 to 267 samples, where the real one's is
above 0.8; less than 0 is rough).
"""

import argparse

import keras
import numpy as np

from s2s_keras.applications import GriffinLim
from s2s_keras.data import load_manifest
from s2s_keras.layers import MelSpectrogram
from s2s_keras.losses import MultiResolutionSpectrum
from s2s_keras.ops.audio import load_audio
from s2s_keras.training import load_model

WINDOW, LEAST_LAG, MOST_LAG = 640, 45, 267  # samples at 16 kHz: 60 to 355 Hz
VOICED = 0.8


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manifest")
    parser.add_argument("models", nargs="+", metavar="PRESET_OR_RUN")
    parser.add_argument("--iterations", type=int, default=60, help="of Griffin-Lim")
    arguments = parser.parse_args()
    vocoders = {name: load_model(name) for name in arguments.models}
    vocoders["Griffin-Lim"] = GriffinLim(num_iterations=arguments.iterations)
    rate, hop = vocoders["Griffin-Lim"].sample_rate, vocoders["Griffin-Lim"].hop_length
    recordings = [load_audio(utterance.audio, rate) for utterance in load_manifest(arguments.manifest)]
    recordings = [audio[: len(audio) // hop * hop] for audio in recordings]  # as long as what is made of them
    real = spectrograms(recordings)
    print("| | log-mel difference | spectrum | periodicity |\n|---|---|---|---|")
    for name, vocoder in vocoders.items():
        made = vocoder.vocode(real)
        mel = np.mean([np.abs(a - b).mean() for a, b in zip(spectrograms(made), real, strict=True)])
        spectrum = float(MultiResolutionSpectrum(rate)(padded(recordings), padded(made)))
        change = np.mean([periodicity_change(*pair) for pair in zip(recordings, made, strict=True)])
        print(f"| {name} | {mel:.3f} | {spectrum:.3f} | {change:+.3f} |", flush=True)


def padded(recordings):
    """One array (N, S) of recordings, silence behind each."""
    audio = np.zeros((len(recordings), max(map(len, recordings))), "float32")
    for row, recording in zip(audio, recordings, strict=True):
        row[: len(recording)] = recording
    return audio


def spectrograms(recordings):
    """The log-mel spectrogram (T, 80) of each."""
    layer, lengths = MelSpectrogram(), np.array([len(audio) for audio in recordings], "int32")
    mels = keras.ops.convert_to_numpy(layer([padded(recordings), lengths]))
    return [mel[: 1 + length // layer.hop_length] for mel, length in zip(mels, lengths, strict=True)]


def periodicity_change(real, made):
    real, made = periodicity(real), periodicity(made)
    return np.mean((made - real)[real > VOICED])


def periodicity(audio, hop=256):
    """The highest normalized autocorrelation of each frame."""
    best = []
    for start in range(0, len(audio) - WINDOW - MOST_LAG, hop):
        x = audio[start : start + WINDOW + MOST_LAG]
        energies = np.convolve(np.square(x), np.ones(WINDOW), "valid")
        correlation = np.correlate(x, x[:WINDOW], "valid") / np.sqrt(energies * energies[0] + 1e-6)
        best.append(correlation[LEAST_LAG:].max())
    return np.array(best)


if __name__ == "__main__":
    main()
