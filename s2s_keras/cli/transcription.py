"""Commands that turn recordings into text and times: transcribe, align."""

import contextlib
import dataclasses
import enum
import glob
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from s2s_keras.cli.app import BatchSizeOption, JsonOption, LanguageModelOption, app, check_files
from s2s_keras.cli.recognition import PresetOption, load
from s2s_keras.cli.streams import STDIN, stream_files

LONG_SECONDS = 60.0
GROUP_SECONDS = 900.0  # of audio that is recognized before it is written
ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3")


class Format(enum.StrEnum):
    """How words are written."""

    text = "text"
    json = "json"
    srt = "srt"
    vtt = "vtt"
    ctm = "ctm"
    textgrid = "textgrid"


FormatOption = Annotated[Format, typer.Option("--format", help="What to print.")]
FolderOption = Annotated[
    Path | None, typer.Option("--output-folder", help="Write a file per recording there instead of printing.")
]


@app.command()
def transcribe(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Audio files, folders of them, or patterns.")],
    preset: PresetOption = "",
    as_json: JsonOption = False,
    batch_size: BatchSizeOption = 8,
    language_model: LanguageModelOption = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Tell when each word was said.")] = False,
    format: FormatOption = Format.text,
    output_folder: FolderOption = None,
    batch_seconds: Annotated[
        float | None, typer.Option(help="As many recordings at a time as last so long, instead of --batch-size.")
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print while listening; the file - is raw 16-bit audio from stdin.")
    ] = False,
    sample_rate: Annotated[int | None, typer.Option(min=1, help="Of stdin, in Hz. Default: the model's.")] = None,
):
    """Print what is said in audio files (wav, flac, ogg, mp3) of any length."""
    format = Format.json if as_json else format
    if stream and (format not in (Format.text, Format.json) or output_folder is not None):
        raise ValueError(
            "--stream prints text or JSON lines as they come. Leave out --output-folder and other formats."
        )
    if (STDIN in files and (not stream or len(files) > 1)) or (sample_rate is not None and files != [STDIN]):
        raise ValueError("Audio on stdin is the only FILE, -, goes with --stream, and alone takes --sample-rate.")
    if stream and batch_seconds is not None:
        raise ValueError("--stream takes one recording at a time. Leave out --batch-seconds.")
    files = files if files == [STDIN] else find_files(files)
    check_output(files, format, output_folder)
    model = load(preset)
    plain = format in (Format.text, Format.json) and not timestamps
    asked = {"--language-model": language_model, "--batch-seconds": batch_seconds, "--stream": stream}
    check_ctc(model, {**asked, "--timestamps and --format": not plain})
    if stream:
        stream_files(
            model,
            files,
            language_model=language_model,
            sample_rate=sample_rate,
            as_json=format is Format.json,
            timestamps=timestamps,
        )
        return
    options = {"language_model": language_model, "batch_seconds": batch_seconds, "num_best": None if plain else 1}
    options = {name: value for name, value in options.items() if value is not None}
    rows, words, one_list = [], [], format is Format.json and output_folder is None
    with progress_bar(files) as progress:
        for group, before in in_groups(files):
            if is_ctc(model):
                options["progress"] = lambda done, before=before: progress(before + done)
            found = model.transcribe(group, batch_size=batch_size, **options)
            rows += [{"file": file, "text": r if plain else r[0].text} for file, r in zip(group, found, strict=True)]
            words += [None if plain else r[0].words for r in found]
            if not one_list:  # what is written stays, whatever the next files are like
                write(rows, words, format, output_folder, several=len(files) > 1)
                rows, words = [], []
    if one_list:
        write(rows, words, format, output_folder)


