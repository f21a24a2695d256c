"""Latency and speed of streaming, exact and from a window, beside the whole recording at once.

    KERAS_BACKEND=jax python benchmarks/streaming.py
    KERAS_BACKEND=jax python benchmarks/streaming.py --manifest ../shared/data/an4/manifest_test.jsonl

"latency" is from a sound to its logits, without computation: half a frame of the front end, the step, and what the
network looks ahead. "step" is how long the computation of a step takes (median and 95th percentile), "rtf" all
computation per second of audio. The window is that of the preset; the causal network has its shape, fresh weights and
fixed statistics. With a manifest, the word error rates of the windows and of whole recordings are told instead.
"""

import argparse
import time

import numpy as np

RATE = 16000
WINDOWS = (0.2, 1.2), (0.2, 2.4), (0.4, 2.4)  # seconds of a step, and on either side of it


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio")
    parser.add_argument("--preset", default="jasper_small_an4_en")
    parser.add_argument("--manifest", help="recordings and their texts")
    parser.add_argument("--smoke", action="store_true", help="five seconds: shows that the benchmark runs")
    arguments = parser.parse_args()
    import keras

    from s2s_keras.applications import Jasper

    if arguments.manifest:
        errors(Jasper.from_preset(arguments.preset), arguments.manifest)
        return
    seconds = 5.0 if arguments.smoke else arguments.seconds
    audio = np.random.default_rng(0).normal(0, 0.1, int(seconds * RATE)).astype("float32")
    preset = Jasper.from_preset(arguments.preset)
    front_end = preset.front_end.with_statistics([audio[: 2 * RATE]])
    config = {**preset.get_config(), "front_end": front_end, "causal": True, "name": "causal"}
    causal = Jasper.from_config(config)
    print(f"{keras.backend.backend()}, {preset.count_params():,} parameters, {seconds:.0f} s of audio")
    print(f"{'':40}{'latency':>9}{'step ms':>16}{'rtf':>8}")
    whole(preset, audio)
    for step in (0.16,) if arguments.smoke else (0.04, 0.16, 0.32):
        follow(f"causal, exact, {step} s at a time", causal.stream(step_seconds=step), audio, step)
    for step, context in WINDOWS[-1:] if arguments.smoke else WINDOWS:
        stream = preset.stream(step_seconds=step, context_seconds=context)
        follow(f"window, {step} s at a time, {context} s around", stream, audio, step)


def errors(model, manifest):
    from s2s_keras.data import load_manifest
    from s2s_keras.metrics import word_error_rate
    from s2s_keras.ops.audio import load_audio

    utterances = load_manifest(manifest)
    recordings = [load_audio(utterance.audio, RATE) for utterance in utterances]

    def tell(name, texts):
        score = word_error_rate([utterance.text for utterance in utterances], list(texts))
        print(f"{name:40}WER {100 * score.rate:.2f} %, {score.edits} of {score.reference_length} words", flush=True)

    tell("whole recording", [model.transcribe(audio) for audio in recordings])
    for step, context in WINDOWS:
        stream = model.stream(step_seconds=step, context_seconds=context)
        said = (" ".join(result.text for result in stream([audio]) if result.is_final) for audio in recordings)
        tell(f"window, {step} s at a time, {context} s around", said)


def whole(model, audio):
    model.transcribe(audio)
    start = time.perf_counter()
    model.transcribe(audio)
    rtf = (time.perf_counter() - start) / len(audio) * RATE
    print(f"{'whole recording':40}{len(audio) / RATE:8.2f}s{'':16}{rtf:8.4f}")


def follow(name, stream, audio, step):
    size, times = round(step * RATE), []
    stream.accept(audio[: 8 * RATE])  # compiles
    stream.finish()
    for start in range(0, len(audio) - size + 1, size):
        before = time.perf_counter()
        stream.accept(audio[start : start + size])
        times.append(time.perf_counter() - before)
    median, late = 1e3 * np.median(times), 1e3 * np.quantile(times, 0.95)
    print(f"{name:40}{stream.latency:8.2f}s{median:9.1f}{late:7.1f}{sum(times) / len(audio) * RATE:8.4f}")


if __name__ == "__main__":
    main()
