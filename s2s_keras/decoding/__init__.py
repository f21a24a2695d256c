"""From network outputs to token ids."""

from s2s_keras.decoding.ctc_alignment import ctc_alignment as ctc_alignment
from s2s_keras.decoding.ctc_greedy import ctc_greedy as ctc_greedy
