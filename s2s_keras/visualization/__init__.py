"""Pictures of what a model heard or saw."""

from s2s_keras.visualization.classification import plot_confusion_matrix as plot_confusion_matrix
from s2s_keras.visualization.classification import plot_detection as plot_detection
from s2s_keras.visualization.synthesis import plot_synthesis as plot_synthesis
from s2s_keras.visualization.transcription import emitted_tokens as emitted_tokens
from s2s_keras.visualization.transcription import plot_transcription as plot_transcription
from s2s_keras.visualization.transcription import plot_tuning as plot_tuning
from s2s_keras.visualization.transcription import words as words
