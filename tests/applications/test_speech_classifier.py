import h5py
import keras
import numpy as np
import pytest

from s2s_keras.applications import Application, Jasper, SpeechClassifier
from s2s_keras.applications.classifier import check_labels
from s2s_keras.layers import JasperBlock
from tests.checks import as_json, randomize, values
from tests.test_case import SMALL

CLASSES = {**SMALL, "num_classes": 3}


def block():
    return JasperBlock(8, 3, strides=2, name="block")


def small_jasper(**kwargs):
    model = Jasper(blocks=((8, 3, 0.0),), repeat=1, prologue=((8, 3, 0.0),), epilogue=((8, 3, 0.0),), **SMALL, **kwargs)
    randomize(model)
    return model


@pytest.mark.parametrize(
    "make", [lambda: SpeechClassifier([block()], **CLASSES), lambda: small_jasper().as_classifier(("a", "b"))]
)
def test_round_trips(make, tmp_path):
    model = make()
    randomize(model)
    inputs = {"audio": np.random.default_rng(0).uniform(-1, 1, (2, 250)).astype("float32")}
    inputs["audio_lengths"] = np.array([250, 130])
    expected = keras.ops.convert_to_numpy(model(inputs))
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    for again in (Application.from_preset(tmp_path / "preset"), keras.models.load_model(tmp_path / "model.keras")):
        assert as_json(again.get_config()) == as_json(model.get_config())
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(inputs)), expected)
    longer = {**inputs, "audio": np.pad(inputs["audio"], ((0, 0), (0, 35)), constant_values=np.nan)}
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(longer)), expected, rtol=0, atol=1e-5)


def test_an_encoder_becomes_a_classifier_with_its_weights():
    recognizer = small_jasper()
    classifier = recognizer.as_classifier(("no", "yes"))
    encoder = Jasper.from_config({**recognizer.get_config(), "include_top": False})
    for weight, expected in zip(classifier.layers[-4].weights, recognizer.weights, strict=False):
        np.testing.assert_array_equal(*values([weight, expected]))
    encoder.set_weights(values(classifier.layers[-4].weights))
    audio = np.random.default_rng(0).uniform(-1, 1, (1, 250)).astype("float32")
    inputs = {"audio": np.pad(audio, ((0, 0), (0, 50))), "audio_lengths": np.array([250])}
    kernel, bias = values(classifier.get_layer("logits").weights)
    features = keras.ops.convert_to_numpy(encoder(inputs))[0, : 1 + 250 // 20]  # a hop of 10 samples, halved once
    found = keras.ops.convert_to_numpy(classifier(inputs))[0]
    np.testing.assert_allclose(found, features.mean(axis=0) @ kernel + bias, rtol=0, atol=1e-5)
    before = values(recognizer.weights)
    classifier.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    classifier.fit(inputs, np.array([1]), verbose=0)
    for weight, old in zip(values(recognizer.weights), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_a_dtype_is_that_of_the_encoder_too(tmp_path):
    model = small_jasper().as_classifier(("a", "b"))
    model.save_to_preset(tmp_path / "half", half_precision=True)
    model.save_to_preset(tmp_path / "full")
    kinds = {}
    with h5py.File(tmp_path / "half" / "model.weights.h5") as file:
        file.visititems(lambda name, x: kinds.update({name: x.dtype.name}) if getattr(x, "ndim", 0) == 3 else None)
    assert len(kinds) == 4 and set(kinds.values()) == {"float16"}
    again = Application.from_preset(tmp_path / "half")
    assert {w.dtype for w in again.trainable_weights} == {"float32"}
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    mixed = Application.from_preset(tmp_path / "full", dtype="mixed_bfloat16")
    assert mixed.encoder.get_layer("block_0").compute_dtype == "bfloat16"
    assert mixed.encoder.front_end.compute_dtype == "float32"
    inner = Jasper(blocks=((8, 3, 0.0),), repeat=1, dtype="mixed_bfloat16", include_top=False, **SMALL)
    assert SpeechClassifier(inner, num_classes=2).encoder is inner


def test_wrong_labels_are_one_sentence():
    for labels, count in ((None, None), (None, 0), (("a", "a"), None), ((1, 2), None), ((), None)):
        with pytest.raises(ValueError, match="labels"):
            check_labels(labels, count)
    with pytest.raises(ValueError, match="2 labels for num_classes=3"):
        check_labels(("a", "b"), 3)


def test_wrong_input_of_classify_is_one_sentence(tmp_path):
    model = SpeechClassifier([block()], **CLASSES)
    with pytest.raises(ValueError, match="no sample"):
        model.classify(np.zeros(0))
    with pytest.raises(ValueError, match="from 1 to the 3 classes"):
        model.classify(np.zeros(100), top_k=4)
    with pytest.raises(ValueError, match="batch_size"):
        model.classify(np.zeros(100), batch_size=0)
    with pytest.raises(ValueError, match="include_top"):
        SpeechClassifier([block()], include_top=False, **SMALL).classify(np.zeros(100))
    with pytest.raises(ValueError, match="pooling"):
        SpeechClassifier([block()], pooling="max", **CLASSES)
    model.get_layer("logits").bias.assign([np.nan, 0.0, 0.0])
    with pytest.raises(ValueError, match="not numbers"):
        model.classify(np.zeros(100))
