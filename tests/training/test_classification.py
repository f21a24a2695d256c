"""`s2s-keras classify` and `evaluate` of a classifier, with a network that knows nothing."""

import json
import os

import keras
import numpy as np
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

from s2s_keras.applications import ImageClassifier, SpeechClassifier
from s2s_keras.cli import app
from s2s_keras.layers import JasperBlock
from s2s_keras.reports import Classified, classification_report
from tests.test_case import SMALL

if os.environ["KERAS_BACKEND"] != "tensorflow":
    pytest.skip("no kernel of a backend takes part: once is enough", allow_module_level=True)

LABELS = ("no", "yes", "<maybe>")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A preset, three recordings and their manifest."""
    folder = tmp_path_factory.mktemp("commands")
    SpeechClassifier([JasperBlock(8, 3)], labels=LABELS, **SMALL).save_to_preset(folder / "preset")
    rng, rows = np.random.default_rng(0), []
    for n, label in enumerate(("yes", "no", "yes")):
        soundfile.write(folder / f"{n}.wav", rng.uniform(-0.5, 0.5, 300 + 100 * n), 1000)
        rows.append({"audio_filepath": f"{n}.wav", "text": label, "speaker": f"s{n}"})
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_classify_prints_label_and_probability(folder):
    model = SpeechClassifier.from_preset(folder / "preset")
    expected = model.classify([folder / "0.wav", folder / "1.wav"], top_k=2)
    text = run("classify", folder / "0.wav", "--preset", folder / "preset").stdout
    assert text == f"{expected[0][0].label} {expected[0][0].probability:.1%}\n"
    rows = json.loads(run("classify", folder, "--preset", folder / "preset", "--top-k", 2, "--json").stdout)
    assert len(rows) == 3
    for row, best in zip(rows, expected, strict=False):
        assert [c["label"] for c in row["classes"]] == [c.label for c in best]
        assert row["probability"] == pytest.approx(best[0].probability, abs=1e-4)
    with pytest.raises(ValueError, match="tells no classes apart"):
        run("classify", folder / "0.wav", "--preset", "jasper_small_an4_en")


def test_evaluate_counts_what_classify_says(folder):
    model, manifest = SpeechClassifier.from_preset(folder / "preset"), folder / "manifest.jsonl"
    answers = [model.classify(folder / f"{n}.wav").label for n in range(3)]
    right = [a == b for a, b in zip(answers, ("yes", "no", "yes"), strict=True)]
    report = folder / "report.html"
    result = json.loads(run("evaluate", folder / "preset", "--manifest", manifest, "--json", "--report", report).stdout)
    assert result["accuracy"] == pytest.approx(np.mean(right))
    assert result["recall"] == {"no": float(right[1]), "yes": np.mean([right[0], right[2]])}
    assert result["utterances"] == 3 and result["seconds"] == pytest.approx(1.2)
    page = report.read_text(encoding="utf-8")
    assert f"{np.mean(right):.2%}" in page and page.count("<audio") == 3 - sum(right)
    assert "&lt;maybe&gt;" in page and "<maybe>" not in page
    assert "Least often" in run("evaluate", folder / "preset", "--manifest", manifest).stdout or all(right)


def test_a_text_that_is_no_class_is_one_sentence(folder):
    bad = folder / "bad.jsonl"
    bad.write_text(json.dumps({"audio_filepath": "0.wav", "text": "perhaps"}))
    with pytest.raises(ValueError, match="bad.jsonl, line 1: the text 'perhaps' is no class"):
        run("evaluate", folder / "preset", "--manifest", bad)
    with pytest.raises(ValueError, match="takes no search"):
        run("evaluate", folder / "preset", "--manifest", folder / "manifest.jsonl", "--beam-width", 4)


def test_a_report_needs_a_recording(tmp_path):
    with pytest.raises(ValueError, match="one example"):
        classification_report(tmp_path / "a.html", [], {}, {})
    page = classification_report(tmp_path / "a.html", [Classified("a", "a", 1.0)], {}, {})
    assert "<p>none</p>" in page.read_text(encoding="utf-8")


def test_pictures_are_measured_likewise(tmp_path):
    labels, rows = ("cat", "dog"), []
    model = ImageClassifier([keras.layers.Conv2D(4, 3)], labels=labels, image_shape=(8, 8, 1))
    model.save_to_preset(tmp_path / "preset")
    for n in range(3):
        pixels = np.random.default_rng(n).integers(0, 255, (8, 8), "uint8")
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
        rows.append({"image_filepath": f"{n}.png", "label": "cat"})
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    right = [model.classify(tmp_path / f"{n}.png").label == "cat" for n in range(3)]
    manifest, report = tmp_path / "manifest.jsonl", tmp_path / "report.html"
    result = json.loads(
        run("evaluate", tmp_path / "preset", "--manifest", manifest, "--json", "--report", report).stdout
    )
    assert result["accuracy"] == pytest.approx(np.mean(right)) and result["images"] == 3
    assert report.read_text(encoding="utf-8").count("<img") == 3 - sum(right)
    text = run("classify", tmp_path / "0.png", "--preset", tmp_path / "preset").stdout
    assert text.split()[0] in labels
