import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from s2s_keras.applications import Application, Jasper, QuartzNet  # noqa: E402
from s2s_keras.convert import nemo  # noqa: E402
from tests.convert import nemo_oracle as oracle  # noqa: E402


def block(filters, kernel, repeat=1, stride=1, dilation=1, residual=False, **others):
    sizes = {"kernel": [kernel], "stride": [stride], "dilation": [dilation]}
    return {"filters": filters, "repeat": repeat, **sizes, "dropout": 0.0, "residual": residual, **others}


PREPROCESSOR = {
    "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
    "normalize": "per_feature",
    "window_size": 0.02,
    "window_stride": 0.01,
    "window": "hann",
    "sample_rate": 8000,
    "features": 16,
    "n_fft": 256,
    "frame_splicing": 1,
    "dither": 1e-5,
    "pad_to": 16,
}
SEPARABLE = {"separable": True}
BLOCKS = {
    QuartzNet: [
        block(8, 5, stride=2, **SEPARABLE),
        block(8, 5, repeat=2, residual=True, **SEPARABLE),
        block(12, 7, repeat=2, residual=True, **SEPARABLE),
        block(12, 9, dilation=2, **SEPARABLE),
        block(16, 1),
    ],
    Jasper: [
        block(8, 5, stride=2),
        block(8, 5, repeat=2, residual=True, residual_dense=True),
        block(12, 7, repeat=1, residual=True, residual_dense=True),
        block(12, 9, dilation=2),
        block(16, 1),
    ],
}


def config(family):
    labels = [" ", "b", "a", "ä"]
    return {
        "target": "nemo.collections.asr.models.ctc_models.EncDecCTCModel",
        "labels": labels,
        "preprocessor": dict(PREPROCESSOR),
        "encoder": {"feat_in": 16, "activation": "relu", "conv_mask": True, "jasper": copy.deepcopy(BLOCKS[family])},
        "decoder": {"feat_in": 16, "num_classes": 4, "vocabulary": labels},
    }


@pytest.fixture
def archive(tmp_path):
    """Function (family, changes of state and configuration) -> path of an archive, and the recognizer in it."""

    def make(family=QuartzNet, spoil=lambda settings, state: None, **options):
        settings = config(family)
        recognizer = oracle.Recognizer(settings).eval()
        with torch.no_grad():
            oracle.randomize(recognizer)
        state = recognizer.state_dict()
        state["preprocessor.featurizer.window"] = torch.zeros(160)
        spoil(settings, state)
        oracle.write_archive(tmp_path / "model.nemo", settings, state, **options)
        return tmp_path / "model.nemo", recognizer

    return make


@pytest.mark.parametrize("family, options", [(QuartzNet, {"mode": "w"}), (Jasper, {})])
def test_waveform_to_logits_as_in_nemo(archive, family, options):
    path, recognizer = archive(family, **options)
    model = nemo.load_model(path)
    assert type(model) is family
    rng = np.random.default_rng(0)
    audio = rng.uniform(-0.5, 0.5, (2, 8000)).astype("float32")
    lengths = np.array([8000, 5000], "int32")
    with torch.no_grad():
        expected, frames = recognizer(torch.tensor(audio), lengths)
    found = model.predict_on_batch({"audio": audio, "audio_lengths": lengths})
    expected = np.roll(expected.numpy(), 1, axis=-1)
    for n, count in enumerate(frames):
        np.testing.assert_allclose(found[n, :count], expected[n, :count], rtol=0, atol=1e-4)
        assert np.all(found[n, count:, 1:] == -1e9)
    assert np.abs(expected).max() > 0.5
    assert model.tokenizer.decode([1, 2, 3, 4]) == " baä"


def test_model_goes_on_as_a_preset(archive, tmp_path):
    model = nemo.load_model(archive()[0])
    model.save_to_preset(tmp_path / "preset")
    again = Application.from_preset(tmp_path / "preset")
    assert again.get_config() == model.get_config()


def subwords(settings, state):
    settings["decoder"]["vocabulary"] = ["▁the", "a"]


def squeeze_and_excitation(settings, state):
    settings["encoder"]["jasper"][1]["se"] = True


def stride_in_the_middle(settings, state):
    settings["encoder"]["jasper"][2]["stride"] = [2]


def spliced_frames(settings, state):
    settings["preprocessor"]["frame_splicing"] = 2


def no_encoder(settings, state):
    del settings["encoder"]


def missing(settings, state):
    del state["encoder.encoder.2.res.0.0.conv.weight"]


def left_over(settings, state):
    state["encoder.encoder.5.mconv.0.conv.weight"] = torch.zeros(1)


def other_shape(settings, state):
    state["decoder.decoder_layers.0.bias"] = torch.zeros(7)


def not_finite(settings, state):
    state["encoder.encoder.0.mconv.2.weight"][0] = torch.nan


def code(settings, state):
    state["run"] = print


@pytest.mark.parametrize(
    "spoil, message",
    [
        (subwords, "single characters"),
        (squeeze_and_excitation, "block 1 has se=True"),
        (stride_in_the_middle, "not laid out as those of QuartzNet"),
        (spliced_frames, "frame_splicing=2"),
        (no_encoder, "no section 'encoder'"),
        (missing, r"1 missing: encoder.encoder.2.res.0.0.conv.weight\."),
        (left_over, r"1 without a place in the model: encoder.encoder.5.mconv.0.conv.weight\."),
        (other_shape, r"decoder.decoder_layers.0.bias \(7,\), in the model \(5,\)\."),
        (not_finite, r"1 not finite: encoder.encoder.0.mconv.2.weight\."),
        (code, "more than tensors"),
    ],
)
def test_what_cannot_be_converted_is_one_sentence(archive, spoil, message):
    with pytest.raises(ValueError, match=message):
        nemo.load_model(archive(spoil=spoil)[0])


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_truncated_archive(archive, part):
    path, _ = archive()
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match="cut short"):
        nemo.load_model(path)
