import keras
import numpy as np
import pytest

from s2s_keras.applications import AlexNet, Application, CifarNV, Classification, ImageClassifier
from s2s_keras.convert.open_seq2seq import load_variables, name_table
from s2s_keras.ops.images import write_image
from tests.applications.image_case import ImageTestCase
from tests.checks import count_parameters, values


class TestAlexNet(ImageTestCase):
    application = AlexNet
    arguments = {
        "convolutions": ((4, 5, 2, "valid", True), (6, 3, 1, "same", False)),
        "hidden_dims": (8, 7),
        "dropout": 0.1,
        "num_classes": 5,
        "image_shape": (16, 16, 3),
    }
    num_parameters = 304 + 222 + (2 * 2 * 6 + 1) * 8 + 9 * 7 + 8 * 5
    encoder_shape = (None, 7)
    float32_layers = ("normalization", "logits")
    not_in_config = (*ImageTestCase.not_in_config, "pooling")


class TestCifarNV(ImageTestCase):
    application = CifarNV
    arguments = {"filters": (4, 6), "num_classes": 5, "image_shape": (16, 16, 3)}
    num_parameters = 112 + 148 + 144 + 8 + 222 + 42 + 35
    encoder_shape = (None, 8, 8, 6)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the same on every backend")
def test_sizes_of_the_originals_networks():
    assert count_parameters(AlexNet, num_classes=1000) == 61_100_840
    assert count_parameters(CifarNV, num_classes=10) == 2_617_994


@pytest.mark.parametrize("case", [TestAlexNet, TestCifarNV])
def test_names_of_the_originals_checkpoints(case):
    model, again = case().make(), case.application(**case.arguments)
    variables = {name: values([weight])[0] for name, weight in name_table(model).items()}
    kinds = {name.split("/")[2].rstrip("_0123456789") for name in variables if "cnn_encoder" in name}
    assert kinds == ({"conv2d", "dense"} if case is TestAlexNet else {"conv2d", "batch_normalization"})
    load_variables(again, variables)
    np.testing.assert_array_equal(case().outputs(again), case().outputs(model))


def brightness(**changes):
    """Says class 0 of dark pictures and class 1 of bright ones."""
    arguments = {"labels": ("dark", "bright"), "image_shape": (4, 4, 1), "mean": 127.5, "deviation": 10.0}
    model = ImageClassifier([keras.layers.ReLU()], **{**arguments, **changes})
    if changes.get("include_top", True):
        model.get_layer("logits").set_weights([np.array([[0.0, 1.0]] * model.image_shape[-1]), np.array([1.0, 0.0])])
    return model


def test_classify_reads_files_and_arrays(tmp_path):
    model, bright = brightness(), np.full((8, 8), 250, "uint8")
    write_image(tmp_path / "bright.png", bright)
    write_image(tmp_path / "dark.jpg", np.zeros((5, 9, 3)))
    pictures = [tmp_path / "bright.png", str(tmp_path / "dark.jpg"), bright, np.zeros((4, 4, 1), "float32")]
    assert [found.label for found in model.classify(pictures, batch_size=3)] == ["bright", "dark", "bright", "dark"]
    single = model.classify(bright)
    assert isinstance(single, Classification) and single == model.classify(pictures)[2]
    assert [label for label, _ in model.classify(bright, top_k=2)] == ["bright", "dark"]
    assert [found.label for found in model.classify(np.stack([bright, 0 * bright])[..., None])] == ["bright", "dark"]
    assert model.classify([]) == []


def moved(images, shift):
    """The pictures moved by up to `shift` pixels, with black where nothing was."""
    height, width = images.shape[1:3]
    padded, steps = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0))), range(2 * shift + 1)
    return [padded[:, down : down + height, right : right + width] for down in steps for right in steps]


