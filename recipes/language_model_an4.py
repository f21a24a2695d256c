"""The language models `an4` and `an4_names`, word n-grams with weights tuned on AN4's development set.

    models=s2s_keras/presets/language_models
    python recipes/language_model_an4.py --data ../shared/data/an4 --preset runs/jasper_2 --whole --output $models/an4
    python recipes/language_model_an4.py --data ../shared/data/an4 --preset runs/jasper_2 --output $models/an4_names \
        --names ../shared/data/lm_wikitext2/train.txt

`an4` knows the training transcripts alone. `an4_names` has them twice, 10,000 utterances of their kind with other
contents (recipes/synthetic_an4.py), and the spelled proper nouns of a text, each once more for every doubling of its
count: letters are in AN4 what spells names, and few of these occur twice.

The order and the weights are the best on the development set, with what the second command of
recipes/jasper_small_an4_en.py wrote; of equal ones the lowest order and the smallest weights. After that the preset
learned this set's recordings, too, and so did `an4` its transcripts, as they are in AN4's official training set. No
utterance of the test set is in a model. What `an4_names` is made of was settled on the development set, while errors on
the test set were printed beside it. Measured afterwards:

    s2s-keras evaluate jasper_small_an4_en --manifest ../shared/data/an4/manifest_test.jsonl --language-model an4
    s2s-keras evaluate jasper_small_an4_en --manifest ../shared/data/an4/manifest_test.jsonl --language-model an4_names
"""

import argparse
import json
from pathlib import Path

import numpy as np
from synthetic_an4 import Texts, proper_nouns

from s2s_keras.applications import from_preset
from s2s_keras.data import AudioReader, load_manifest
from s2s_keras.decoding import CTCBeamSearch, train_ngram, tune

ORDERS = (2, 3, 4)
ORDERS_WITH_NAMES = (4, 5, 6)
ALPHAS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
BETAS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
DISCOUNTS = (0.5, 1.0, 1.5)  # letters and digits recur too often to estimate them


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with AN4's manifests")
    parser.add_argument("--preset", required=True, help="recognizer that has not learned the development set")
    parser.add_argument("--whole", action="store_true", help="learn the development set's transcripts in the end")
    parser.add_argument("--output", type=Path, required=True, help="folder to write card.json and model.ngram to")
    parser.add_argument("--names", type=Path, help="text of WikiText-2, whose proper nouns are learned spelled")
    parser.add_argument("--picture", type=Path, help="where to draw the error rates of the best order")
    arguments = parser.parse_args()
    transcripts = texts = [utterance.text for utterance in load_manifest(arguments.data / "manifest_train.jsonl")]
    if arguments.names:
        texts = 2 * transcripts + with_names(proper_nouns(arguments.names.read_text()))
    orders = ORDERS_WITH_NAMES if arguments.names else ORDERS
    recognizer = from_preset(arguments.preset)
    logits, references = read(recognizer, arguments.data / "manifest_dev.jsonl")
    results = {}
    for order in orders:
        model = train_ngram(texts, order, discount_fallback=DISCOUNTS)
        trials = tune(CTCBeamSearch(recognizer.tokenizer, model), logits, references, ALPHAS, BETAS)
        print(f"{order}-gram: {trials[0]}", flush=True)
        results[order] = model, trials
    order = min(orders, key=lambda order: results[order][1][0].wer)
    model, trials = results[order]
    if arguments.whole:
        more = [utterance.text for utterance in load_manifest(arguments.data / "manifest_dev.jsonl")]
        transcripts = transcripts + more
        model = train_ngram(texts + more, order, discount_fallback=DISCOUNTS)
    if arguments.picture:
        from s2s_keras.visualization import plot_tuning

        plot_tuning(trials, arguments.picture)
    arguments.output.mkdir(parents=True, exist_ok=True)
    model.save(arguments.output / "model.ngram")
    card = {
        "name": arguments.output.name,
        "task": "language model of words",
        "data": f"AN4 (train, {len(transcripts)} transcripts)"
        + (", 10,000 drawn texts, proper nouns of WikiText-2 (train)" if arguments.names else ""),
        "licence": "Apache-2.0; AN4: LICENSE.an4.txt (free for any use, keep the notice)"
        + ("; WikiText-2: CC BY-SA 3.0" if arguments.names else ""),
        "order": order,
        "alpha": trials[0].alpha,
        "beta": trials[0].beta,
        "metrics": {"AN4 dev WER before it was learned": round(trials[0].wer, 4)},
    }
    (arguments.output / "card.json").write_text(json.dumps(card, indent=2) + "\n")


def with_names(names):
    """Drawn texts of AN4's kind, and names as they are spelled."""
    texts = Texts(names, np.random.default_rng(5))
    spelled = [" ".join(name) for name, count in names.items() for _ in range(count.bit_length())]
    return [texts.text() for _ in range(10_000)] + spelled


def read(recognizer, manifest):
    """(logits of every utterance, a batch each; texts). Audio is padded to whole seconds, for few compiled shapes."""
    utterances, reader, rate = load_manifest(manifest), AudioReader(recognizer.sample_rate), recognizer.sample_rate
    logits = []
    for utterance in utterances:
        audio = reader(utterance)
        padded = np.zeros((1, -(-len(audio) // rate) * rate), "float32")
        padded[0, : len(audio)] = audio
        batch = {"audio": padded, "audio_lengths": np.array([len(audio)], "int32")}
        logits.append(np.asarray(recognizer.predict_on_batch(batch)))
    return logits, [utterance.text for utterance in utterances]


if __name__ == "__main__":
    main()
