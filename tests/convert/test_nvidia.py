import os

import numpy as np
import pytest
from keras import ops

torch = pytest.importorskip("torch")

from s2s_keras.applications import Application, Tacotron2NVIDIA  # noqa: E402
from s2s_keras.convert import nvidia  # noqa: E402
from s2s_keras.tokenizers import NVIDIASpeechTokenizer  # noqa: E402
from tests.convert.nemo_oracle import randomize  # noqa: E402
from tests.convert.nvidia_oracle import Network  # noqa: E402

pytestmark = pytest.mark.skipif(os.environ["KERAS_BACKEND"] != "torch", reason="the same on every backend")


@pytest.fixture(scope="module")
def network():
    network = Network().eval()
    with torch.no_grad():
        randomize(network)
    return network


@pytest.fixture
def saved(network, tmp_path):
    """Function (change of the state) -> path of a file of PyTorch."""

    def save(change=lambda state: state):
        torch.save(change(dict(network.state_dict())), tmp_path / "tacotron2.pt")
        return tmp_path / "tacotron2.pt"

    return save


def test_frames_as_of_the_original(network, saved):
    model = nvidia.load_model(saved())
    assert type(model) is Tacotron2NVIDIA and (model.sample_rate, model.front_end.max_frequency) == (22050, 8000)
    model.get_layer("decoder").prenet.dropout = 0.0
    token_ids = np.array([[38, 11, 60, 147, 7]], "int32")
    mel = np.random.default_rng(0).normal(size=(1, 12, 9)).astype("float32")
    with torch.no_grad():
        taught = network(torch.tensor(token_ids), torch.tensor(mel))
        free = network(torch.tensor(token_ids), steps=12)
    found = model.predict_on_batch({"token_ids": token_ids, "mel": mel, "mel_lengths": np.array([12], "int32")})
    for name, expected in zip(("mel", "mel_postnet", "stop"), taught, strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-4, err_msg=name)
    state = model._stages.start.predict_on_batch({"token_ids": token_ids})
    found, _ = model._stages.steps.predict_on_batch({"state": state, "drawn": np.zeros((12, 1, 1), "float32")})
    for name, expected in (("mel", free[0]), ("stop", free[2])):
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-4, err_msg=name)
    corrected = model._finish(found["mel"], np.array([12]))["mel"][:, :12]
    np.testing.assert_allclose(corrected, free[1], rtol=0, atol=1e-4)
    assert float((free[1] - taught[1]).abs().max()) > 0.01


def test_checkpoint_of_training_goes_on_as_a_preset(saved, tmp_path):
    def checkpoint(state):
        state["decoder.gate_layer.linear_layer.bias"] = torch.tensor([50.0])
        state = {f"module.{name}": value for name, value in state.items()}
        return {"iteration": 9, "state_dict": state, "optimizer": {"lr": 1e-3}}

    nvidia.load_model(saved(checkpoint)).save_to_preset(tmp_path / "preset")
    model = Application.from_preset(tmp_path / "preset")
    assert model.tokenizer.encode("{HH AH0}, 5.") == [106, 73, 6, 11, 43, 46, 59, 42, 7]
    assert ops.convert_to_numpy(model.get_layer("decoder").stop_layer.bias)[0] == 50.0
    assert model.most_frames(9) == 1000 and model.most_frames(200) == 2000


def test_another_number_of_symbols_has_no_tokenizer(tmp_path):
    torch.save(Network(symbols=30).state_dict(), tmp_path / "german.pt")
    model = nvidia.load_model(tmp_path / "german.pt")
    assert model.tokenizer is None and model.vocabulary_size == 30


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda state: {"embedding": state["embedding.weight"]}, "no Tacotron 2 as NVIDIA names it: expected .*prenet"),
        (lambda state: without(state, "encoder.lstm.bias_hh_l0"), r"1 missing: encoder.lstm.bias_hh_l0\."),
        (lambda state: {**state, "decoder.more": torch.zeros(1)}, r"1 without a place in the model: decoder.more\."),
        (
            lambda state: {**state, "decoder.attention_rnn.bias_ih": torch.zeros(3)},
            r"1 of another shape: decoder.attention_rnn.bias_ih \(3,\), in the model \(28,\)\.",
        ),
        (
            lambda state: {**state, "postnet.convolutions.4.1.bias": torch.full((9,), torch.nan)},
            r"1 not finite: postnet.convolutions.4.1.bias\.",
        ),
        (lambda state: {**state, "run": print}, "no file of tensors"),
        (lambda state: [1, 2], "no file of tensors"),
    ],
)
def test_what_cannot_be_converted_is_one_sentence(saved, change, message):
    with pytest.raises(ValueError, match=message):
        nvidia.load_model(saved(change))


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_truncated_file(saved, part):
    path = saved()
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match="cut short"):
        nvidia.load_model(path)


def test_symbols_of_the_original():
    tokenizer = NVIDIASpeechTokenizer()
    assert tokenizer.encode("-!'(),.:;? az") == [*range(1, 12), 38, 63]
    assert tokenizer.encode("{AA AA0 B ZH} A") == [64, 65, 88, 147, 11, 38]
    assert tokenizer.decode(tokenizer.encode("oh {OW1}")) == "oh {OW1}"
    with pytest.warns(UserWarning, match="QUOTATION MARK.*It is left out"):
        assert tokenizer.encode('"a"') == [38]