@pytest.mark.parametrize("pooling, mirror, shift", [("mean", True, 0), ("flatten", True, 1), ("mean", False, 2)])
def test_views_are_averaged_outside_training(pooling, mirror, shift, tmp_path):
    def make(**changes):
        layers = [keras.layers.Conv2D(6, 3, activation="relu"), keras.layers.BatchNormalization()]
        return ImageClassifier(layers, num_classes=3, image_shape=(6, 5, 2), pooling=pooling, **changes)

    plain, averaged = make(), make(mirror=mirror, shift=shift)
    averaged.set_weights(plain.get_weights())
    images = np.random.default_rng(0).uniform(0.0, 255.0, (4, 6, 5, 2)).astype("float32")
    views = [view for some in ((images, images[:, :, ::-1]) if mirror else (images,)) for view in moved(some, shift)]
    assert len(views) == {("mean", 0): 2, ("flatten", 1): 18, ("mean", 2): 25}[pooling, shift]
    expected = np.mean([plain.predict_on_batch(view) for view in views], axis=0)
    assert np.abs(expected - plain.predict_on_batch(images)).max() > 1e-2, "a picture and its views differ"
    np.testing.assert_allclose(averaged.predict_on_batch(images), expected, rtol=0, atol=1e-5)
    averaged.save(tmp_path / "model.keras")
    averaged.save_to_preset(tmp_path / "preset")
    for again in (keras.saving.load_model(tmp_path / "model.keras"), Application.from_preset(tmp_path / "preset")):
        np.testing.assert_allclose(again.predict_on_batch(images), expected, rtol=0, atol=1e-5)
    training = [values([model(images, training=True)])[0] for model in (averaged, plain)]
    np.testing.assert_array_equal(*training)
    encoder, plain_encoder = make(include_top=False, mirror=mirror, shift=shift), make(include_top=False)
    encoder.set_weights(plain_encoder.get_weights())
    np.testing.assert_array_equal(encoder.predict_on_batch(images), plain_encoder.predict_on_batch(images))


def test_classify_takes_colours_and_gray():
    red = np.zeros((4, 4, 3), "uint8")
    red[..., 0] = 255
    blue = red[..., ::-1]
    thirty_percent = brightness(mean=50.0)
    assert [thirty_percent.classify(picture).label for picture in (red, blue)] == ["bright", "dark"]  # as eyes see it
    assert brightness(image_shape=(4, 4, 3)).classify(np.full((4, 4), 250)).label == "bright"


def test_the_middle_of_a_wide_picture_counts_undistorted():
    wide = np.zeros((8, 32), "uint8")
    wide[:, 12:20] = 255
    assert brightness(mean=220.0).classify(wide).label == "bright"  # of all pixels, 64 is the mean


def test_what_is_no_picture_is_one_sentence(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    model = brightness()
    for picture, message in (
        (tmp_path / "none.png", "no such file"),
        (tmp_path / "broken.png", "broken.png: the picture cannot be read"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.zeros((4, 4, 2)), r"shape \(4, 4, 2\)"),
        (np.zeros((0, 4)), r"shape \(0, 4, 1\)"),
        (np.full((4, 4), -1.0), "-1.0 to -1.0"),
        (np.full((4, 4), np.nan), "nan"),
        (np.full((4, 4), "a"), "dtype <U1"),
    ):
        with pytest.raises(ValueError, match=message):
            model.classify(picture)
    with pytest.raises(ValueError, match="needs the head"):
        brightness(include_top=False).classify(np.zeros((4, 4)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"image_shape": (4, 4)}, "height, width, channels"),
        ({"image_shape": (4, None, 1)}, "height, width, channels"),
        ({"mean": (1.0, 2.0)}, "one for each of the 1 channels"),
        ({"deviation": 0.0}, "positive"),
        ({"pooling": "max"}, "mean"),
        ({"shift": -1}, "0 or more"),
        ({"shift": 0.5}, "0 or more"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        brightness(**arguments)


def test_layers_and_models_become_classifiers(tmp_path):
    x = np.random.default_rng(0).uniform(0.0, 255.0, (2, 4, 4, 1)).astype("float32")
    trunk = ImageClassifier([keras.layers.Conv2D(3, 2)], include_top=False, image_shape=(4, 4, 1), deviation=10.0)
    model = ImageClassifier(trunk, num_classes=3, pooling="flatten")  # the trunk has `image_shape`
    assert (model.image_shape, model.mean, model.deviation) == ((4, 4, 1), 127.5, 10.0)
    kernel, bias = values(model.get_layer("logits").weights)
    expected = np.asarray(trunk.predict_on_batch(x)).reshape(2, -1) @ kernel + bias
    np.testing.assert_allclose(model.predict_on_batch(x), expected, rtol=0, atol=1e-4)
    for each in (trunk, model):
        each.save_to_preset(tmp_path / "preset")
        each.save(tmp_path / "model.keras")
        for again in (Application.from_preset(tmp_path / "preset"), keras.models.load_model(tmp_path / "model.keras")):
            np.testing.assert_array_equal(again.predict_on_batch(x), each.predict_on_batch(x))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports")
@pytest.mark.parametrize("int8, tolerance", [(False, 1e-5), (True, 0.1)])
def test_exported_models_take_pixels(int8, tolerance, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    case = TestCifarNV()
    model, x = case.make(), case.inputs()
    model.export(tmp_path / "model.tflite", format="litert", int8=int8)
    interpreter = Interpreter(str(tmp_path / "model.tflite"))
    signature = interpreter.get_signature_list()["serving_default"]
    assert signature == {"inputs": ["image"], "outputs": ["logits"]}
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, x)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, model.predict_on_batch(x), rtol=0, atol=tolerance)
