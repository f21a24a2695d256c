import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras import layers
from s2s_keras.applications import Jasper, Jasper5x3, Jasper10x3, Jasper10x5, JasperMini
from s2s_keras.convert.open_seq2seq import name_table
from s2s_keras.losses import CTC
from s2s_keras.ops.activations import clipped_relu
from s2s_keras.optimizers import LARC, NovoGrad
from s2s_keras.optimizers.schedules import WarmUp
from tests.checks import count_parameters
from tests.reference import Golden, Reference, check_golden_training
from tests.test_case import SMALL, ApplicationTestCase


def half_clipped_relu(x):
    """What that run of the original used; 20 would clip nothing at random weights."""
    return ops.clip(x, 0.0, 0.5)


ROOT = Path(__file__).resolve().parents[2]
BLOCK = (8, 3, 0.0)
SMALL_JASPER = {**SMALL, "blocks": (BLOCK, BLOCK), "repeat": 1, "prologue": (BLOCK,), "epilogue": (BLOCK,)}

# The networks that the original was run with.
DENSE = {
    "blocks": ((24, 11, 0.0), (32, 13, 0.0), (32, 13, 0.0)),
    "repeat": (2, 2, 3),
    "prologue": (24, 11, 0.0),
    "epilogue": ((40, 17, 0.0), (48, 1, 0.0)),
}
PLAIN_STACK = {
    "blocks": ((24, 11, 0.0),),
    "repeat": 3,
    "prologue": (24, 11, 0.0),
    "epilogue": ((64, 1, 0.0),),
    "residual": None,
    "activation": clipped_relu,
}
WAV2LETTER = {
    **PLAIN_STACK,
    "blocks": ((24, 11, 0.0), (32, 13, 0.0)),
    "epilogue": ((48, 29, 0.0), (64, 1, 0.0)),
}
ALL_FRAMES = {"normalization": {"real_frames_only": False}}  # in training the original counts padded frames


class TestJasper(ApplicationTestCase):
    application = Jasper
    arguments = {
        **SMALL_JASPER,
        "repeat": (1, 2),
        "epilogue": (BLOCK, (8, 1, 0.0)),
        "epilogue_dilation": 3,
        "activation": "gelu",
    }
    num_parameters = 6 * (3 * 8 * 8 + 16) - 2 * 8 * 8 + 3 * (8 * 8 + 16) + 29 * 9
    goldens = (
        Golden("jasper_dense", DENSE),
        Golden("jasper_dense", DENSE, "outputs_eval_nomask", masked=False),
        Golden("jasper_dense", {**DENSE, "activation": half_clipped_relu}, "outputs_eval_mask_clippedrelu"),
        # The original's kernel raises a smaller epsilon, here 1e-5, to 1.001e-5.
        Golden("jasper_dense", {**DENSE, "normalization": {"epsilon": 1.001e-5}}, "outputs_eval_bn_eps_1e-5"),
        Golden("tdnn_layer_norm", {**PLAIN_STACK, "normalization": "layer"}, masked=False),
        Golden("tdnn_instance_norm", {**PLAIN_STACK, "normalization": "instance"}, masked=False),
        Golden("tdnn_no_norm", {**PLAIN_STACK, "normalization": None}, masked=False),
        Golden("w2lplus", WAV2LETTER, masked=False),
        Golden("w2lplus", WAV2LETTER, "outputs_eval_bn_defaults_mask"),
    )


class TestJasperLayerNormalization(ApplicationTestCase):
    application = Jasper
    arguments = {**SMALL_JASPER, "normalization": "layer", "residual": None}
    num_parameters = 4 * (3 * 8 * 8 + 16) + 29 * 9


class TestJasper10x5(ApplicationTestCase):
    application = Jasper10x5
    arguments = SMALL_JASPER
    num_parameters = 4 * (3 * 8 * 8 + 16) + 3 * (8 * 8 + 16) + 29 * 9


class TestJasper10x3(ApplicationTestCase):
    application = Jasper10x3
    arguments = SMALL_JASPER
    num_parameters = 4 * (3 * 8 * 8 + 16) + 2 * (8 * 8 + 16) + 29 * 9


