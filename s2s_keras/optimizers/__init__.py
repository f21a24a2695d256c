"""Optimizers and learning-rate schedules."""

from s2s_keras.optimizers import schedules as schedules
from s2s_keras.optimizers.larc import LARC as LARC
from s2s_keras.optimizers.novograd import NovoGrad as NovoGrad
