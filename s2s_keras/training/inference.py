"""What a trained network makes of recordings: error rates and files of texts."""

import contextlib
import csv
import functools
import json
import os
import time
from pathlib import Path

import keras

from s2s_keras import __version__
from s2s_keras.applications import Application, Classifier
from s2s_keras.applications.attention_recognizer import BEAM_WIDTH, AttentionRecognizer
from s2s_keras.data import AudioReader, load_manifest
from s2s_keras.decoding import CTCBeamSearch
from s2s_keras.metrics import character_error_rate, word_error_rate
from s2s_keras.reports import Recognition, recognition_report
from s2s_keras.reports.recognition import check_report_path
from s2s_keras.training.classification import evaluate_classifier
from s2s_keras.training.recipe import load_recipe
from s2s_keras.training.run_folder import RunFolder
from s2s_keras.training.runner import best_model, default_folder, for_fit

_READ_AHEAD = 64  # batches of recordings in memory


def load_model(source):
    """The network behind a name: a preset's, or the best of a run.

    Args:
        source: str or path: name, folder or handle of a preset; folder of a run; or a recipe's file, which stands for
            its run in the default folder.

    Returns:
        The model, in float32 where it comes from a run.

    Raises:
        ValueError: there is no such thing, or the run has no checkpoint yet.

    Example:

    >>> load_model("jasper_small_an4_en").count_params()
    3443613
    """
    run = find_run(source)
    return Application.from_preset(source) if run is None else best_model(load_recipe(run.path), run)


def find_run(source):
    """The `RunFolder` that a recipe's file or a run's folder stands for; None for a preset."""
    is_recipe = ".py" in (Path(source).suffix, Path(str(source).partition(":")[0]).suffix)
    run = RunFolder(default_folder(source) if is_recipe else source)
    if run.settings.is_file():
        return run
    if is_recipe:
        raise ValueError(f"{source} has no run in {run.path}. Train it first, or give the folder of its run instead.")
    return None


def evaluate(
    source,
    manifest=None,
    batch_size=8,
    language_model=None,
    alpha=None,
    beta=None,
    beam_width=None,
    report=None,
    num_playable=20,
):
    """Measures a preset, or the best checkpoint of a run.

    Args:
        source: str or path, as for `load_model`.
        manifest: str, path or None, what to measure it on, see `s2s_keras.data.load_manifest`. Default None: the
            validation data of the run's recipe, with its loss and metrics.
        batch_size: int, recordings at a time. Default 8.
        language_model: str, path or None, what `CTCBeamSearch.from_preset` takes: the search has that language model.
        alpha: float or None, weight of the language model. None: as stored with it.
        beta: float or None, for each word. None: as stored with the language model.
        beam_width: int or None. Default None: 128 with a language model, else greedy search; 4 for a model that
            writes by attention, which takes no language model.
        report: str, path or None, an HTML file to write about the errors on the manifest, see
            `s2s_keras.reports.recognition_report`. Default None.
        num_playable: int, how many utterances of the report can be played, the worst ones. Default 20.

    Returns:
        Dict. On a manifest "wer" and "cer", fractions over the whole set; "utterances"; "seconds" of audio; and "rtf",
        the time from the first file read to the last text, compilation included, as a fraction of it; of a classifier
        what `evaluate_classifier` gives. On a recipe's validation data its loss and metrics.

    Raises:
        ValueError: as `load_model`; a preset or a report without a manifest; no such language model; no folder for the
            report; or audio that cannot be read.

    Example:

    >>> import os, s2s_keras
    >>> clips = os.path.join(os.path.dirname(s2s_keras.__file__), "presets", "clips", "manifest.jsonl")
    >>> result = evaluate("jasper_small_an4_en", clips)
    >>> result["wer"] < 0.2, result["utterances"]
    (True, 5)
    """
    if report is not None:
        check_report_path(report)
    if manifest is None:
        if report is not None:
            raise ValueError("A report is about the recordings of a manifest. Give one (--manifest FILE).")
        return _evaluate_run(source)
    model = load_model(source)
    title = f"{Path(source).name} on {Path(manifest).name}"
    if isinstance(model, Classifier):
        if any(value is not None for value in (language_model, alpha, beta, beam_width)):
            raise ValueError(f"{type(model).__name__} tells classes apart and takes no search. Leave its settings out.")
        facts = {"model": source, "data": manifest}
        return evaluate_classifier(model, manifest, batch_size, report, num_playable, title, facts)
    utterances = load_manifest(manifest)
    search = _search(model, language_model, alpha=alpha, beta=beta, beam_width=beam_width)
    start = time.perf_counter()
    rows = list(_transcribe(model, utterances, batch_size, search))
    elapsed = time.perf_counter() - start
    references, hypotheses = [u.text for u, _, _ in rows], [text for _, text, _ in rows]
    seconds = sum(length for _, _, length in rows)
    result = {
        "wer": word_error_rate(references, hypotheses).rate,
        "cer": character_error_rate(references, hypotheses).rate,
        "utterances": len(utterances),
        "seconds": round(seconds, 3),
        "rtf": round(elapsed / seconds, 4),
    }
    if report is not None:
        facts = {
            "model": source,
            "data": manifest,
            "search": _describe(**search, name=language_model),
            "audio": f"{seconds:,.1f} s in {len(rows):,} utterances, real-time factor {result['rtf']:.3f}",
            "made": f"{time.strftime('%Y-%m-%d %H:%M')}, s2s_keras {__version__}, {keras.backend.backend()}",
        }
        recognition_report(report, _recognitions(model, rows), title, facts, num_playable, model.sample_rate)
    return result


