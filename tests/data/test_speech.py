import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from s2s_keras.data import SpeedPerturbation, TimeStretch, UtteranceError, load_manifest, speech_dataset
from s2s_keras.losses import CTC

ROOT = Path(__file__).resolve().parents[2]


def test_sources(write_corpus, tokenizer):
    first, second = write_corpus([0.2, 0.3]), write_corpus([0.4], name="more.jsonl")
    together = speech_dataset([first, second], tokenizer)
    assert [os.path.basename(e.utterance.manifest) for e in together.examples] == ["train.jsonl"] * 2 + ["more.jsonl"]
    assert len(speech_dataset(Path(first), tokenizer).examples) == 2
    assert len(speech_dataset(load_manifest(second), tokenizer).examples) == 1


@pytest.mark.parametrize("share, counts", [(0.0, (4, 0)), (0.5, (4, 4)), (1 / 3, (4, 2)), (1.0, (0, 5))])
def test_synthetic_speech_is_mixed_in(write_corpus, tokenizer, share, counts):
    natural, synthetic = write_corpus([0.2] * 4), write_corpus([0.1] * 5, name="synthetic.jsonl")
    dataset = speech_dataset(natural, tokenizer, synthetic=synthetic, synthetic_share=share)
    names = [os.path.basename(example.utterance.manifest) for example in dataset.examples]
    assert (names.count("train.jsonl"), names.count("synthetic.jsonl")) == counts
    assert len({(e.utterance.manifest, e.utterance.audio) for e in dataset.examples}) == sum(counts)
    with pytest.raises(ValueError, match="beside 4 natural utterances needs 16 synthetic ones. Received: 5"):
        speech_dataset(natural, tokenizer, synthetic=synthetic, synthetic_share=0.8)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]. Received: synthetic_share=2"):
        speech_dataset(natural, tokenizer, synthetic=synthetic, synthetic_share=2)


def test_text_can_be_normalized(write_corpus, tokenizer):
    manifest = write_corpus([0.2], ["Yes"])
    with pytest.raises(UtteranceError, match="train.jsonl, line 1: The character 'Y'"):
        speech_dataset(manifest, tokenizer)
    dataset = speech_dataset(manifest, tokenizer, normalize=str.lower)
    assert tokenizer.decode(dataset.batch(0, 0)[1][0]) == "yes"


def test_a_recording_without_speech(write_corpus, tokenizer):
    manifest = write_corpus([0.2, 0.3], ["", "yes"])
    with pytest.raises(UtteranceError, match="train.jsonl, line 1: the text is empty"):
        speech_dataset(manifest, tokenizer)
    dataset = speech_dataset(manifest, tokenizer, allow_empty=True, shuffle=False)
    inputs, labels = dataset.batch(0, 0)
    assert sorted(tokenizer.decode(row) for row in labels) == ["", "yes"]
    logits = np.zeros((2, 9, tokenizer.vocabulary_size), "float32")
    silent = [tokenizer.decode(row) == "" for row in labels].index(True)
    loss = CTC(reduction=None)
    assert float(loss(labels, logits)[silent]) == pytest.approx(9 * np.log(tokenizer.vocabulary_size), rel=1e-5)
    logits[..., 0] = 20.0  # nothing but blanks
    assert float(loss(labels, logits)[silent]) < 1e-5
    alone = speech_dataset(write_corpus([0.2], [""]), tokenizer, allow_empty=True)
    assert not alone.batch(0, 0)[1].any()


def test_speed_counts_when_labels_must_fit(write_corpus, tokenizer):
    manifest = write_corpus([1.0], ["abcdefghi"])
    speech_dataset(manifest, tokenizer, frames_per_second=9)
    speech_dataset(manifest, tokenizer, frames_per_second=10, augmentation=SpeedPerturbation())
    for augmentation in (SpeedPerturbation(), [TimeStretch(0.9, 1.05), SpeedPerturbation((1.0, 1.05))]):
        with pytest.raises(UtteranceError, match="needs 9 output frames"):
            speech_dataset(manifest, tokenizer, frames_per_second=9.5, augmentation=augmentation)


def test_other_sample_rates(write_corpus, tokenizer):
    inputs, _ = speech_dataset(write_corpus([0.5]), tokenizer, sample_rate=8000).batch(0, 0)
    assert inputs["audio"].shape == (1, 4000) and inputs["audio_lengths"].tolist() == [4000]


