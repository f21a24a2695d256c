import itertools

import numpy as np
import pytest
from keras import ops

from s2s_keras.decoding import ctc_prefix_extend, ctc_prefix_scores, ctc_prefix_start
from s2s_keras.layers import BlankPadding
from s2s_keras.losses import CTC

FRAMES, SIZE = 5, 3
LOGITS = np.random.default_rng(0).normal(size=(1, FRAMES, SIZE)).astype("float32")


def likelihoods():
    """{text: likelihood} of all texts, from all paths over the frames."""
    probabilities = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum(axis=-1, keepdims=True)
    found = {}
    for path in itertools.product(range(SIZE), repeat=FRAMES):
        text = tuple(token for token, _ in itertools.groupby(path) if token)
        found[text] = found.get(text, 0.0) + np.prod([probabilities[t, token] for t, token in enumerate(path)])
    return found


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("prefix", [(), (1,), (1, 1), (2, 1, 2), (1, 1, 1)])
def test_scores_are_sums_over_all_paths(prefix, padding):
    logits = np.pad(LOGITS, [(0, 0), (0, padding), (0, 0)], constant_values=7.0)
    state = ctc_prefix_start(BlankPadding()(logits, mask=np.arange(FRAMES + padding)[None] < FRAMES))
    for token in prefix:
        state = ctc_prefix_extend(state, np.array([token]))
    scores, whole = (np.exp(ops.convert_to_numpy(x)[0]) for x in ctc_prefix_scores(state))
    texts = likelihoods()
    np.testing.assert_allclose(whole, texts[prefix], rtol=1e-5)
    for token in range(1, SIZE):
        longer = (*prefix, token)
        expected = sum(p for text, p in texts.items() if text[: len(longer)] == longer)
        np.testing.assert_allclose(scores[token], expected, rtol=1e-4, atol=1e-20)


def test_the_whole_sentence_has_the_loss_of_ctc():
    logits = np.random.default_rng(1).normal(size=(2, 9, 6)).astype("float32")
    labels = np.array([[4, 4, 1], [2, 5, 0]])
    state = ctc_prefix_start(logits)
    for token_ids in labels.T:  # 0 leaves the second one as it is
        state = ctc_prefix_extend(state, token_ids)
    _, whole = ctc_prefix_scores(state)
    expected = ops.convert_to_numpy(CTC(reduction=None)(labels, logits))
    np.testing.assert_allclose(-ops.convert_to_numpy(whole), expected, rtol=1e-4)


def test_more_tokens_than_frames_are_impossible():
    state = ctc_prefix_start(LOGITS)
    for token in (1, 2, 1, 2, 1, 2):
        state = ctc_prefix_extend(state, np.array([token]))
    scores, whole = ctc_prefix_scores(state)
    assert float(whole[0]) < -1e29 and ops.convert_to_numpy(scores)[0, 1:].max() < -1e29
