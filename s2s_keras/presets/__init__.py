"""What ships inside the package, a folder each with card and licences: presets, and language models for search."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent


def list_presets():
    """What ships: a list of dicts with name, application, task, data, licence and metrics.

    Example:

    >>> sorted(list_presets()[0])
    ['application', 'data', 'licence', 'metrics', 'name', 'task']
    """
    return [json.loads(card.read_text(encoding="utf-8")) for card in sorted(FOLDER.glob("*/card.json"))]


def preset_names():
    """The names of the presets that ship."""
    return [card["name"] for card in list_presets()]


def preset_path(name):
    """The folder of a preset that ships with the package, or None if there is none of that name."""
    folder = FOLDER / str(name)
    return folder if str(name).isidentifier() and (folder / "card.json").is_file() else None


def list_language_models():
    """The language models that ship: a list of dicts with name, task, data, licence, order, alpha, beta and metrics.

    alpha and beta are the weights that suited the development set, see `s2s_keras.decoding.CTCBeamSearch`.

    Example:

    >>> [card["name"] for card in list_language_models()]
    ['an4', 'an4_names']
    """
    cards = sorted(FOLDER.glob("language_models/*/card.json"))
    return [json.loads(card.read_text(encoding="utf-8")) for card in cards]


def language_model_path(name):
    """The folder of a language model that ships with the package, or None if there is none of that name."""
    folder = FOLDER / "language_models" / str(name)
    return folder if str(name).isidentifier() and (folder / "card.json").is_file() else None
