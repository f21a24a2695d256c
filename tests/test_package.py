import configparser
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import s2s_keras

ROOT = Path(__file__).resolve().parents[1]


def requirements(text):
    """{name: version specifier} of a requirements list."""
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return dict(re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in lines if line)


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_import_loads_nothing_heavy():
    code = "import s2s_keras, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    heavy = {"keras", "keras_hub", "numba", "numpy", "tensorflow", "jax", "torch", "matplotlib", "soundfile"}
    assert not heavy & set(loaded.split())


def test_command_line_starts_without_a_backend():
    code = "import s2s_keras.cli, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"keras", "numba", "tensorflow", "jax", "torch", "matplotlib"} & set(loaded.split())


@pytest.mark.parametrize("name", s2s_keras.__all__)
def test_named_subpackages_import(name):
    assert importlib.import_module(f"s2s_keras.{name}").__doc__


def test_every_subpackage_is_named():
    found = {path.parent.name for path in ROOT.glob("s2s_keras/*/__init__.py")}
    assert found - {"cli"} == set(s2s_keras.__all__)


def test_version_is_in_the_changelog():
    assert f"## {s2s_keras.__version__} " in (ROOT / "CHANGELOG.md").read_text()


def test_requirements_without_tensorflow_equal_the_package_s(setup):
    package = requirements(setup["options"]["install_requires"])
    listed = requirements((ROOT / "requirements-jax.txt").read_text())
    assert package.pop("keras-hub") in (ROOT / "requirements-jax.txt").read_text()
    assert {name: listed.get(name) for name in package} == package
    assert listed["jax"] == requirements(setup["options.extras_require"]["jax"])["jax"]
    assert not {"tensorflow", "tensorflow-text", "keras-hub"} & set(listed)


def test_clips_are_small_and_licensed():
    clips = ROOT / "s2s_keras" / "presets" / "clips"
    assert "Carnegie Mellon University" in (clips / "LICENSE.an4.txt").read_text()
    assert sum(path.stat().st_size for path in clips.iterdir()) < 500_000


def test_presets_fit_the_wheel():
    for folder in (ROOT / "s2s_keras" / "presets").glob("*/card.json"):
        assert sum(path.stat().st_size for path in folder.parent.rglob("*")) <= 10_000_000, folder.parent.name