@app.command()
def align(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE...", help="Audio file of --text.")] = None,
    text: Annotated[str | None, typer.Option(help="What is said in the file.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="JSON lines or CSV: recordings and what is said in each.")
    ] = None,
    preset: PresetOption = "",
    batch_size: BatchSizeOption = 8,
    format: FormatOption = Format.text,
    output_folder: FolderOption = None,
):
    """Print when each word of a known text is said."""
    if (manifest is None) == (text is None) or (text is not None) != (len(files or []) == 1):
        raise ValueError("`align` takes one FILE and its --text, or a --manifest.")
    check_files([Path(file) for file in files or []] + [manifest] * (manifest is not None))
    from s2s_keras.data import AudioReader, Utterance, load_manifest

    utterances = load_manifest(manifest) if manifest else [Utterance(files[0], text)]
    names = [utterance.audio for utterance in utterances]
    check_output(names, format, output_folder)
    model = load(preset)
    recordings = list(map(AudioReader(model.sample_rate), utterances))
    check_ctc(model, {"an alignment": True})
    words = model.align(recordings, [utterance.text for utterance in utterances], batch_size=batch_size)
    rows = [{"file": u.audio, "text": u.text} for u in utterances]
    words = [in_file(spoken, u.offset or 0.0) for spoken, u in zip(words, utterances, strict=True)]
    write(rows, words, format, output_folder, several=len(rows) > 1)


def is_ctc(model):
    return hasattr(model, "stream")


def check_ctc(model, options):
    """Options, by name, that only CTC recognizers know: refused if they were given for another model."""
    if not is_ctc(model) and (asked := [name for name, value in options.items() if value]):
        raise ValueError(
            f"Only CTC recognizers take {' and '.join(asked)}; the model {model.name} writes by attention. "
            "Name another --preset."
        )


def in_groups(files):
    """(files of a quarter of an hour together, seconds of all files before them)"""
    group, begin, end = [], 0.0, 0.0
    for file, seconds in zip(files, durations(files), strict=True):
        group.append(file)
        end += seconds
        if end - begin >= GROUP_SECONDS:
            yield group, begin
            group, begin = [], end
    if group:
        yield group, begin


def durations(files):
    from s2s_keras.ops.audio import audio_info

    return [samples / rate for rate, samples, _ in map(audio_info, files)]


@contextlib.contextmanager
def progress_bar(files):
    """A bar on the terminal for more than a minute of audio: gives a callable that takes the seconds that are done."""
    seconds = sum(durations(files))
    if seconds < LONG_SECONDS or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("transcribing", total=seconds)
        yield lambda done: bar.update(task, completed=done)


def find_files(patterns, endings=ENDINGS, kind="audio file"):
    """The files that names, folders and patterns stand for: list of str, those of a folder in order."""
    files = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            found = sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in endings)
            if not found:
                raise ValueError(f"{pattern}: the folder holds no {kind} ({', '.join(endings)}).")
        elif not path.is_file() and glob.has_magic(pattern):
            found = sorted(file for file in glob.glob(pattern, recursive=True) if Path(file).is_file())
            if not found:
                raise ValueError(f"{pattern}: no file has such a name.")
        else:
            check_files([path])
            found = [pattern]
        files += found
    return files


def check_output(files, format, folder):
    """Before a model is loaded."""
    if folder is None and len(files) > 1 and format in (Format.srt, Format.vtt, Format.textgrid):
        raise ValueError(f"Several recordings in format {format}: say where to write them with --output-folder.")
    if folder is not None:
        names = [output_name(folder, file, format) for file in files]
        if twice := sorted({name.name for name in names if names.count(name) > 1}):
            raise ValueError(f"Several recordings would be written to {', '.join(twice[:3])}. Transcribe them apart.")
        folder.mkdir(parents=True, exist_ok=True)


def output_name(folder, file, format):
    return folder / f"{Path(file).stem}.{ {Format.text: 'txt', Format.textgrid: 'TextGrid'}.get(format, format) }"


def write(rows, words, format, folder, several=False):
    """Print rows of file and text, with words if there are any, or write each to a file of its own."""
    if folder is None:
        if format is Format.json:
            print(json.dumps([as_row(row, spoken) for row, spoken in zip(rows, words, strict=True)], indent=2))
            return
        for row, spoken in zip(rows, words, strict=True):
            print(as_text(row, spoken, format, several), end="", flush=True)
        return
    for row, spoken in zip(rows, words, strict=True):
        content = (
            json.dumps(as_row(row, spoken), indent=2) + "\n" if format is Format.json else as_text(row, spoken, format)
        )
        name = output_name(folder, row["file"], format)
        unfinished = name.with_name(f".{name.name}")
        unfinished.write_text(content, encoding="utf-8")
        unfinished.replace(name)


def in_file(words, offset):
    """Words of a part of a file that begins at `offset`, with times in the file."""
    return [dataclasses.replace(word, start=word.start + offset, end=word.end + offset) for word in words]


def as_row(row, words):
    """What JSON says of a recording."""
    if words is None:
        return row
    keys = ("text", "start", "end", "confidence")
    return {**row, "words": [{key: rounded(getattr(word, key)) for key in keys} for word in words]}


def rounded(value):
    return round(value, 3) if isinstance(value, float) else value


def as_text(row, words, format, several=False):
    """What is printed of a recording, in any format but JSON."""
    from s2s_keras.decoding import to_ctm, to_srt, to_textgrid, to_vtt

    if format is Format.text:
        lines = [f"{row['file']}: {row['text']}" if several else row["text"]]
        lines += [f"{word.start:8.2f} {word.end:8.2f}  {word.confidence:4.2f}  {word.text}" for word in words or ()]
        return "\n".join(lines) + "\n"
    if format is Format.ctm:
        return to_ctm(words, "_".join(Path(row["file"]).stem.split()))
    if format is Format.textgrid:
        import soundfile

        return to_textgrid(words, soundfile.info(row["file"]).duration)
    return to_srt(words) if format is Format.srt else to_vtt(words)
