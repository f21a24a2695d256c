"""Models, one family per file: `Jasper10x5()` builds one, `Jasper10x5.from_preset(...)` loads one."""

from s2s_keras.applications.alexnet import AlexNet
from s2s_keras.applications.application import Application
from s2s_keras.applications.bc_resnet import BCResNet, BCResNet8
from s2s_keras.applications.centaur import Centaur
from s2s_keras.applications.cifar_nv import CifarNV
from s2s_keras.applications.classifier import Classification, Classifier
from s2s_keras.applications.ctc_recognizer import CTCRecognizer
from s2s_keras.applications.deep_speech import DeepSpeech2, DeepSpeech2Large, DeepSpeech2Medium, DeepSpeech2Small
from s2s_keras.applications.griffin_lim import GriffinLim
from s2s_keras.applications.image_classifier import ImageClassifier
from s2s_keras.applications.jasper import Jasper, Jasper5x3, Jasper10x3, Jasper10x5, JasperMini
from s2s_keras.applications.jasper_commands import JasperCommands
from s2s_keras.applications.joint_ctc_attention import JointCTCAttention
from s2s_keras.applications.keyword_spotting import Detection, KeywordSpotter
from s2s_keras.applications.listen_attend_spell import ListenAttendSpell
from s2s_keras.applications.matchboxnet import MatchboxNet, MatchboxNet3x2x64
from s2s_keras.applications.quartznet import QuartzNet, QuartzNet5x5, QuartzNet10x5, QuartzNet15x5
from s2s_keras.applications.resnet import (
    ResNet,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet50Commands,
    ResNet101,
    ResNet152,
    ResNet200,
)
from s2s_keras.applications.speech_classifier import SpeechClassifier
from s2s_keras.applications.speech_synthesizer import SpeechSynthesizer, SpokenText
from s2s_keras.applications.tacotron2 import Tacotron2, Tacotron2GST, Tacotron2NVIDIA
from s2s_keras.applications.vocoder import Vocoder
from s2s_keras.applications.vocos import Vocos, VocosMini
from s2s_keras.applications.wav2letter import Wav2Letter, Wav2LetterLarge, Wav2LetterPlus
from s2s_keras.applications.wavenet import WaveNet

from_preset = Application.from_preset

__all__ = [
    "AlexNet",
    "Application",
    "BCResNet",
    "BCResNet8",
    "CTCRecognizer",
    "Centaur",
    "CifarNV",
    "Classification",
    "Classifier",
    "DeepSpeech2",
    "DeepSpeech2Large",
    "DeepSpeech2Medium",
    "DeepSpeech2Small",
    "Detection",
    "GriffinLim",
    "ImageClassifier",
    "Jasper",
    "Jasper10x3",
    "Jasper10x5",
    "Jasper5x3",
    "JasperCommands",
    "JasperMini",
    "JointCTCAttention",
    "KeywordSpotter",
    "ListenAttendSpell",
    "MatchboxNet",
    "MatchboxNet3x2x64",
    "QuartzNet",
    "QuartzNet10x5",
    "QuartzNet15x5",
    "QuartzNet5x5",
    "ResNet",
    "ResNet101",
    "ResNet152",
    "ResNet18",
    "ResNet200",
    "ResNet34",
    "ResNet50",
    "ResNet50Commands",
    "SpeechClassifier",
    "SpeechSynthesizer",
    "SpokenText",
    "Tacotron2",
    "Tacotron2GST",
    "Tacotron2NVIDIA",
    "Vocoder",
    "Vocos",
    "VocosMini",
    "Wav2Letter",
    "Wav2LetterLarge",
    "Wav2LetterPlus",
    "WaveNet",
    "from_preset",
]
