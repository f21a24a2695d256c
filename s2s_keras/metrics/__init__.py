"""Numbers as the field reports them."""

from s2s_keras.metrics.bootstrap import bootstrap_interval as bootstrap_interval
from s2s_keras.metrics.error_rate import CharacterErrorRate as CharacterErrorRate
from s2s_keras.metrics.error_rate import ErrorRate as ErrorRate
from s2s_keras.metrics.error_rate import WordErrorRate as WordErrorRate
from s2s_keras.metrics.error_rate import character_error_rate as character_error_rate
from s2s_keras.metrics.error_rate import word_error_rate as word_error_rate
from s2s_keras.metrics.infeasible_labels import InfeasibleLabels as InfeasibleLabels
