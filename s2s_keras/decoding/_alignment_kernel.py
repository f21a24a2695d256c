"""Compiled: the best path through the states of known labels."""

import numpy as np

from s2s_keras.decoding._compiled import compiled


@compiled
def best_path(logits, tokens, path):
    """Fills the state of each frame; states are blanks around and between the labels. Of equal paths, the latest."""
    num_frames, num_states = len(logits), len(tokens)
    steps = np.zeros((num_frames, num_states), np.uint8)
    score = np.full(num_states, -np.inf)
    score[:2] = logits[0, tokens[0]], logits[0, tokens[1]]
    for t in range(1, num_frames):
        for s in range(num_states - 1, -1, -1):  # downwards: what is to the left is still that of the frame before
            best, step = score[s], 0
            if s >= 1 and score[s - 1] > best:
                best, step = score[s - 1], 1
            if s >= 3 and s % 2 == 1 and tokens[s] != tokens[s - 2] and score[s - 2] > best:
                best, step = score[s - 2], 2
            score[s] = best + logits[t, tokens[s]]
            steps[t, s] = step
    state = num_states - 1 if score[-1] >= score[-2] else num_states - 2
    for t in range(num_frames - 1, -1, -1):
        path[t] = state
        state -= steps[t, state]