def _recognitions(model, rows):
    reader = AudioReader(model.sample_rate)
    for utterance, text, seconds in rows:
        line = "" if utterance.line is None else f", line {utterance.line}"
        name, audio = f"{Path(utterance.audio).name}{line}", functools.partial(reader, utterance)
        yield Recognition(utterance.text, text, name, seconds, utterance.speaker, audio)


def _describe(name, language_model=None, beam_width=None):
    """The search of `_search` in words; `name` is that of its language model."""
    if language_model is None:
        return "greedy" if beam_width is None else f"beam of {beam_width}"
    model = f", language model {name}, alpha {language_model.alpha:g}, beta {language_model.beta:g}"
    return f"beam of {language_model.beam_width}{'' if name is None else model}"


def _evaluate_run(source):
    run = find_run(source)
    if run is None:
        raise ValueError(f"The preset {source} brings no data to measure it on. Give a manifest (--manifest FILE).")
    recipe = load_recipe(run.path)
    model = best_model(recipe, run)
    data = recipe.validation_data(model)
    if data is None:
        raise ValueError(f"The recipe of {run.path} has no validation data. Give a manifest (--manifest FILE).")
    model.compile(loss=recipe.loss(), loss_weights=recipe.loss_weights(), metrics=recipe.metrics(model))
    return {key: float(value) for key, value in model.evaluate(for_fit(data), verbose=0, return_dict=True).items()}


def infer(source, manifest, output, batch_size=8, language_model=None, alpha=None, beta=None, beam_width=None):
    """Writes what a network recognizes in the recordings of a manifest.

    Lines come in the order of the manifest. The file is written aside and appears when it is complete.

    Args:
        source: str or path, as for `load_model`.
        manifest: str or path, see `s2s_keras.data.load_manifest`; its texts are not looked at.
        output: str or path. What is written depends on its ending: ".csv" for the columns wav_filename and
            predicted_transcript, ".jsonl" for objects with "audio_filepath", "text" (the manifest's) and "pred_text",
            ".txt" for a line of text each.
        batch_size: int, recordings at a time. Default 8.
        language_model, alpha, beta, beam_width: the search, as for `evaluate`.

    Returns:
        List of str, the texts.

    Raises:
        ValueError: as `load_model`, another ending, no such language model, or audio that cannot be read.

    Example:

    >>> import os, tempfile, s2s_keras
    >>> clips = os.path.join(os.path.dirname(s2s_keras.__file__), "presets", "clips", "manifest.jsonl")
    >>> output = os.path.join(tempfile.mkdtemp(), "texts.txt")
    >>> texts = infer("jasper_small_an4_en", clips, output)
    >>> open(output).read().splitlines() == texts
    True

    Reference: OpenSeq2Seq's `--mode=infer` wrote the CSV; NeMo's `transcribe_speech.py` writes the JSON lines.
    """
    output = Path(output)
    if output.suffix not in _WRITERS:
        raise ValueError(f"{output}: texts are written as {', '.join(_WRITERS)}; the name of the file has to end so.")
    utterances, model = load_manifest(manifest), load_model(source)
    search = _search(model, language_model, alpha=alpha, beta=beta, beam_width=beam_width)
    texts = []
    with _aside(output) as file:
        writer = _WRITERS[output.suffix](file)
        for utterance, text, _ in _transcribe(model, utterances, batch_size, search):
            writer(utterance, text)
            texts.append(text)
    return texts


def _csv(file):
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["wav_filename", "predicted_transcript"])
    return lambda utterance, text: writer.writerow([utterance.audio, text])


def _jsonl(file):
    def write(utterance, text):
        row = {"audio_filepath": utterance.audio, "offset": utterance.offset, "duration": utterance.duration}
        row = {key: value for key, value in row.items() if value is not None}
        print(json.dumps({**row, "text": utterance.text, "pred_text": text}, ensure_ascii=False), file=file)

    return write


def _txt(file):
    return lambda utterance, text: print(text, file=file)


_WRITERS = {".csv": _csv, ".jsonl": _jsonl, ".txt": _txt}


def _search(model, language_model, **settings):
    """The arguments of `transcribe` that the settings ask for; none for greedy search."""
    settings = {key: value for key, value in settings.items() if value is not None}
    if isinstance(model, AttentionRecognizer):
        if language_model is not None or {"alpha", "beta"} & settings.keys():
            raise ValueError(
                f"{type(model).__name__} writes by attention and takes no language model. Expected a CTC recognizer "
                f"with one, or a beam width alone. Received: {dict(language_model=language_model, **settings)}."
            )
        return {"beam_width": BEAM_WIDTH, **settings}
    if language_model is not None:
        return {"language_model": CTCBeamSearch.from_preset(language_model, model.tokenizer, **settings)}
    if {"alpha", "beta"} & settings.keys():
        raise ValueError("alpha and beta weigh a language model. Name one (--language-model NAME_OR_FILE).")
    return {"language_model": CTCBeamSearch(model.tokenizer, **settings)} if settings else {}


def _transcribe(model, utterances, batch_size, search):
    """(utterance, text, seconds) of every utterance, in order; a part of the recordings is in memory at a time."""
    if not hasattr(model, "transcribe"):
        raise ValueError(f"The model {model.name} has no method `transcribe`. Expected a recognizer of speech.")
    reader, size = AudioReader(model.sample_rate), _READ_AHEAD * batch_size
    for start in range(0, len(utterances), size):
        part = utterances[start : start + size]
        recordings = list(map(reader, part))
        texts = model.transcribe(recordings, batch_size=batch_size, **search)
        for utterance, text, recording in zip(part, texts, recordings, strict=True):
            yield utterance, text, len(recording) / model.sample_rate


@contextlib.contextmanager
def _aside(path):
    """A text file to write that takes its place when it is complete and is gone after an error."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(unfinished, "w", encoding="utf-8", newline="") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
