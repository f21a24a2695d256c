"""Pages about what a model does, to look at in a browser."""

from s2s_keras.reports.classification import Classified as Classified
from s2s_keras.reports.classification import classification_report as classification_report
from s2s_keras.reports.recognition import Recognition as Recognition
from s2s_keras.reports.recognition import recognition_report as recognition_report
