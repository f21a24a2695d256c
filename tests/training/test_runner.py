import csv
import json
import os
import signal
from pathlib import Path

import keras
import numpy as np
import pytest

from s2s_keras.applications import from_preset
from s2s_keras.optimizers import BackoffLossScale, LogMaxLossScale, StaticLossScale
from s2s_keras.training import evaluate, infer, load_model, load_recipe, train
from s2s_keras.training.run_folder import RunFolder, read_metrics
from s2s_keras.training.runner import _callbacks, scale_loss
from s2s_keras.training.throughput import _work

RECIPE = Path(__file__).with_name("tiny_recipe.py")
CLIPS = load_recipe(RECIPE).training_data.__globals__["CLIPS"]


def epochs(path):
    return [int(row["epoch"]) for row in read_metrics(RunFolder(path).metrics)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of two epochs."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train(RECIPE, folder)
    return folder


class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 3:
            os.kill(os.getpid(), signal.SIGTERM)


def test_folder_says_how_the_run_was_made(finished):
    run = RunFolder(finished)
    assert run.recipe.read_text() == RECIPE.read_text()
    settings = json.loads(run.settings.read_text())
    assert settings["recipe"] == "Tiny" and settings["settings"]["filters"] == 8
    (start,) = map(json.loads, run.starts.read_text().splitlines())
    assert start["seed"] == 1 and start["versions"]["keras"] == keras.__version__
    assert start["backend"] == keras.backend.backend() and start["backend"] in start["versions"]
    assert start["git"] is None or len(start["git"]["commit"]) == 40
    assert start["command"]
    log = run.log.read_text()
    assert "Epoch 1 of 2, step 2: loss" in log and "audio_hours" in log and "best weights" in log


def test_metrics_have_a_row_for_every_epoch(finished):
    rows = read_metrics(RunFolder(finished).metrics)
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "2"), ("2", "4")]
    for row in rows:
        assert all(np.isfinite(float(row[name])) for name in ("loss", "val_loss", "seconds"))
        assert (float(row["learning_rate"]), float(row["loss_scale"]), float(row["skipped"])) == (0.01, 1.0, 0.0)


def test_preset_is_the_best_checkpoint(finished):
    run = RunFolder(finished)
    preset = from_preset(run.preset)
    losses = [float(row["val_loss"]) for row in read_metrics(run.metrics)]
    best = run.checkpoints / f"step-{2 * int(np.argmin(losses)) + 2:08d}"
    assert run.best_weights.resolve().parent == best.resolve()
    expected = load_recipe(finished).model()
    expected.load_weights(best / "model.weights.h5")
    for found, value in zip(preset.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(found, value)
    assert type(preset).__name__ == "Jasper" and preset.dtype_policy.name == "float32"


def test_a_folder_with_a_run_is_not_overwritten(finished, tmp_path):
    before = {file: file.read_bytes() for file in finished.rglob("*") if file.is_file()}
    with pytest.raises(ValueError, match="already holds a run.*--resume"):
        train(RECIPE, finished)
    with pytest.raises(ValueError, match="other settings: filters was 8, is 9"):
        train(load_recipe(RECIPE, {"filters": 9, "epochs": 5}), finished, resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="holds no run"):
        train(RECIPE, tmp_path)
    assert before == {file: file.read_bytes() for file in finished.rglob("*") if file.is_file()}


def test_after_sigterm_a_run_goes_on_as_if_nothing_had_happened(finished, tmp_path):
    folder, recipe = tmp_path / "run", load_recipe(RECIPE)
    recipe.callbacks = lambda model: [Kill()]
    with pytest.raises(SystemExit) as exit:
        train(recipe, folder)
    assert exit.value.code == 143
    assert epochs(folder) == [1]
    assert not (folder / "preset").exists()
    assert "SIGTERM" in (folder / "log.txt").read_text()
    assert train(load_recipe(folder, {"epochs": 3}), folder, resume=True).epoch == [1, 2]
    assert epochs(folder) == [1, 2, 3]
    names = ("epoch", "step", "loss", "val_loss")
    found, expected = ([[float(row[n]) for n in names] for row in read_metrics(f / "metrics.csv")]
                       for f in (folder, finished))  # fmt: skip
    np.testing.assert_allclose(found[:2], expected, rtol=1e-5)
    log = RunFolder(folder).log.read_text()
    assert log.count("Epoch 2 of") == 1 and "Resumed in epoch 2 after 1 batches" in log
    assert len(RunFolder(folder).starts.read_text().splitlines()) == 2
    assert (folder / "preset" / "model.weights.h5").is_file()


def test_a_finished_run_has_nothing_left_to_train(finished):
    assert train(finished, resume=True).epoch == []
    assert epochs(finished) == [1, 2]


def test_a_run_that_failed_before_its_first_checkpoint_may_begin_again(tmp_path):
    recipe, run = load_recipe(RECIPE), RunFolder(tmp_path / "run")
    recipe.training_data = lambda model: recipe.speech_dataset(str(tmp_path / "no.jsonl"), model.tokenizer)
    with pytest.raises(ValueError, match="no.jsonl"):
        train(recipe, run.path)
    assert "Traceback" in run.log.read_text()
    run.check(load_recipe(RECIPE, {"filters": 9}), resume=False)


def test_the_best_is_judged_by_the_loss_where_there_is_no_validation_data(tmp_path):
    recipe, training = load_recipe(RECIPE, {"keep_checkpoints": 2}), [()]
    monitors = [_callbacks(recipe, RunFolder(tmp_path), training, data)[0].monitor for data in (training, None)]
    assert monitors == ["val_loss", "loss"]


def test_an_epoch_is_in_the_metrics_once_and_new_columns_join(tmp_path):
    from s2s_keras.training.run_folder import EpochLog

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(StaticLossScale(keras.optimizers.SGD(0.5)), "mse")
    log = EpochLog(tmp_path / "metrics.csv")
    log.set_model(model)
    log.set_params({"epochs": 3})
    for epoch, logs in ((0, {"loss": 3.0}), (1, {"loss": 2.0}), (1, {"loss": 1.0, "val_loss": 5.0})):
        log.on_epoch_begin(epoch)
        log.on_epoch_end(epoch, logs)
    with open(tmp_path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["loss"], row["val_loss"]) for row in rows] == [("1", "3.0", ""), ("2", "1.0", "5.0")]


