"""What a toolkit gives for free around `fit`.

On TensorFlow, importing this package makes `tf.distribute.MultiWorkerMirroredStrategy` and `fit` work together.
"""

import keras as _keras

from s2s_keras.training.averaging import EvaluateAverage as EvaluateAverage
from s2s_keras.training.batch_statistics import update_batch_statistics as update_batch_statistics
from s2s_keras.training.callbacks import SamplePrinter as SamplePrinter
from s2s_keras.training.checkpoint import Checkpoint as Checkpoint
from s2s_keras.training.fine_tuning import add_l2 as add_l2
from s2s_keras.training.fine_tuning import enable_lora as enable_lora
from s2s_keras.training.fine_tuning import freeze as freeze
from s2s_keras.training.inference import evaluate as evaluate
from s2s_keras.training.inference import infer as infer
from s2s_keras.training.inference import load_model as load_model
from s2s_keras.training.non_finite import NonFiniteGuard as NonFiniteGuard
from s2s_keras.training.recipe import Recipe as Recipe
from s2s_keras.training.recipe import load_recipe as load_recipe
from s2s_keras.training.runner import train as train
from s2s_keras.training.tensorboard import TensorBoardLogger as TensorBoardLogger
from s2s_keras.training.throughput import benchmark as benchmark
from s2s_keras.training.transfer import transfer_weights as transfer_weights

if _keras.backend.backend() == "tensorflow":
    from s2s_keras.training import _keras_tensorflow

    _keras_tensorflow.apply()
