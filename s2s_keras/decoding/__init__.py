"""From network outputs to token ids."""

from s2s_keras.decoding.ctc_alignment import ctc_alignment as ctc_alignment
from s2s_keras.decoding.ctc_greedy import ctc_greedy as ctc_greedy
from s2s_keras.decoding.ctc_prefix_score import ctc_prefix_extend as ctc_prefix_extend
from s2s_keras.decoding.ctc_prefix_score import ctc_prefix_scores as ctc_prefix_scores
from s2s_keras.decoding.ctc_prefix_score import ctc_prefix_start as ctc_prefix_start
from s2s_keras.decoding.sequence_beam_search import beam_search as beam_search
