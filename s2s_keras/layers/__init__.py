"""Layers, one per file, for any `keras.Model`."""

from s2s_keras.layers.blank_padding import BlankPadding
from s2s_keras.layers.feature_input import FeatureInput
from s2s_keras.layers.jasper_block import JasperBlock
from s2s_keras.layers.log_mel_spectrogram import LogMelSpectrogram
from s2s_keras.layers.masked_batch_normalization import MaskedBatchNormalization
from s2s_keras.layers.masked_conv1d import MaskedConv1D
from s2s_keras.layers.masked_conv2d import MaskedConv2D
from s2s_keras.layers.mfcc import MFCC
from s2s_keras.layers.python_speech_features import PythonSpeechFeatures
from s2s_keras.layers.recurrent import GRU, LSTM
from s2s_keras.layers.recurrent_stack import RecurrentStack
from s2s_keras.layers.row_convolution import RowConvolution
from s2s_keras.layers.sequence_normalization import SequenceNormalization
from s2s_keras.layers.spec_augment import SpecAugment
from s2s_keras.layers.spectrogram import Spectrogram

__all__ = [
    "BlankPadding",
    "FeatureInput",
    "GRU",
    "JasperBlock",
    "LSTM",
    "LogMelSpectrogram",
    "MFCC",
    "MaskedBatchNormalization",
    "MaskedConv1D",
    "MaskedConv2D",
    "PythonSpeechFeatures",
    "RecurrentStack",
    "RowConvolution",
    "SequenceNormalization",
    "SpecAugment",
    "Spectrogram",
]
