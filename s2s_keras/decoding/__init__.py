"""From network outputs to token ids."""

from s2s_keras.decoding.ctc_alignment import ctc_alignment as ctc_alignment
from s2s_keras.decoding.ctc_beam_search import CTCBeamSearch as CTCBeamSearch
from s2s_keras.decoding.ctc_greedy import ctc_greedy as ctc_greedy
from s2s_keras.decoding.hypothesis import Hypothesis as Hypothesis
from s2s_keras.decoding.hypothesis import Word as Word
from s2s_keras.decoding.ngram import NGramLanguageModel as NGramLanguageModel
from s2s_keras.decoding.ngram_training import train_ngram as train_ngram
from s2s_keras.decoding.rescoring import Trial as Trial
from s2s_keras.decoding.rescoring import rescore as rescore
from s2s_keras.decoding.rescoring import tune as tune
from s2s_keras.decoding.rescoring import tune_rescoring as tune_rescoring
from s2s_keras.decoding.transcripts import to_ctm as to_ctm
from s2s_keras.decoding.transcripts import to_srt as to_srt
from s2s_keras.decoding.transcripts import to_textgrid as to_textgrid
from s2s_keras.decoding.transcripts import to_vtt as to_vtt
