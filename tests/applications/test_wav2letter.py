import pytest

from s2s_keras.applications import Wav2Letter, Wav2LetterLarge, Wav2LetterPlus
from tests.checks import count_parameters
from tests.reference import Golden
from tests.test_case import SMALL, ApplicationTestCase

SMALL_WAV2LETTER = {**SMALL, "blocks": ((8, 3, 1, 2, 1, 0.0), (8, 3, 2, 1, 1, 0.0), (8, 3, 1, 1, 2, 0.0))}
# The network that the original was run with.
ORIGINAL = {
    "blocks": (
        (24, 11, 1, 2, 1, 0.0),
        (24, 11, 3, 1, 1, 0.0),
        (32, 13, 3, 1, 1, 0.0),
        (48, 29, 1, 1, 2, 0.0),
        (64, 1, 1, 1, 1, 0.0),
    )
}


class TestWav2LetterPlus(ApplicationTestCase):
    application = Wav2LetterPlus
    arguments = {**SMALL_WAV2LETTER, "activation": "gelu", "normalization": {"momentum": 0.8}}
    num_parameters = 4 * (3 * 8 * 8 + 16) + 29 * 9
    goldens = (
        Golden("w2lplus", ORIGINAL, masked=False),
        Golden("w2lplus", ORIGINAL, "outputs_eval_bn_defaults_mask"),
    )


@pytest.mark.parametrize("application, expected", [(Wav2LetterPlus, 106_496_285), (Wav2LetterLarge, 105_774_877)])
def test_number_of_parameters_of_the_original(application, expected):
    assert count_parameters(application) == expected


@pytest.mark.parametrize("block", [(8, 3, 1, 2, 1), (8, 3, 1, 2, 1, 1.0), (8, 3.5, 1, 1, 1, 0.0)])
def test_what_is_no_block(block):
    with pytest.raises(ValueError, match="dropout rate in"):
        Wav2Letter(blocks=(block,))
