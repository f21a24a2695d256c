"""Layers, one per file, for any `keras.Model`."""

from s2s_keras.layers.attention_cell import AttentionCell
from s2s_keras.layers.bahdanau_attention import BahdanauAttention
from s2s_keras.layers.blank_padding import BlankPadding
from s2s_keras.layers.centaur_block import CentaurBlock
from s2s_keras.layers.centaur_decoder import CentaurDecoder
from s2s_keras.layers.conditioning import Conditioning
from s2s_keras.layers.coverage_attention import CoverageAttention
from s2s_keras.layers.dynamic_convolution_attention import DynamicConvolutionAttention
from s2s_keras.layers.feature_input import FeatureInput
from s2s_keras.layers.forward_attention import ForwardAttention
from s2s_keras.layers.gnmt_cell import GNMTCell
from s2s_keras.layers.guided_attention import GuidedAttention
from s2s_keras.layers.jasper_block import JasperBlock
from s2s_keras.layers.location_attention import LocationAttention
from s2s_keras.layers.log_mel_spectrogram import LogMelSpectrogram
from s2s_keras.layers.luong_attention import LuongAttention
from s2s_keras.layers.mask_tensor import MaskTensor
from s2s_keras.layers.masked_batch_normalization import MaskedBatchNormalization
from s2s_keras.layers.masked_conv1d import MaskedConv1D
from s2s_keras.layers.masked_conv2d import MaskedConv2D
from s2s_keras.layers.masked_sum import MaskedSum
from s2s_keras.layers.mel_picture import MelPicture
from s2s_keras.layers.mel_spectrogram import MelSpectrogram
from s2s_keras.layers.mfcc import MFCC
from s2s_keras.layers.monotonic_attention import MonotonicAttention
from s2s_keras.layers.prenet import Prenet
from s2s_keras.layers.python_speech_features import PythonSpeechFeatures
from s2s_keras.layers.recurrent import GRU, LSTM
from s2s_keras.layers.recurrent_decoder import RecurrentDecoder
from s2s_keras.layers.recurrent_stack import RecurrentStack
from s2s_keras.layers.residual_conv1d import ResidualConv1D
from s2s_keras.layers.row_convolution import RowConvolution
from s2s_keras.layers.sequence_normalization import SequenceNormalization
from s2s_keras.layers.spec_augment import SpecAugment
from s2s_keras.layers.spectrogram import Spectrogram
from s2s_keras.layers.spectrum_to_audio import SpectrumToAudio
from s2s_keras.layers.step_attention import StepAttention
from s2s_keras.layers.style_encoder import StyleEncoder
from s2s_keras.layers.tacotron_cell import TacotronCell
from s2s_keras.layers.tacotron_decoder import TacotronDecoder

__all__ = [
    "AttentionCell",
    "BahdanauAttention",
    "BlankPadding",
    "CentaurBlock",
    "CentaurDecoder",
    "Conditioning",
    "CoverageAttention",
    "DynamicConvolutionAttention",
    "FeatureInput",
    "ForwardAttention",
    "GNMTCell",
    "GRU",
    "GuidedAttention",
    "JasperBlock",
    "LSTM",
    "LocationAttention",
    "LogMelSpectrogram",
    "LuongAttention",
    "MFCC",
    "MaskTensor",
    "MaskedBatchNormalization",
    "MaskedConv1D",
    "MaskedConv2D",
    "MaskedSum",
    "MelPicture",
    "MelSpectrogram",
    "MonotonicAttention",
    "Prenet",
    "PythonSpeechFeatures",
    "RecurrentDecoder",
    "RecurrentStack",
    "ResidualConv1D",
    "RowConvolution",
    "SequenceNormalization",
    "SpecAugment",
    "Spectrogram",
    "SpectrumToAudio",
    "StepAttention",
    "StyleEncoder",
    "TacotronCell",
    "TacotronDecoder",
]
