"""Optimizers and learning-rate schedules."""

from s2s_keras.optimizers import schedules as schedules
from s2s_keras.optimizers.backoff_loss_scale import BackoffLossScale as BackoffLossScale
from s2s_keras.optimizers.larc import LARC as LARC
from s2s_keras.optimizers.lazy_adam import LazyAdam as LazyAdam
from s2s_keras.optimizers.log_max_loss_scale import LogMaxLossScale as LogMaxLossScale
from s2s_keras.optimizers.loss_scale import LossScale as LossScale
from s2s_keras.optimizers.loss_scale import StaticLossScale as StaticLossScale
from s2s_keras.optimizers.novograd import NovoGrad as NovoGrad