def test_loss_scale_follows_the_precision():
    def scaled(**settings):
        return scale_loss(load_recipe(RECIPE, settings), keras.optimizers.SGD(0.1))

    assert type(scaled()) is StaticLossScale and scaled().initial_scale == 1
    assert type(scaled(dtype_policy="mixed_bfloat16", loss_scale="logmax")) is StaticLossScale
    assert type(scaled(dtype_policy="mixed_float16")) is BackoffLossScale
    assert type(scaled(dtype_policy="mixed_float16", loss_scale="logmax")) is LogMaxLossScale
    assert scaled(dtype_policy="mixed_float16", loss_scale=64.0).initial_scale == 64
    own = LogMaxLossScale(keras.optimizers.SGD(0.1))
    assert scale_loss(load_recipe(RECIPE), own) is own


def test_evaluate_and_infer_take_a_run(finished, tmp_path):
    last = read_metrics(RunFolder(finished).metrics)
    result = evaluate(finished)
    assert result["loss"] == pytest.approx(min(float(row["val_loss"]) for row in last), rel=1e-4)
    result = evaluate(finished, CLIPS)
    assert list(result) == ["wer", "cer", "utterances", "seconds", "rtf"] and result["utterances"] == 5
    texts = infer(finished, CLIPS, tmp_path / "texts.txt")
    assert (tmp_path / "texts.txt").read_text().splitlines() == texts
    rows = [json.loads(line) for line in CLIPS.read_text().splitlines()]
    audio = [str(CLIPS.parent / row["audio_filepath"]) for row in rows]
    assert texts == load_model(finished).transcribe(audio) == from_preset(finished / "preset").transcribe(audio)
    infer(finished, CLIPS, tmp_path / "texts.csv")
    with open(tmp_path / "texts.csv", newline="") as file:
        table = list(csv.reader(file))
    assert table == [["wav_filename", "predicted_transcript"], *map(list, zip(audio, texts, strict=True))]
    infer(finished, CLIPS, tmp_path / "texts.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text().splitlines()]
    assert [line["pred_text"] for line in lines] == texts
    assert [line["text"] for line in lines] == [row["text"] for row in rows]


def test_infer_writes_all_or_nothing(finished, tmp_path):
    with pytest.raises(ValueError, match=".csv, .jsonl, .txt"):
        infer(finished, CLIPS, tmp_path / "texts.doc")
    rows = [json.loads(line) for line in CLIPS.read_text().splitlines()]
    (tmp_path / "bad.flac").write_text("no audio")
    lines = [{"audio_filepath": str(CLIPS.parent / rows[0]["audio_filepath"]), "text": "a"}]
    lines += [{"audio_filepath": str(tmp_path / "bad.flac"), "text": "b"}]
    (tmp_path / "bad.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ValueError, match="bad.flac"):
        infer(finished, tmp_path / "bad.jsonl", tmp_path / "texts.csv", batch_size=1)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bad.flac", "bad.jsonl"]


def test_what_is_not_trained_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="has no run in runs/tiny_recipe"):
        load_model(RECIPE)
    with pytest.raises(ValueError, match="brings no data"):
        evaluate("jasper_small_an4_en")


def test_benchmark_counts_what_was_trained():
    recipe = load_recipe(RECIPE)
    training = recipe.training_data(recipe.model())
    durations = [json.loads(line)["duration"] for line in CLIPS.read_text().splitlines()]
    items, seconds = _work(recipe, training, range(1, 4))  # two batches of two in an epoch of five clips
    assert items == 6
    assert sum(sorted(durations)[:4]) < seconds < sum(durations) + sum(sorted(durations)[-2:])
    plan = training.plan
    expected = [plan.global_batches(0)[1], *plan.global_batches(1)]
    assert seconds == pytest.approx(sum(plan.durations[batch].sum() for batch in expected))
    assert _work(recipe, [()] * 2, range(3)) == (6, None)
