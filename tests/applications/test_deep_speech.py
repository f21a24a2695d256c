import pytest

from s2s_keras.applications import DeepSpeech2, DeepSpeech2Large, DeepSpeech2Medium, DeepSpeech2Small
from s2s_keras.applications.deep_speech import SpectrogramConvolutions
from s2s_keras.layers import feature_input, masked_conv2d
from s2s_keras.ops.activations import clipped_relu
from tests.checks import count_parameters
from tests.reference import Golden, check_golden_training
from tests.test_case import SMALL, ApplicationTestCase, LayerTestCase

SMALL_DEEP_SPEECH = {
    **SMALL,
    "convolutions": ((2, (5, 3), (2, 2)),),
    "num_layers": 1,
    "units": 8,
    "hidden_dim": 8,
    "dropout": 0.0,
}
CONVOLUTION = 5 * 3 * 2 + 4  # 8 features become 4 times 2
# The network that the original was run with.
ORIGINAL = {
    "convolutions": ((8, (11, 41), (2, 2)), (8, (11, 21), (1, 2))),
    "units": 24,
    "hidden_dim": 48,
    "directions": "apart",
    "dropout": 0.0,
}
ROW_CONVOLUTION = {
    **ORIGINAL,
    "num_layers": 2,
    "cell": "gru_reset_before",
    "row_convolution": 8,
    "activation": clipped_relu,
}
CUDNN = {**ORIGINAL, "num_layers": 2}


@pytest.fixture
def convolutions_read_padding(monkeypatch):
    """As in the original, which told only its recurrent layers the lengths."""
    for module in (feature_input, masked_conv2d):
        monkeypatch.setattr(module, "apply_mask", lambda x, mask: x)


class TestDeepSpeech2(ApplicationTestCase):
    application = DeepSpeech2
    arguments = {
        **SMALL_DEEP_SPEECH,
        "row_convolution": 3,
        "activation": "gelu",
        "normalization": {"momentum": 0.8},
    }
    num_parameters = CONVOLUTION + 2 * 3 * 8 * (8 + 8 + 2) + 3 * 16 + 32 + 8 * 17 + 29 * 9
    goldens = (
        Golden("ds2_gru_bi_rowconv", ROW_CONVOLUTION),
        Golden("ds2_cudnncompat_gru_bi", CUDNN),
        Golden("ds2_bftc_lstm", {**ORIGINAL, "num_layers": 1, "cell": "lstm", "activation": clipped_relu}),
    )

    def test_golden_parity(self, golden, request, convolutions_read_padding):
        super().test_golden_parity(golden, request)


class TestSpectrogramConvolutions(LayerTestCase):
    layer = SpectrogramConvolutions
    arguments = {
        "convolutions": ((2, (5, 3), (2, 1)), (3, (3, 4), (1, 2))),
        "activation": "gelu",
        "normalization": {"momentum": 0.8},
    }
    num_frames = (6, 5, 3)
    clears_padding = True


@pytest.mark.parametrize(
    "application, arguments, expected",
    [
        (DeepSpeech2Large, {}, 58_971_133),
        (DeepSpeech2Medium, {}, 25_721_341),
        (DeepSpeech2Small, {}, 9_993_469),
    ],
)
def test_number_of_parameters_of_the_original(application, arguments, expected):
    assert count_parameters(application, **arguments) == expected


@pytest.mark.parametrize(
    "folder, arguments, momentum",
    [("ds2_gru_bi_rowconv", ROW_CONVOLUTION, 0.001), ("ds2_cudnncompat_gru_bi", CUDNN, 0.99)],
)
def test_training_step_equals_the_original(folder, arguments, momentum, request, convolutions_read_padding):
    arguments = {**arguments, "normalization": {"real_frames_only": False, "momentum": momentum}}
    check_golden_training(DeepSpeech2, Golden(folder, arguments, "outputs_train"), request)


def test_what_is_no_convolution():
    with pytest.raises(ValueError, match="pairs of time and frequency"):
        DeepSpeech2(convolutions=((32, 11, 2),))
