import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications import DeepSpeech2, Jasper, QuartzNet
from s2s_keras.convert.open_seq2seq import load_model, load_variables, name_table
from s2s_keras.layers import PythonSpeechFeatures

BLOCK = (8, 3, 0.0)
SMALL = {"front_end": None, "num_mel_bins": 8}
MASTER, ENCODER = "Loss_Optimization/FP32-master-copy/", "ForwardPass/w2l_encoder/"
HEAD = "ForwardPass/fully_connected_ctc_decoder/fully_connected/"


def small_jasper(**changes):
    arguments = {"blocks": (BLOCK, BLOCK), "repeat": 2, "prologue": BLOCK, "epilogue": (BLOCK,), **SMALL}
    return Jasper(**{**arguments, **changes})


def variables_of(model, seed=0):
    """What a checkpoint of the original would hold for this model."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=weight.shape).astype("float32") for name, weight in name_table(model).items()}


def values(model):
    return {name: ops.convert_to_numpy(weight) for name, weight in name_table(model).items()}


@pytest.fixture
def model():
    return small_jasper()


@pytest.mark.parametrize(
    "file, arguments",
    [
        ("speech2text_jasper10x5_LibriSpeech_nvgrad_eval", {"blocks": (BLOCK,) * 10, "repeat": 5}),
        ("speech2text_w2l_large_8gpus_eval", {"blocks": (BLOCK,) * 5, "repeat": 3, "residual": None, "prologue": ()}),
        ("speech2text_w2lplus_large_8gpus_eval", {"blocks": (BLOCK,) * 5, "repeat": 3, "residual": None}),
        ("speech2text_jasper-Mini-for-Jetson_eval", {"blocks": (BLOCK,) * 10, "repeat": 3, "residual": "plain"}),
    ],
)
def test_names_are_those_of_the_original(shared, file, arguments):
    lines = (shared / "openseq2seq_names" / f"{file}.txt").read_text().splitlines()[1:]
    names = {line.split("\t")[0] for line in lines if line} - {"global_step"}
    separable = any("depthwise" in name for name in names)
    with keras.StatelessScope(initialize_variables=False):
        table = name_table(small_jasper(epilogue=(BLOCK, BLOCK), separable=separable, **arguments))
    keras.utils.clear_session()
    assert set(table) == names


def test_names_of_quartznet_are_those_of_the_original(shared):
    file = shared / "openseq2seq_names" / "speech2text_quartznet15x5_LibriSpeech_eval.txt"
    names = {line.split("\t")[0] for line in file.read_text().splitlines()[1:] if line} - {"global_step"}
    with keras.StatelessScope(initialize_variables=False):
        table = name_table(QuartzNet(blocks=((8, 3),) * 15, prologue=(8, 3), epilogue=(8, 3), head_filters=8, **SMALL))
    keras.utils.clear_session()
    assert set(table) == names


def test_block_and_repetition_are_written_one_after_the_other():
    table = name_table(small_jasper(blocks=(BLOCK,) * 10, repeat=1, prologue=(BLOCK, BLOCK)))
    assert table[f"{ENCODER}conv111/kernel"].path.startswith("block_8/")
    assert table[f"{ENCODER}conv111/res_8/kernel"].path.startswith("block_8/projection_8")


def test_blank_was_last_and_is_first(model):
    variables = variables_of(model)
    load_variables(model, variables)
    kernel, bias = (ops.convert_to_numpy(weight) for weight in model.get_layer("logits").weights)
    np.testing.assert_array_equal(kernel[:, 0], variables[f"{HEAD}kernel"][:, -1])
    np.testing.assert_array_equal(kernel[:, 1:], variables[f"{HEAD}kernel"][:, :-1])
    np.testing.assert_array_equal(bias, np.roll(variables[f"{HEAD}bias"], 1))


def test_training_checkpoint_in_mixed_precision(model):
    masters = variables_of(model)
    half = {n: v.astype("float16") if n.endswith(("kernel", "bias")) else v for n, v in masters.items()}
    slots = {f"Loss_Optimization/{n}/NovoGrad": v for n, v in masters.items()}
    slots |= {f"Loss_Optimization/{MASTER}{n}/NovoGrad": v for n, v in masters.items() if half[n].dtype == "float16"}
    steps = {"global_step": np.int64(7), "Loss_Optimization/Variable": 1.0, "Loss_Optimization/nvgrad2_ema0": 0.0}
    masters_only = {MASTER + n: v for n, v in masters.items() if half[n].dtype == "float16"}
    load_variables(model, {**half, **slots, **steps, **masters_only})
    assert len(masters_only) > 10
    for name, value in values(model).items():
        expected = np.roll(masters[name], 1, axis=-1) if name.startswith(HEAD) else masters[name]
        np.testing.assert_array_equal(value, expected)


def test_half_precision_without_masters(model):
    half = {name: value.astype("float16") for name, value in variables_of(model).items()}
    load_variables(model, half)
    name = f"{ENCODER}conv11/kernel"
    np.testing.assert_array_equal(values(model)[name], half[name].astype("float32"))


class Reader:
    """Looks like TensorFlow's checkpoint reader, and counts."""

    def __init__(self, variables):
        self.variables, self.read = variables, []

    def get_variable_to_shape_map(self):
        return {name: list(np.shape(value)) for name, value in self.variables.items()}

    def get_tensor(self, name):
        self.read.append(name)
        return self.variables[name]


