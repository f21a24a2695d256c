"""What a trained classifier makes of a manifest: accuracy, confusions, a report."""

import functools
import time
from pathlib import Path

import keras
import numpy as np

from s2s_keras import __version__
from s2s_keras.data import AudioReader
from s2s_keras.metrics import class_scores, confusion_matrix, top_k_accuracy
from s2s_keras.reports import Classified, classification_report
from s2s_keras.visualization import plot_confusion_matrix, plot_detection

_READ_AHEAD = 1024  # recordings in memory


def evaluate_classifier(
    model, utterances, batch_size=32, report=None, num_playable=20, title="Classification", facts=None
):
    """Measures a classifier of recordings.

    Args:
        model: `SpeechClassifier` with labels.
        utterances: list of `Utterance`; the class of each is its text.
        batch_size: int, recordings at a time.
        report: str, path or None, an HTML file to write, see `s2s_keras.reports.classification_report`.
        num_playable: int, how many recordings of the report can be played.
        title: str, of the report.
        facts: dict, of the report.

    Returns:
        Dict: "accuracy", a fraction; with more than five classes "top_5_accuracy"; "utterances"; "seconds" of audio;
        "rtf", the time from the first file read to the last class, compilation included, as a fraction of it; and
        "recall", a dict from label to the share of its recordings that was told (of classes that occur).

    Raises:
        ValueError: the model has no labels, a text is none of them, or audio cannot be read.
    """
    if model.labels is None:
        raise ValueError(
            f"The model {model.name} has no labels to compare the manifest's texts with. Build it with `labels`."
        )
    classes = np.array([class_of(utterance, model.labels) for utterance in utterances])
    start = time.perf_counter()
    probabilities, seconds = _probabilities(model, utterances, batch_size)
    elapsed, total = time.perf_counter() - start, sum(seconds)
    answers = probabilities.argmax(axis=1)
    matrix = confusion_matrix(classes, answers, model.num_classes)
    result = {"accuracy": float(np.mean(answers == classes))}
    if model.num_classes > 5:
        result["top_5_accuracy"] = top_k_accuracy(probabilities, classes, 5)
    result |= {"utterances": len(utterances), "seconds": round(total, 3), "rtf": round(elapsed / total, 4)}
    scores = class_scores(matrix)
    result["recall"] = {label: score.recall for label, score in zip(model.labels, scores, strict=True) if score.count}
    if report is not None:
        reader = AudioReader(model.sample_rate)
        rows = [
            Classified(
                model.labels[true],
                model.labels[answer],
                float(row[answer]),
                _name(utterance),
                utterance.speaker,
                functools.partial(reader, utterance),
            )
            for utterance, true, answer, row in zip(utterances, classes, answers, probabilities, strict=True)
        ]
        facts = {
            **(facts or {}),
            "audio": f"{total:,.1f} s in {len(utterances):,} recordings, real-time factor {result['rtf']:.3f}",
            "made": f"{time.strftime('%Y-%m-%d %H:%M')}, s2s_keras {__version__}, {keras.backend.backend()}",
        }
        pictures = {
            "Confusions": plot_confusion_matrix(matrix, model.labels),
            "Detection": plot_detection(probabilities, classes),
        }
        classification_report(
            report, rows, dict(zip(model.labels, scores, strict=True)), pictures, title, facts, num_playable,
            model.sample_rate,
        )  # fmt: skip
    return result


def class_of(utterance, labels):
    """The number of the class that an utterance's text names."""
    try:
        return labels.index(utterance.text)
    except ValueError:
        raise ValueError(
            f"{utterance.where}: the text {utterance.text!r} is no class of the model, which has "
            f"{', '.join(labels[:10])}{', ...' if len(labels) > 10 else ''}."
        ) from None


def _probabilities(model, utterances, batch_size):
    """Probabilities (N, num_classes), and the seconds of each recording; a part of them is in memory at a time."""
    reader, rows, seconds = AudioReader(model.sample_rate), [], []
    for start in range(0, len(utterances), _READ_AHEAD):
        recordings = [reader(utterance) for utterance in utterances[start : start + _READ_AHEAD]]
        seconds += [len(recording) / model.sample_rate for recording in recordings]
        rows.append(model.probabilities(recordings, batch_size=batch_size))
    return np.concatenate(rows), seconds


def _name(utterance):
    line = "" if utterance.line is None else f", line {utterance.line}"
    return f"{Path(utterance.audio).name}{line}"
