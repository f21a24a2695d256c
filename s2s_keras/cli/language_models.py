"""Commands around n-gram language models: lm train, lm perplexity, lm convert."""

import itertools
import json
from pathlib import Path
from typing import Annotated

import typer

from s2s_keras.cli.app import JsonOption, app, check_files

lm = typer.Typer(no_args_is_help=True, help="N-gram language models: train, perplexity, convert.")
app.add_typer(lm, name="lm")

MANIFESTS = (".jsonl", ".json", ".csv")
TextsHelp = f"Text, one sentence a line (/dev/stdin too), or manifests ({', '.join(MANIFESTS)}) with transcripts."
OutputHelp = "File to write: ARPA if it ends in .arpa or .arpa.gz, else the compact file, usually .s2slm."
ExactOption = Annotated[
    bool, typer.Option("--exact", help="Compact file with float32 instead of 16 bits for a value; a third larger.")
]


@lm.command()
def train(
    texts: Annotated[list[Path], typer.Argument(metavar="TEXT_OR_MANIFEST...", help=TextsHelp)],
    output: Annotated[Path, typer.Option(help=OutputHelp)],
    order: Annotated[int, typer.Option(min=1, help="Length of the longest n-grams.")] = 3,
    prune: Annotated[
        str, typer.Option(help="Leave out n-grams that occur so often or less, a number for each order: 0,0,1.")
    ] = "",
    discount_fallback: Annotated[
        bool, typer.Option("--discount-fallback", help="Discounts 0.5, 1, 1.5 where there is too little text for own.")
    ] = False,
    skip_symbols: Annotated[bool, typer.Option("--skip-symbols", help="Skip <s>, </s>, <unk> in the texts.")] = False,
    exact: ExactOption = False,
):
    """Estimate an n-gram model from text, with interpolated modified Kneser-Ney smoothing, as lmplz does."""
    check_texts(texts)
    try:
        thresholds = [int(number) for number in prune.split(",")] if prune else []
    except ValueError:
        raise ValueError(
            f"--prune takes whole numbers separated by commas, such as 0,0,1. Received: {prune!r}."
        ) from None
    from s2s_keras.decoding import train_ngram
    from s2s_keras.decoding.ngram_training import DISCOUNT_FALLBACK

    sentences = itertools.chain.from_iterable(map(_sentences, texts))
    fallback = DISCOUNT_FALLBACK if discount_fallback else None
    _write(train_ngram(sentences, order, thresholds, fallback, skip_symbols), output, exact)


@lm.command()
def perplexity(
    model: Annotated[Path, typer.Argument(help="Language model: ARPA, KenLM trie or compact file.")],
    texts: Annotated[list[Path], typer.Argument(metavar="TEXT_OR_MANIFEST...", help=TextsHelp)],
    as_json: JsonOption = False,
):
    """Print how well a model predicts text: its perplexity with and without the words that the model does not have."""
    check_files([model])
    check_texts(texts)
    from s2s_keras.decoding import NGramLanguageModel

    result = NGramLanguageModel.load(model).perplexity(itertools.chain.from_iterable(map(_sentences, texts)))
    if as_json:
        print(json.dumps(result._asdict()))
        return
    print(f"perplexity including unknown words  {result.including_unknown:.2f}")
    print(f"perplexity excluding unknown words  {result.excluding_unknown:.2f}")
    print(f"unknown words                       {result.num_unknown}")
    print(f"words and ends of sentences         {result.num_tokens}")


@lm.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Language model: ARPA, KenLM trie or compact file.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help=OutputHelp)],
    exact: ExactOption = False,
):
    """Write a language model in another format."""
    check_files([source])
    from s2s_keras.decoding import NGramLanguageModel

    _write(NGramLanguageModel.load(source), output, exact)


def check_texts(paths):
    """As `check_files`, but text is read once from beginning to end, so that pipes and devices hold it as well."""
    check_files([path for path in paths if path.suffix in MANIFESTS or path.is_dir() or not path.exists()])


def _sentences(path):
    if path.suffix in MANIFESTS:
        from s2s_keras.data import load_manifest

        yield from (utterance.text for utterance in load_manifest(path))
        return
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the file is not UTF-8 text ({error}).") from error


def _write(model, output, exact):
    if output.name.endswith((".arpa", ".arpa.gz")):
        model.write_arpa(output)
    else:
        model.save(output, exact)
    counts = ", ".join(f"{count:,} {n}-grams" for n, count in enumerate(model.counts, 1))
    print(f"{output}: {counts}, {output.stat().st_size / 1e6:.1f} MB")