def test_reader_gives_only_what_is_needed(model):
    variables = variables_of(model)
    reader = Reader({**variables, "Loss_Optimization/big": np.zeros(3)})
    load_variables(model, reader)
    assert sorted(reader.read) == sorted(variables)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads a checkpoint with TensorFlow")
def test_checkpoint_on_disk(model, tmp_path):
    variables = variables_of(model)
    write_checkpoint(tmp_path / "model.ckpt-7", variables)
    load_variables(model, tmp_path / "model.ckpt-7")
    name = f"{ENCODER}conv32/res_1/kernel"
    np.testing.assert_array_equal(values(model)[name], variables[name])


def test_encoder_alone_ignores_the_output_layer(model):
    encoder = small_jasper(include_top=False)
    variables = variables_of(model)
    load_variables(encoder, variables)
    np.testing.assert_array_equal(values(encoder)[f"{ENCODER}conv41/kernel"], variables[f"{ENCODER}conv41/kernel"])


def write_checkpoint(prefix, variables):
    import tensorflow as tf

    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=list(variables.values()),
    )


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="writes a checkpoint with TensorFlow")
def test_checkpoint_of_deep_speech_becomes_a_model_and_a_cut_one_an_error(shared, tmp_path):
    variables = np.load(shared / "golden" / "ds2_cudnncompat_gru_bi" / "variables.npz")
    write_checkpoint(tmp_path / "model.ckpt", {**variables, "ForwardPass/ds2_encoder/cudnn_gru/opaque_kernel": [1.0]})
    arguments = {
        "convolutions": ((8, (11, 41), (2, 2)), (8, (11, 21), (1, 2))),
        "num_layers": 2,
        "units": 24,
        "directions": "apart",
        "hidden_dim": 48,
        "num_mel_bins": 40,
    }
    model = load_model(tmp_path / "model.ckpt", "DeepSpeech2", **arguments)
    assert isinstance(model.front_end, PythonSpeechFeatures) and model.front_end.num_features == 40
    for name, weight in name_table(model, variables.files).items():
        expected = np.roll(variables[name], 1, axis=-1) if name.startswith(HEAD) else variables[name]
        np.testing.assert_array_equal(np.asarray(weight), expected, err_msg=name)
    data = next(tmp_path.glob("model.ckpt.data*"))
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cut short"):
        load_model(tmp_path / "model.ckpt", "DeepSpeech2", **arguments)


@pytest.mark.parametrize(
    "file, arguments",
    [
        ("speech2text_ds2_large_8gpus_eval", {"num_layers": 5}),
        ("speech2text_ds2_large_8gpus_mp_train", {"num_layers": 5}),
        ("speech2text_ds2_medium_4gpus_eval", {"num_layers": 3, "directions": "forward", "row_convolution": 8}),
        ("speech2text_lstm_small_1gpu_eval", {"num_layers": 2, "directions": "forward", "cell": "lstm"}),
    ],
)
def test_names_of_deep_speech_are_those_of_the_original(shared, file, arguments):
    lines = (shared / "openseq2seq_names" / f"{file}.txt").read_text().splitlines()[1:]
    names = {line.split("\t")[0] for line in lines if line.startswith("ForwardPass/")}
    convolutions = sum(name.endswith("kernel") and "/conv" in name for name in names)
    blocks = ((2, (5, 3), (2, 2)),) * convolutions
    with keras.StatelessScope(initialize_variables=False):
        model = DeepSpeech2(convolutions=blocks, units=4, hidden_dim=4, front_end=None, num_mel_bins=16, **arguments)
        table = name_table(model, names)
        assert set(name_table(model)) == set(table)  # cuDNN's are the default
    keras.utils.clear_session()
    assert set(table) == {name for name in names if not name.endswith("opaque_kernel")}


def missing(variables):
    del variables[f"{ENCODER}conv22/res_0/kernel"]


def left_over(variables):
    variables[f"{ENCODER}conv51/kernel"] = np.zeros((1, 8, 8))


def other_shape(variables):
    variables[f"{ENCODER}conv21/kernel"] = np.zeros((5, 8, 8))


def not_finite(variables):
    variables[f"{ENCODER}conv21/bn/gamma"][3] = np.nan


@pytest.mark.parametrize(
    "spoil, message",
    [
        (missing, r"1 missing: ForwardPass/w2l_encoder/conv22/res_0/kernel\."),
        (left_over, r"1 without a place in the model: ForwardPass/w2l_encoder/conv51/kernel\."),
        (other_shape, r"conv21/kernel \(5, 8, 8\), in the model \(3, 8, 8\)\."),
        (not_finite, r"1 not finite: ForwardPass/w2l_encoder/conv21/bn/gamma\."),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(model, spoil, message):
    variables, before = variables_of(model), values(model)
    spoil(variables)
    with pytest.raises(ValueError, match=message):
        load_variables(model, variables)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_plain_checkpoint_does_not_load_into_a_dense_model(model):
    with pytest.raises(ValueError, match="missing: .*res_0/kernel.* without a place in the model: .*res/kernel"):
        load_variables(model, variables_of(small_jasper(blocks=(BLOCK, BLOCK), residual="plain")))


def test_long_lists_are_cut(model):
    with pytest.raises(ValueError, match=r"\d+ missing: .* and \d+ more\."):
        load_variables(model, {})


def test_other_models_and_sources_are_refused(model):
    with pytest.raises(ValueError, match="JasperBlock"):
        load_variables(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), {})
    with pytest.raises(TypeError, match="Received: list"):
        load_variables(model, [1, 2])
