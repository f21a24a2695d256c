"""Commands that tell classes apart: classify."""

import json
from typing import Annotated

import typer

from s2s_keras.cli.app import BatchSizeOption, JsonOption, app
from s2s_keras.cli.transcription import ENDINGS, find_files

DEFAULT_CLASSIFIER = "jasper_small_fsdd_en"


@app.command()
def classify(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Audio files or pictures, folders of them, or patterns.")
    ],
    preset: Annotated[
        str, typer.Option("--preset", help="Name of a preset, a folder, a hub handle, or the folder of a run.")
    ] = DEFAULT_CLASSIFIER,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="How many classes, the most likely first.")] = 1,
    as_json: JsonOption = False,
    batch_size: BatchSizeOption = 32,
):
    """Print the class of recordings, such as the word that is said in each, or of pictures, and its probability."""
    files = find_files(files, (*ENDINGS, ".png", ".jpg", ".jpeg"), "audio file or picture")
    from s2s_keras.applications import Classifier
    from s2s_keras.training import load_model

    model = load_model(preset)
    if not isinstance(model, Classifier):
        raise ValueError(f"{preset} is a {type(model).__name__} and tells no classes apart. Name another --preset.")
    found = model.classify(files, batch_size=batch_size, top_k=min(top_k, model.num_classes))
    if as_json:
        rows = [
            {"file": file, "label": best[0].label, "probability": round(best[0].probability, 6)}
            | (
                {"classes": [{"label": c.label, "probability": round(c.probability, 6)} for c in best]}
                if top_k > 1
                else {}
            )
            for file, best in zip(files, found, strict=True)
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for file, best in zip(files, found, strict=True):
        classes = ", ".join(f"{label} {probability:.1%}" for label, probability in best)
        print(f"{file}: {classes}" if len(files) > 1 else classes)
