"""What the recipes of AN4 presets need around training.

    python recipes/splice_an4.py --output runs/spliced_an4

writes 10,000 utterances spliced from words of one speaker, cut where `jasper_small_an4_en` hears a pause.

    python recipes/splice_an4.py --store runs/w2l_3 --output PRESET

writes the best weights of a run as a preset, kernels in half precision.
"""

import argparse
from pathlib import Path

from jasper_small_an4_en import cut_into_words, splice, training_utterances

from s2s_keras.training import load_model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/an4", help="folder with manifest_train.jsonl")
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--count", type=int, default=10176, help="utterances to splice")
    parser.add_argument("--store", default="", help="folder of a run to store as a preset instead")
    args = parser.parse_args()
    if args.store:
        load_model(args.store).save_to_preset(args.output, half_precision=True)
        return
    words = cut_into_words(load_model("jasper_small_an4_en"), training_utterances(args.data, quick=False))
    print(splice(words, args.count, Path(args.output)))


if __name__ == "__main__":
    main()
