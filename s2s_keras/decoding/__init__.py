"""From network outputs to token ids."""

from s2s_keras.decoding.ctc_alignment import ctc_alignment as ctc_alignment
from s2s_keras.decoding.ctc_beam_search import CTCBeamSearch as CTCBeamSearch
from s2s_keras.decoding.ctc_greedy import ctc_greedy as ctc_greedy
from s2s_keras.decoding.hypothesis import Hypothesis as Hypothesis
from s2s_keras.decoding.hypothesis import Word as Word
from s2s_keras.decoding.ngram import NGramLanguageModel as NGramLanguageModel
from s2s_keras.decoding.ngram_training import train_ngram as train_ngram
