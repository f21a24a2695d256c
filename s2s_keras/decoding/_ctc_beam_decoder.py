"""The search of one utterance: runs the kernel, asks language models of other makes, and reads the beam."""

import math
import queue

import numpy as np

from s2s_keras.decoding import _ctc_beam_kernel as kernel
from s2s_keras.decoding import _ctc_beam_tree as tree
from s2s_keras.decoding import _ctc_beam_words as words
from s2s_keras.decoding._ctc_beam_state import BEAM, BOUND, NO_MODEL, WORDS, Options, grown, new_state
from s2s_keras.decoding._word_models import END, word_score
from s2s_keras.decoding.hypothesis import Hypothesis, timed_words

LN10 = math.log(10.0)


class BeamDecoder:
    """Decodes utterances with one vocabulary; threads may share it.

    Args:
        rules: `Rules`.
        numbers: object with alpha, beta, unknown_score, token_cutoff, beam_cutoff, beam_width.
        texts: list of str, of every token; or None.
        language_model: `NGramLanguageModel`, word model or None.
        compiled: bool, whether it is the former.
    """

    def __init__(self, rules, numbers, texts, language_model, compiled):
        self.rules, self.texts = rules, texts
        self.language_model = language_model
        self.model = language_model if compiled else None
        self.word_model = None if compiled else language_model
        beta = numbers.beta if rules.level != NO_MODEL or rules.constrained else 0.0
        self.options = Options(
            alpha=numbers.alpha * LN10,
            beta=float(beta),
            unknown=float(numbers.unknown_score),
            lost=float(numbers.unknown_score) if compiled and rules.level == WORDS else 0.0,
            gain=max(0.0, beta) + max(0.0, numbers.unknown_score) + _hot_gain(rules),
            hot_gain=_hot_gain(rules),
            token_cutoff=float(numbers.token_cutoff),
            beam_cutoff=float(numbers.beam_cutoff),
            beam_width=int(numbers.beam_width),
            end_id=self.model.end_id if self.model else 0,
        )
        self._states = (
            queue.SimpleQueue()
        )  # those of earlier utterances; allocating one takes longer than a short search

    def __call__(self, logits, num_best, frame_seconds):
        """List of `Hypothesis` of logits (T, V)."""
        try:
            state = self._states.get_nowait()
        except queue.Empty:
            state = new_state(logits.shape[1], self.options.beam_width, self.rules.level)
        run = self._run if self.word_model is None else self._run_with_word_model
        state = run(logits, state)
        best = self._read(state, num_best, logits, frame_seconds)
        self._states.put(state)
        return best

    def _run(self, logits, state):
        tables = self.model.tables if self.model else None
        tree.start(state, self.rules, self.model.begin_state if self.model else 0)
        frame = 0
        while True:
            frame = kernel.search(logits, frame, tables, self.rules, self.options, state)
            if frame == len(logits):
                return state
            state = _larger(state)

    def _run_with_word_model(self, logits, state):
        contexts = [self.word_model.begin()]
        tree.start(state, self.rules, 0)
        for row in logits:
            while not tree.has_room(self.options, state):
                state = _larger(state)
            kernel.begin_frame(row, self.rules, self.options, state)
            self._ask(state, contexts, state.limits[BOUND])
            words.rate_endings(self.rules, self.options, state)
            kernel.end_frame(self.rules, self.options, state)
        self._ask(state, contexts, -np.inf)
        words.rate_endings(self.rules, self.options, state)
        for prefix in state.beam[: state.counts[BEAM]]:
            if prefix["ending"] == -np.inf:  # in the middle of a word, for which no model was asked
                prefix["score"] = -np.inf
                continue
            node = state.nodes[prefix["node"]]
            context = contexts[node["word_context"] if node["pending"] else node["context"]]
            end = self.options.alpha * self.word_model.advance(context, END)[0]
            prefix["score"] = words.finish(self.rules, prefix, node) + end
        return state

    def _ask(self, state, contexts, bound):
        """What `score_words` does with an n-gram model; `contexts` holds the states that numbers in nodes stand for."""
        for number in state.asked[: words.words_to_score(self.rules, self.options, state, bound)].tolist():
            node = state.nodes[number]
            word = self._text(tree.tokens_of(state, number)).rpartition(" ")[2]
            log10_probability, context = self.word_model.advance(contexts[node["context"]], word)
            known = not hasattr(self.word_model, "__contains__") or word in self.word_model
            node["word_context"], node["word_score"] = (
                len(contexts),
                words.weighted(self.options, float(log10_probability), not known),
            )
            contexts.append(context)

    def _text(self, tokens):
        return "".join(self.texts[n] for n in tokens)

    def _read(self, state, num_best, logits, frame_seconds):
        """The best hypotheses of the beam with different texts; in the middle of a word only without others."""
        beam = state.beam[: state.counts[BEAM]]
        if np.all(beam["score"] == -np.inf):
            beam["score"] = beam["total"] + beam["extra"]
        hypotheses, seen = [], set()
        for i in np.argsort(-beam["score"], kind="stable").tolist():
            if len(hypotheses) == num_best or (beam[i]["score"] == -np.inf and hypotheses):
                break
            token_ids = tuple(tree.tokens_of(state, beam[i]["node"]).tolist())
            text = " ".join(self._text(token_ids).split()) if self.texts else ""
            if (text if self.texts else token_ids) in seen:
                continue
            seen.add(text if self.texts else token_ids)
            spoken = ()
            if self.texts and frame_seconds is not None:
                spoken = timed_words(logits, token_ids, self.texts, frame_seconds)
            score, acoustic_score = float(beam[i]["score"]), float(beam[i]["total"])
            hypotheses.append(
                Hypothesis(text, token_ids, score, acoustic_score, self._of_text(text, token_ids), spoken)
            )
        return hypotheses

    def _of_text(self, text, token_ids):
        """Natural log of the language model's probability, or None."""
        if self.language_model is None:
            return None
        if self.word_model is not None:
            return LN10 * float(word_score(self.word_model, text.split()))
        if self.rules.level == WORDS:
            return LN10 * self.model.score(text)
        return LN10 * self.model.score(" ".join(self.texts[n].replace(" ", "▁") for n in token_ids))


def _larger(state):
    state = grown(state)
    tree.compact(state)
    return state


def _hot_gain(rules):
    """The most that hot words add for one token."""
    values = rules.hot["promise"] + rules.hot["reward"]
    steps = 1 + int((rules.tokens["end_char"] - rules.tokens["first_char"]).max(initial=0))
    return steps * max(0.0, float((values[rules.follow] - rules.hot["promise"][:, None]).max()))