class TestJasper5x3(ApplicationTestCase):
    application = Jasper5x3
    arguments = {**SMALL_JASPER, "drop_block": 0.3}
    num_parameters = 4 * (3 * 8 * 8 + 16) + 2 * (8 * 8 + 16) + 29 * 9


class TestJasperMini(ApplicationTestCase):
    application = JasperMini
    arguments = SMALL_JASPER
    num_parameters = 4 * (3 * 8 + 8 * 8 + 16) + 2 * (8 + 8 * 8 + 16) + 29 * 9


@pytest.mark.parametrize(
    "application, arguments, expected",
    [
        (Jasper10x5, {}, 332_632_349),
        (Jasper10x5, {"residual": "plain"}, 322_286_877),
        (Jasper10x3, {}, 200_500_509),
        (Jasper10x3, {"residual": "dense"}, 210_845_981),
        (Jasper5x3, {}, 107_681_053),
        (JasperMini, {}, 8_192_733),
    ],
)
def test_number_of_parameters_of_the_paper(application, arguments, expected):
    assert count_parameters(application, **arguments) == expected


def test_training_step_equals_the_original(request):
    check_golden_training(Jasper, Golden("jasper_dense", {**DENSE, **ALL_FRAMES}, "outputs_train"), request)


POLYNOMIAL = keras.optimizers.schedules.PolynomialDecay
TRAJECTORIES = {
    "momentum_larc_l2_poly": lambda: LARC(POLYNOMIAL(0.05, 20, 0.0, 2.0), momentum=0.9),
    "novograd_poly": lambda: NovoGrad(POLYNOMIAL(0.02, 20, 1e-5, 2.0), beta_1=0.95, beta_2=0.0, weight_decay=0.001),
    "adam_clip1_cosine_warmup": lambda: keras.optimizers.Adam(
        WarmUp(keras.optimizers.schedules.CosineDecay(0.001, 15), 5), epsilon=1e-8, global_clipnorm=1.0
    ),
}


@pytest.mark.parametrize("case", list(TRAJECTORIES))
def test_fifteen_training_steps_equal_the_original(case, request):
    reference = Reference(Golden("jasper_dense", DENSE, "outputs_train"), request)
    config = json.loads((reference.folder / "train_trajectory.json").read_text())["cases"][case]
    expected = {
        name.removeprefix(f"{case}."): value
        for name, value in np.load(reference.folder / "train_trajectory.npz").items()
        if name.startswith(f"{case}.")
    }
    model = reference.model(Jasper, {**DENSE, **ALL_FRAMES})
    weights = name_table(model)
    for name in config["regularised_variables"]:  # TensorFlow 1 halves the squares
        weights[name.split("/Regularizer")[0]].regularizer = keras.regularizers.L2(0.001 / 2)
    model.compile(TRAJECTORIES[case](), CTC())
    losses = [model.train_on_batch(reference.inputs, reference.labels) for _ in range(15)]
    np.testing.assert_allclose(losses, expected["loss"] + expected.get("reg_loss", 0.0), rtol=1e-3)
    for name, weight in weights.items():
        norm = np.linalg.norm(np.float64(ops.convert_to_numpy(weight)))
        np.testing.assert_allclose(norm, expected[f"norm15:{name}"], rtol=1e-3, err_msg=name)


def test_every_front_end_loads_in_another_process(tmp_path):
    names = ("MFCC", "Spectrogram", "PythonSpeechFeatures")
    for name in names:
        layer = getattr(layers, name)(name="front_end")
        model = Jasper(
            blocks=((4, 3, 0.0),),
            repeat=1,
            prologue=(4, 3, 0.0),
            epilogue=((4, 1, 0.0),),
            front_end=layer,
            activation=clipped_relu,
        )
        assert model.num_mel_bins == layer.num_features
        model.save_to_preset(tmp_path / name)
    code = (
        "from s2s_keras.applications import from_preset\n"
        f"for name in {names}: print(type(from_preset({str(tmp_path)!r} + '/' + name).front_end).__name__)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert tuple(result.stdout.split()[-len(names) :]) == names


def test_what_is_no_front_end():
    with pytest.raises(ValueError, match="front_end='mfcc'"):
        Jasper(front_end="mfcc")
