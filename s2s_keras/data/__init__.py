"""From files to batches: manifests, decoding, checks, bucketing and augmentation of audio."""

from s2s_keras.data.augmentation import SpeedPerturbation
from s2s_keras.data.bucketing import BatchPlan, bucket_boundaries
from s2s_keras.data.checking import AudioReader, Example, Limits, SkipReport, check_utterances
from s2s_keras.data.manifest import Utterance, UtteranceError, load_manifest
from s2s_keras.data.speech import SpeechDataset, speech_dataset
