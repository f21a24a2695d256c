"""Language models that are not ours, as the search asks them: words in, log10 probabilities out."""

END = "</s>"


class KenLM:
    """A `kenlm.Model` of the package kenlm."""

    def __init__(self, model):
        import kenlm

        self._model, self._new_state = model, kenlm.State

    def begin(self):
        state = self._new_state()
        self._model.BeginSentenceWrite(state)
        return state

    def advance(self, state, word):
        after = self._new_state()
        return self._model.BaseScore(state, word, after), after

    def __contains__(self, word):
        return word in self._model


def as_word_model(model):
    """The model, or what makes one of a `kenlm.Model`.

    Raises:
        TypeError: it has not the two methods of a word model.
    """
    if hasattr(model, "BaseScore") and hasattr(model, "BeginSentenceWrite"):
        return KenLM(model)
    if not (hasattr(model, "begin") and hasattr(model, "advance")):
        raise TypeError(
            "A language model is an NGramLanguageModel, a kenlm.Model, or an object with methods `begin()` -> state "
            f"and `advance(state, word)` -> (log10 probability, state). Received: {model!r}"
        )
    return model


def word_score(model, words):
    """log10 probability of words and the end after them."""
    state, total = model.begin(), 0.0
    for word in [*words, END]:
        log10_probability, state = model.advance(state, word)
        total += log10_probability
    return total
