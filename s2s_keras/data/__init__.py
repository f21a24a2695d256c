"""From files to batches: manifests, decoding, checks, bucketing and augmentation of audio and pictures."""

from s2s_keras.data.an4 import load_an4
from s2s_keras.data.augmentation import Augmentation, Equalizer, Gain, NoiseAtSNR, SpeedPerturbation, TimeShift
from s2s_keras.data.batches import SpeechDataset
from s2s_keras.data.bucketing import BatchPlan, ShardShuffle, bucket_boundaries
from s2s_keras.data.checking import AudioReader, Example, Limits, SkipReport, check_utterances
from s2s_keras.data.commands import commands_dataset
from s2s_keras.data.epochs import EpochDataset
from s2s_keras.data.idx import FASHION_MNIST, FASHION_MNIST_LABELS, load_fashion_mnist, read_idx
from s2s_keras.data.image_augmentation import (
    CenterCrop,
    RandomErasing,
    RandomFlip,
    RandomResizedCrop,
    RandomShift,
    Standardize,
)
from s2s_keras.data.image_files import CIFAR10_LABELS, load_cifar10, load_image_folder, load_image_manifest
from s2s_keras.data.images import ImageDataset
from s2s_keras.data.librispeech import load_librispeech
from s2s_keras.data.ljspeech import load_ljspeech, load_mailabs
from s2s_keras.data.manifest import Utterance, UtteranceError, load_manifest, write_manifest
from s2s_keras.data.mel_segments import MelSegments
from s2s_keras.data.mixup import Mixup
from s2s_keras.data.next_sample import NextSample
from s2s_keras.data.rand_augment import RandAugment
from s2s_keras.data.shards import write_shards
from s2s_keras.data.speech import speech_dataset
from s2s_keras.data.speech_commands import load_speech_commands, speech_commands_labels
from s2s_keras.data.stretching import PitchShift, TimeStretch
from s2s_keras.data.synthesis import SynthesisDataset, synthesis_dataset
from s2s_keras.data.teacher_forcing import TeacherForcing

__all__ = [
    "AudioReader",
    "Augmentation",
    "BatchPlan",
    "CIFAR10_LABELS",
    "CenterCrop",
    "EpochDataset",
    "Equalizer",
    "Example",
    "FASHION_MNIST",
    "FASHION_MNIST_LABELS",
    "Gain",
    "ImageDataset",
    "Limits",
    "MelSegments",
    "Mixup",
    "NextSample",
    "NoiseAtSNR",
    "PitchShift",
    "RandAugment",
    "RandomErasing",
    "RandomFlip",
    "RandomResizedCrop",
    "RandomShift",
    "ShardShuffle",
    "SkipReport",
    "SpeechDataset",
    "SpeedPerturbation",
    "Standardize",
    "SynthesisDataset",
    "TeacherForcing",
    "TimeShift",
    "TimeStretch",
    "Utterance",
    "UtteranceError",
    "bucket_boundaries",
    "check_utterances",
    "commands_dataset",
    "load_an4",
    "load_cifar10",
    "load_fashion_mnist",
    "load_image_folder",
    "load_image_manifest",
    "load_librispeech",
    "load_ljspeech",
    "load_mailabs",
    "load_manifest",
    "load_speech_commands",
    "speech_commands_labels",
    "read_idx",
    "speech_dataset",
    "synthesis_dataset",
    "write_manifest",
    "write_shards",
]
