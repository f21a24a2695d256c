"""Beam search of an attention recognizer's decoder, beside keras_hub's `BeamSampler` over the same decoder.

    python benchmarks/sequence_beam_search.py [--backends tensorflow jax torch] [--threads 1] [--repeats 5] [--smoke]

The decoder is that of `ListenAttendSpell` with its defaults and random weights, attending to frames such as an encoder
gives. No sentence ends early, so that both do the same number of steps and, but for rounding, find the same texts: how
many of them is printed. Both run inside `predict_on_batch`, compiled where the backend compiles. Each backend runs in a
process of its own, in which the two take turns; the table gives medians of process CPU time over all threads and, in
brackets, the least wall time. Compiling is not counted.
"""

import argparse
import importlib.util
import json

import _common
import numpy as np

BATCH, FRAMES, TOKENS, BEAMS = 8, 150, 40, (1, 4, 16)  # 6 s of audio
SMOKE = (2, 5, 3, (2,))
BACKENDS = ("tensorflow", "jax", "torch")
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # of a single thread
OURS, PEER = "s2s_keras", "keras_hub"
NEVER = -1e9  # the bias of a token that is not written
SHARPNESS = 30.0  # random weights leave tokens almost equally likely; a trained network does not


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backends", nargs="+", default=[b for b in BACKENDS if importlib.util.find_spec(b)])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="a tiny search, once: shows that the benchmark runs")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments)))
        return
    if arguments.smoke:
        arguments.backends = arguments.backends[:1]
    print(f"{arguments.threads} thread(s); ms of CPU time (wall) a batch\n")
    print(
        f"| backend | beam | {PEER} BeamSampler | {OURS} beam_search | ratio | same texts |\n|---|---|---|---|---|---|"
    )
    for backend in arguments.backends:
        for beam, (same, times) in _common.measure_apart(backend, arguments.threads, XLA_FLAGS).items():
            cells = [f"{cpu:.0f} ({wall:.0f})" for cpu, wall in (times[PEER], times[OURS])]
            print(f"| {backend} | {beam} | {' | '.join(cells)} | {times[OURS][0] / times[PEER][0]:.2f} | {same} |")


def measure(arguments):
    """{beam: (how many texts are the same, {contestant: (median CPU ms, least wall ms)})} of one backend."""
    import keras

    from s2s_keras.applications import ListenAttendSpell

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(arguments.threads)
    batch, frames, tokens, beams = SMOKE if arguments.smoke else (BATCH, FRAMES, TOKENS, BEAMS)
    keras.utils.set_random_seed(0)
    sizes = {"hidden_dim": 8, "embedding_dim": 4, "attention_dim": 4} if arguments.smoke else {}
    model = ListenAttendSpell(blocks=((64, 3, 2, 1, 0.0),), recurrent_layers=(), front_end=None, dropout=0.0, **sizes)
    kernel, bias = model.get_layer("logits").get_weights()
    bias[[0, model.end_id]] = NEVER
    model.get_layer("logits").set_weights([SHARPNESS * kernel, bias])
    memory = np.random.default_rng(0).normal(size=(batch, frames, 64)).astype("float32")
    inputs = {"memory": memory, "mask": np.ones((batch, frames), bool)}
    results = {}
    for beam in beams:
        searches = {PEER: peer(model, beam, tokens), OURS: ours(model, beam, tokens)}
        texts = [search.predict_on_batch(inputs) for search in searches.values()]
        same = f"{np.sum(np.all(texts[0] == texts[1], axis=1))} of {batch}"
        steps = {name: lambda search=search: search.predict_on_batch(inputs) for name, search in searches.items()}
        results[beam] = same, _common.take_turns(steps, 1 if arguments.smoke else arguments.repeats)
    return results


def as_model(model, search):
    """`search` of a decoder's state, as a Keras model, which the backend compiles."""
    import keras

    class Search(keras.Model):
        def __init__(self):
            super().__init__()
            self.searched = model

        def call(self, inputs):
            return search(model.get_layer("decoder").start(inputs["memory"], inputs["mask"]), inputs["mask"])

    return Search()


def ours(model, beam, tokens):
    from keras import ops

    from s2s_keras.decoding import beam_search

    def search(state, mask):
        lengths = ops.sum(ops.ones_like(mask, dtype="int32"), axis=1) * 0 + tokens
        return beam_search(model.step, state, lengths, tokens, 0, model.end_id, beam)["token_ids"][:, 0]

    return as_model(model, search)


def peer(model, beam, tokens):
    import keras_hub
    from keras import ops

    sampler = keras_hub.samplers.BeamSampler(num_beams=beam)

    def step(prompt, state, index):
        logits, state = model.step(ops.take(prompt, index - 1, axis=1), state)
        return logits, None, state

    def search(state, mask):
        prompt = ops.zeros((ops.shape(mask)[0], tokens + 1), "int32")
        return sampler(step, prompt, state, index=1)[:, 1:]

    return as_model(model, search)


if __name__ == "__main__":
    main()
