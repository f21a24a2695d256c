"""What a trained classifier makes of a manifest: accuracy, confusions, a report."""

import functools
import time
from pathlib import Path

import keras
import numpy as np

from s2s_keras import __version__
from s2s_keras.applications import ImageClassifier
from s2s_keras.data import AudioReader, load_image_manifest, load_manifest
from s2s_keras.metrics import class_scores, confusion_matrix, top_k_accuracy
from s2s_keras.reports import Classified, classification_report
from s2s_keras.visualization import plot_confusion_matrix, plot_detection

_READ_AHEAD = 1024  # recordings in memory


def evaluate_classifier(
    model, manifest, batch_size=32, report=None, num_playable=20, title="Classification", facts=None
):
    """Measures a classifier on a manifest.

    Args:
        model: `SpeechClassifier` or `ImageClassifier`, with labels.
        manifest: str or path, recordings as `load_manifest` reads them, the class of each being its text; or pictures
            as `load_image_manifest` does.
        batch_size: int, recordings or pictures at a time.
        report: str, path or None, an HTML file to write, see `s2s_keras.reports.classification_report`.
        num_playable: int, how many errors of the report can be played or seen.
        title: str, of the report.
        facts: dict, of the report.

    Returns:
        Dict: "accuracy", a fraction; with more than five classes "top_5_accuracy"; of recordings "utterances",
        "seconds" of audio and "rtf", the time from the first file read to the last class, compilation included, as a
        fraction of it; of pictures "images" and "images_per_second"; and "recall", a dict from label to the share of
        its examples that was told (of classes that occur).

    Raises:
        ValueError: the model has no labels, an example is of another class, or a file cannot be read.
    """
    if model.labels is None:
        raise ValueError(
            f"The model {model.name} has no labels to compare the manifest's classes with. Build it with `labels`."
        )
    measure = _pictures if isinstance(model, ImageClassifier) else _recordings
    classes, probabilities, amount, examples = measure(model, manifest, batch_size)
    answers = probabilities.argmax(axis=1)
    matrix = confusion_matrix(classes, answers, model.num_classes)
    result = {"accuracy": float(np.mean(answers == classes))}
    if model.num_classes > 5:
        result["top_5_accuracy"] = top_k_accuracy(probabilities, classes, 5)
    scores = class_scores(matrix)
    result |= amount
    result["recall"] = {label: score.recall for label, score in zip(model.labels, scores, strict=True) if score.count}
    if report is not None:
        rows = [
            Classified(model.labels[true], model.labels[answer], float(row[answer]), **example)
            for example, true, answer, row in zip(examples, classes, answers, probabilities, strict=True)
        ]
        facts = {
            **(facts or {}),
            "examples": ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in amount.items()),
            "made": f"{time.strftime('%Y-%m-%d %H:%M')}, s2s_keras {__version__}, {keras.backend.backend()}",
        }
        pictures = {
            "Confusions": plot_confusion_matrix(matrix, model.labels),
            "Detection": plot_detection(probabilities, classes),
        }
        scores, rate = dict(zip(model.labels, scores, strict=True)), getattr(model, "sample_rate", None)
        classification_report(report, rows, scores, pictures, title, facts, num_playable, rate)
    return result


def _recordings(model, manifest, batch_size):
    """Classes, probabilities, how much there was, and what a report says of each recording."""
    utterances, reader = load_manifest(manifest), AudioReader(model.sample_rate)
    classes = np.array([class_of(utterance, model.labels) for utterance in utterances])
    rows, seconds, start = [], 0.0, time.perf_counter()
    for first in range(0, len(utterances), _READ_AHEAD):
        recordings = [reader(utterance) for utterance in utterances[first : first + _READ_AHEAD]]
        seconds += sum(map(len, recordings)) / model.sample_rate
        rows.append(model.probabilities(recordings, batch_size=batch_size))
    rtf = (time.perf_counter() - start) / seconds
    amount = {"utterances": len(utterances), "seconds": round(seconds, 3), "rtf": round(rtf, 4)}
    examples = [
        {"name": _name(utterance), "speaker": utterance.speaker, "audio": functools.partial(reader, utterance)}
        for utterance in utterances
    ]
    return classes, np.concatenate(rows), amount, examples


def _pictures(model, manifest, batch_size):
    paths, classes, _ = load_image_manifest(manifest, model.labels)
    start = time.perf_counter()
    probabilities = model.probabilities(paths, batch_size=batch_size)
    speed = len(paths) / (time.perf_counter() - start)
    examples = [{"name": Path(path).name, "picture": path} for path in paths]
    return classes, probabilities, {"images": len(paths), "images_per_second": round(speed, 1)}, examples


def class_of(utterance, labels):
    """The number of the class that an utterance's text names."""
    try:
        return labels.index(utterance.text)
    except ValueError:
        raise ValueError(
            f"{utterance.where}: the text {utterance.text!r} is no class of the model, which has "
            f"{', '.join(labels[:10])}{', ...' if len(labels) > 10 else ''}."
        ) from None


def _name(utterance):
    line = "" if utterance.line is None else f", line {utterance.line}"
    return f"{Path(utterance.audio).name}{line}"