def test_buckets(write_corpus, tokenizer):
    manifest = write_corpus([0.2, 0.25, 0.8, 1.1])
    assert speech_dataset(manifest, tokenizer).plan.boundaries == (1.1,)
    assert speech_dataset(manifest, tokenizer, buckets=2).plan.boundaries == (0.25, 1.1)
    assert speech_dataset(manifest, tokenizer, buckets=(0.5, 1.0)).plan.boundaries == (0.5, 1.0, 1.1)


def test_only_jax_pads_to_the_boundary_unasked(write_corpus, tokenizer):
    dataset = speech_dataset(write_corpus([0.2, 0.5]), tokenizer, batch_size=1, buckets=(1.0,))
    lengths = [x["audio"].shape[1] for x, _ in dataset]
    assert lengths == ([16000, 16000] if keras.backend.backend() == "jax" else [3200, 8000])


@pytest.mark.parametrize(
    "option, message",
    [
        ({"on_error": "ignore"}, "on_error='ignore'"),
        ({"verify": "all"}, "verify='all'"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"buckets": 0}, "at least one bucket"),
        ({"num_shards": 2, "shard_index": 2}, "shard_index=2"),
    ],
)
def test_arguments_out_of_range(write_corpus, tokenizer, option, message):
    with pytest.raises(ValueError, match=message):
        speech_dataset(write_corpus([0.2]), tokenizer, **option)


def test_real_corpora(shared, tokenizer):
    data = shared / "data"
    dev = speech_dataset(data / "an4/manifest_dev.jsonl", tokenizer, 16, buckets=3, frames_per_second=50)
    inputs, labels = dev.batch(0, 0)
    assert len(dev) == 7 and labels.max() < 29 and 0.01 < np.abs(inputs["audio"]).max() <= 1.0
    kathleen = speech_dataset(
        data / "tts_en_kathleen/manifest_dev.jsonl",
        tokenizer,
        normalize=lambda text: "".join(c for c in text.lower() if c in tokenizer.characters),
    )
    assert len(kathleen.examples) == 40
    with pytest.raises(ValueError, match="Skipped 40 utterances: 40 unknown label"):
        speech_dataset(data / "tts_en_kathleen/manifest_dev.jsonl", tokenizer, on_error="skip")


WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None  # importing it raises ImportError
import keras
import numpy as np
from s2s_keras.data import speech_dataset
from s2s_keras.tokenizers import CharacterTokenizer
dataset = speech_dataset(sys.argv[1], CharacterTokenizer(), batch_size=1, shuffle=True)
audio, lengths = keras.Input((None,), name="audio"), keras.Input((), dtype="int32", name="audio_lengths")
frames = keras.layers.Conv1D(29, 400, strides=160)(keras.ops.expand_dims(audio, -1))
model = keras.Model({"audio": audio, "audio_lengths": lengths}, frames)
model.compile("sgd", keras.losses.CTC())
print("loss", np.isfinite(model.fit(dataset.for_fit(), verbose=0).history["loss"][0]))
"""


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="needs another backend")
def test_fit_without_tensorflow(write_corpus):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, write_corpus([0.5, 0.7])],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "loss True", done.stderr


def test_batches_by_seconds(write_corpus, tokenizer):
    manifest = write_corpus([0.2] * 7 + [0.4] * 3 + [0.5] * 2)
    dataset = speech_dataset(manifest, tokenizer, batch_seconds=1.0, buckets=(0.2, 0.5), shuffle=True)
    for _ in range(2):
        shapes = [inputs["audio"].shape for inputs, _ in dataset]
        assert len(shapes) == len(dataset) == 5
        assert sorted(rows for rows, _ in shapes) == [1, 2, 2, 2, 5]
        assert all(rows * samples <= 16000 for rows, samples in shapes)
    stretched = speech_dataset(manifest, tokenizer, batch_seconds=1.0, augmentation=SpeedPerturbation((0.5,)))
    assert max(len(labels) for _, labels in stretched) == 1
    with pytest.raises(ValueError, match=r"up to 0\.50 s.* batch_seconds=0\.4; raise batch_seconds"):
        speech_dataset(manifest, tokenizer, batch_seconds=0.4)


def test_statistics(write_corpus, tokenizer):
    manifest = write_corpus([0.2, 0.4, 0.5, 0.5], ["a", "b", "c", ""])
    dataset = speech_dataset(manifest, tokenizer, 2, on_error="skip", pad_to_boundary=False)
    assert dataset.statistics(0) == {
        "batches": 2,
        "utterances": 3,
        "audio_hours": pytest.approx(1.1 / 3600),
        "padding": pytest.approx(0.2 / 1.3),
        "empty_rows": 0,
        "skipped": 1,
        "skipped/empty text": 1,
    }
