import dataclasses
import json
from typing import Literal

import pytest

from s2s_keras.training import Recipe, load_recipe
from s2s_keras.training.settings import convert, describe

CODE = """
from __future__ import annotations
from typing import Literal
from s2s_keras.training import Recipe


class Base(Recipe):
    epochs = 7
    def model(self): ...


class {name}(Base):
    hidden_dim: int = 64
    filters: tuple[int, ...] = (8, 16)
    search: Literal["greedy", "beam"] = "greedy"
    def training_data(self, model): ...
"""


@pytest.fixture
def write(tmp_path):
    def write(code, name="mine.py"):
        (tmp_path / name).write_text(code)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5", int, 5),
        ("-3", int, -3),
        ("1e-3", float, 1e-3),
        (2, float, 2.0),
        ("true", bool, True),
        ("Off", bool, False),
        ("abc", str, "abc"),
        ("3", str, "3"),
        ("none", int | None, None),
        ("3", int | None, 3),
        ("none", str, "none"),
        ("8,16", tuple[int, ...], (8, 16)),
        ("8", tuple[int, ...], (8,)),
        ("(8, 0.5)", tuple[int, float], (8, 0.5)),
        ("((8, 5, 0), (4, 3, .5))", tuple[tuple[int, int, float], ...], ((8, 5, 0.0), (4, 3, 0.5))),
        ("a, b", tuple[str, ...], ("a", "b")),
        ([[8, 5], [4, 3]], tuple, ((8, 5), (4, 3))),
        ("", tuple[int, ...], ()),
        ("logmax", Literal["backoff", "logmax"] | float, "logmax"),
        ("128", Literal["backoff", "logmax"] | float, 128.0),
        ("2", Literal[1, 2], 2),
        ("x", str | int, "x"),
        ("7", str | int, 7),
    ],
)
def test_text_becomes_the_type(text, kind, value):
    found = convert(text, kind)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ("1.5", int, "int"),
        (1.5, int, "int"),
        (True, int, "int"),
        ("fast", float, "float"),
        ("maybe", bool, "true or false"),
        (1, bool, "true or false"),
        (5, str, "str"),
        ("1,x", tuple[int, ...], "a tuple of int, written 1,2,3"),
        ("1,2,3", tuple[int, float], "a tuple (int, float), written with commas"),
        ("adam", Literal["sgd", "novograd"], '"sgd" or "novograd"'),
        ("x", Literal["backoff"] | float, '"backoff" or float'),
        ("x", int | None, "int or none"),
    ],
)
def test_what_is_not_of_the_type_is_refused_with_the_type_in_words(value, kind, words):
    with pytest.raises(ValueError):
        convert(value, kind)
    assert describe(kind) == words


def test_a_new_default_needs_no_type_and_a_subclass_no_decorator():
    class Small(Recipe):
        epochs = 3
        width: float = 1.0

        def model(self): ...

        def training_data(self, model): ...

    class Smaller(Small):
        width = 0.5

    assert (Small().epochs, Small().width, Smaller().epochs, Smaller().width) == (3, 1.0, 3, 0.5)
    assert [field.name for field in dataclasses.fields(Smaller)][-1] == "width"
    assert Smaller(epochs="4").settings()["epochs"] == 4
    with pytest.raises(ValueError, match="setting epochs of Smaller is int. Received: 2.5"):
        Smaller(epochs=2.5)


def test_wrong_default_is_refused():
    class Wrong(Recipe):
        epochs = "many"

        def model(self): ...

        def training_data(self, model): ...

    with pytest.raises(ValueError, match="epochs of Wrong"):
        Wrong()


def test_recipe_of_a_file(write):
    recipe = load_recipe(write(CODE.format(name="Mine")), {"hidden_dim": "32", "filters": "4", "search": "beam"})
    assert (type(recipe).__name__, recipe.epochs) == ("Mine", 7)
    assert (recipe.hidden_dim, recipe.filters, recipe.search) == (32, (4,), "beam")
    assert type(recipe).file.name == "mine.py"


def test_unknown_setting_lists_the_close_ones(write):
    path = write(CODE.format(name="Mine"))
    with pytest.raises(ValueError, match="no setting 'learning_rat'. Close: learning_rate"):
        load_recipe(path, {"learning_rat": "1"})
    with pytest.raises(ValueError, match="no setting 'zzz'. It has: epochs, .*hidden_dim"):
        load_recipe(path, {"zzz": "1"})


def test_wrong_value_says_the_type(write):
    with pytest.raises(ValueError, match='search of Mine is "greedy" or "beam". Received: \'best\''):
        load_recipe(write(CODE.format(name="Mine")), {"search": "best"})


def test_one_of_several_is_named(write):
    path = write(CODE.format(name="One") + "\n\nclass Two(One):\n    hidden_dim = 5\n")
    with pytest.raises(ValueError, match="one of One, Two.*mine.py:NAME"):
        load_recipe(path)
    assert type(load_recipe(f"{path}:Two")).__name__ == "Two"
    with pytest.raises(ValueError, match="one of One, Two. Received: Three"):
        load_recipe(f"{path}:Three")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("no.py", None, "no such file"),
        ("mine.txt", "", "ends in .py"),
        ("mine.py", "x = 1", "defines no recipe. Expected a class"),
        ("mine.py", "from s2s_keras.training import Recipe", "defines no recipe. Expected a class"),
        (
            "mine.py",
            "from s2s_keras.training import Recipe\nclass Half(Recipe):\n    def model(self): ...",
            r"no recipe: Half \(lacks training_data\)",
        ),
    ],
)
def test_a_file_without_recipe_is_told(write, tmp_path, name, code, message):
    if code is not None:
        write(code, name)
    with pytest.raises(ValueError, match=message):
        load_recipe(tmp_path / name)


def test_recipe_of_a_run_has_the_settings_it_ran_with(write, tmp_path):
    write(CODE.format(name="Mine"), "recipe.py")
    with pytest.raises(ValueError, match="holds no run"):
        load_recipe(tmp_path)
    recipe = load_recipe(tmp_path / "recipe.py", {"filters": "1,2", "hidden_dim": 5, "loss_scale": "64"})
    (tmp_path / "settings.json").write_text(json.dumps({"recipe": "Mine", "settings": recipe.settings()}))
    again = load_recipe(tmp_path, {"epochs": 9})
    assert again.settings() == {**recipe.settings(), "epochs": 9}
    assert (again.filters, again.loss_scale) == ((1, 2), 64.0)
