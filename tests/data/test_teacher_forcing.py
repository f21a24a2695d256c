import json

import keras
import numpy as np
import pytest
import soundfile

from s2s_keras.data import TeacherForcing, speech_dataset
from s2s_keras.tokenizers import CharacterTokenizer


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    rows = []
    for n, text in enumerate(("ab", "c", "ba")):
        soundfile.write(folder / f"{n}.wav", np.full(1600, 0.1), 16000)
        rows.append(json.dumps({"audio_filepath": f"{n}.wav", "text": text, "duration": 0.1}))
    (folder / "manifest.jsonl").write_text("\n".join(rows))
    return folder / "manifest.jsonl"


@pytest.mark.parametrize("targets", ["attention", "joint"])
def test_batches_of_a_manifest(manifest, targets):
    dataset = speech_dataset(manifest, CharacterTokenizer("abc"), 3, targets=targets)
    inputs, labels = dataset.batch(0, 0)
    assert inputs["decoder_token_ids"].tolist() == [[0, 1, 2], [0, 3, 0], [0, 2, 1]]
    attention = labels["attention"] if targets == "joint" else labels
    assert attention.tolist() == [[1, 2, 4], [3, 4, 0], [2, 1, 4]]
    assert targets == "attention" or labels["ctc"].tolist() == [[1, 2], [3, 0], [2, 1]]
    assert {x.dtype.name for x in keras.tree.flatten([inputs, labels])} == {"float32", "int32"}
    if keras.backend.backend() == "tensorflow":
        ((tf_inputs, tf_labels),) = dataset.for_fit()
        for a, b in zip(keras.tree.flatten((tf_inputs, tf_labels)), keras.tree.flatten((inputs, labels)), strict=True):
            np.testing.assert_array_equal(a.numpy(), b)


def test_a_row_that_fills_a_batch_has_no_target_and_nothing_said_ends_at_once():
    _, targets = TeacherForcing(9)({"audio_lengths": np.array([5, 0, 5])}, np.array([[2], [0], [0]]))
    assert targets.tolist() == [[2, 9], [0, 0], [9, 0]]


def test_unknown_targets(manifest):
    with pytest.raises(ValueError, match="targets='transducer'"):
        speech_dataset(manifest, CharacterTokenizer("abc"), 3, targets="transducer")
