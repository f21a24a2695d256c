"""MatchboxNet, BC-ResNet and JasperCommands."""

import keras
import numpy as np
import pytest

from s2s_keras.applications import BCResNet, BCResNet8, JasperCommands, MatchboxNet, MatchboxNet3x2x64
from s2s_keras.layers import LogMelSpectrogram, MelPicture
from tests.classifier_case import ClassifierTestCase
from tests.test_case import SMALL

SEPARABLE = 3 * 8 + 8 * 8 + 16


class TestMatchboxNet(ClassifierTestCase):
    application = MatchboxNet
    arguments = {
        **SMALL,
        "num_classes": 3,
        "blocks": ((8, 3),),
        "prologue": (8, 3),
        "epilogue": (8, 3),
        "head_filters": 8,
    }
    num_parameters = 4 * SEPARABLE + (8 * 8 + 16) * 2 + 8 * 3 + 3


class TestBCResNet(ClassifierTestCase):
    application = BCResNet
    front_end = LogMelSpectrogram(20, sample_rate=1000, fft_length=256, dither=0.0, name="front_end")
    arguments = {
        "front_end": keras.saving.serialize_keras_object(front_end),
        "width": 0.25,
        "stages": ((16, 2, 1), (16, 1, 2)),
        "block_dropout": 0.0,
        "num_classes": 3,
        "num_mel_bins": 20,
    }
    num_parameters = 100 + 8 + (16 + 8 + 52 + 20 + 16) + (52 + 20 + 16) + (16 + 8 + 52 + 20 + 16) + 100 + 32 + 16 + 27
    lengths = (1600, 1000, 520)
    tolerance = 1e-4


class TestJasperCommands(ClassifierTestCase):
    application = JasperCommands
    front_end = MelPicture(8, sample_rate=1000, window_ms=16, hop_ms=50, fft_length=16, name="front_end")
    arguments = {
        "front_end": keras.saving.serialize_keras_object(front_end),
        "num_mel_bins": 8,
        "num_classes": 3,
        "blocks": ((8, 3, 2, 1, 1, 0.0), (8, 3, 1, 1, 2, 0.0), (8, 3, 1, 2, 1, 0.0)),
        "activation": "gelu",
    }
    num_parameters = 4 * (3 * 8 * 8 + 16) + 8 * 8 + 16 + 32 * 3 + 3
    encoder_shape = (None, 4, 8)
    float32_layers = ("front_end", "logits")  # what is pooled is flattened


@pytest.mark.parametrize(
    "application, num_classes, expected",
    [
        (JasperCommands, 12, 207_337_484),
        (MatchboxNet3x2x64, 30, 92_766),
        (BCResNet8, 12, 321_068),
    ],
)
def test_number_of_parameters_of_the_paper(application, num_classes, expected):
    with keras.StatelessScope(initialize_variables=False):
        model = application(num_classes=num_classes)
        count = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    keras.utils.clear_session()
    assert count == expected


def test_wrong_arguments_are_one_sentence():
    with pytest.raises(ValueError, match="multiple of 0.25"):
        BCResNet(width=0.3, num_classes=2)
    with pytest.raises(ValueError, match="multiple of 40"):
        BCResNet(num_mel_bins=64, num_classes=2)
    with pytest.raises(ValueError, match="strides, dilation_rate"):
        JasperCommands(blocks=((8, 3, 1),), num_classes=2)
