"""The presets that ship inside the package: one folder each, with config, weights, tokenizer, card and licences."""

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
