"""CTC prefix beam search."""

import math
import os
import queue
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from s2s_keras.decoding import _ctc_beam_kernel as kernel
from s2s_keras.decoding._ctc_beam_rules import make_rules, token_texts
from s2s_keras.decoding._ctc_beam_state import *
from s2s_keras.decoding._ctc_beam_state import new_state, grown

class CTCBeamSearch:
    def __init__(self, tokenizer=None, language_model=None, alpha=0.5, beta=1.0, beam_width=128, token_cutoff=10.0, beam_cutoff=20.0, dictionary=None, hot_words=None, unknown_score=-10.0):
        texts = token_texts(tokenizer)
        self.texts = texts
        self.language_model = language_model
        self.rules = make_rules(texts, language_model, dictionary, hot_words)
        if language_model is None and dictionary is None: beta = 0.0
        self.tables = language_model.tables if language_model is not None else (np.zeros((1,1)),)
        self.options = Options(alpha*math.log(10), float(beta), float(unknown_score), max(0., beta)+max(0., unknown_score) if not hot_words else math.inf, float(token_cutoff), float(beam_cutoff), beam_width, language_model.end_id if language_model is not None else 0)
        self.begin = language_model.begin_state if language_model is not None else 0

    def __call__(self, logits, num_best=1):
        with ThreadPoolExecutor(1) as pool:
            return list(pool.map(lambda l: self._one(l, num_best), logits))

    def _one(self, logits, num_best):
        state = new_state(logits.shape[1], self.options.beam_width, self.rules.level)
        kernel.start(state, self.rules, self.begin)
        t = 0
        while (t := kernel.search(logits, t, self.tables, self.rules, self.options, state)) < len(logits):
            state = grown(state); kernel.compact(state)
        n = state.counts[1]
        order = np.argsort(-state.beam['score'][:n], kind="stable")[:num_best]
        return [(kernel.tokens_of(state, state.beam[i]['node']), state.beam[i]['score'], state.beam[i]['total']) for i in order]


