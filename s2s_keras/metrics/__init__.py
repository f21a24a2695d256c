"""Numbers as the field reports them."""

from s2s_keras.metrics.bootstrap import bootstrap_interval as bootstrap_interval
from s2s_keras.metrics.classification import ClassScore as ClassScore
from s2s_keras.metrics.classification import DetectionCurve as DetectionCurve
from s2s_keras.metrics.classification import class_scores as class_scores
from s2s_keras.metrics.classification import confusion_matrix as confusion_matrix
from s2s_keras.metrics.classification import detection_curve as detection_curve
from s2s_keras.metrics.classification import top_k_accuracy as top_k_accuracy
from s2s_keras.metrics.error_rate import CharacterErrorRate as CharacterErrorRate
from s2s_keras.metrics.error_rate import ErrorRate as ErrorRate
from s2s_keras.metrics.error_rate import WordErrorRate as WordErrorRate
from s2s_keras.metrics.error_rate import character_error_rate as character_error_rate
from s2s_keras.metrics.error_rate import word_error_rate as word_error_rate
from s2s_keras.metrics.infeasible_labels import InfeasibleLabels as InfeasibleLabels
from s2s_keras.metrics.spotting import SpottingErrors as SpottingErrors
from s2s_keras.metrics.spotting import spotting_errors as spotting_errors
