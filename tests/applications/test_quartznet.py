import pytest

from s2s_keras.applications import QuartzNet, QuartzNet5x5, QuartzNet10x5, QuartzNet15x5
from tests.checks import count_parameters
from tests.reference import Golden, check_golden_training
from tests.test_case import SMALL, ApplicationTestCase

SMALL_QUARTZNET = {
    **SMALL,
    "blocks": ((8, 3), (8, 3)),
    "repeat": 1,
    "prologue": ((8, 3),),
    "epilogue": (8, 3),
    "head_filters": 8,
}
SEPARABLE, PROJECTION, HEAD = 3 * 8 + 8 * 8 + 16, 8 + 8 * 8 + 16, 8 * 8 + 16 + 29 * 9

# The network that the original was run with.
ORIGINAL = {
    "blocks": ((32, 33), (48, 39)),
    "repeat": 3,
    "prologue": (32, 33),
    "epilogue": (48, 87),
    "head_filters": 64,
}


class TestQuartzNet(ApplicationTestCase):
    application = QuartzNet
    arguments = {**SMALL_QUARTZNET, "repeat": 2, "activation": "gelu", "normalization": {"momentum": 0.8}}
    num_parameters = 6 * SEPARABLE + 3 * PROJECTION + HEAD
    goldens = (
        Golden("quartznet", ORIGINAL),
        Golden("quartznet", ORIGINAL, "outputs_eval_nomask", masked=False),
    )


class TestQuartzNet15x5(ApplicationTestCase):
    application = QuartzNet15x5
    arguments = {**SMALL_QUARTZNET, "residual": "pointwise"}
    num_parameters = 4 * SEPARABLE + 2 * (8 * 8 + 16) + HEAD


class TestQuartzNet10x5(ApplicationTestCase):
    application = QuartzNet10x5
    arguments = {**SMALL_QUARTZNET, "drop_block": 0.3}
    num_parameters = 4 * SEPARABLE + 3 * PROJECTION + HEAD


class TestQuartzNet5x5(ApplicationTestCase):
    application = QuartzNet5x5
    arguments = SMALL_QUARTZNET
    num_parameters = 4 * SEPARABLE + 3 * PROJECTION + HEAD


@pytest.mark.parametrize(
    "application, residual, expected",
    [
        (QuartzNet15x5, "separable", 19_193_949),
        (QuartzNet15x5, "pointwise", 18_924_381),
        (QuartzNet10x5, "pointwise", 12_818_781),
        (QuartzNet5x5, "pointwise", 6_713_181),
    ],
)
def test_number_of_parameters_of_the_paper(application, residual, expected):
    assert count_parameters(application, residual=residual) == expected


def test_training_step_equals_the_original(request):
    arguments = {**ORIGINAL, "normalization": {"real_frames_only": False}}
    check_golden_training(QuartzNet, Golden("quartznet", arguments, "outputs_train"), request)
