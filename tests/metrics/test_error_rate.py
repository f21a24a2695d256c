import json

import jiwer
import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.metrics import CharacterErrorRate, WordErrorRate, character_error_rate, word_error_rate
from s2s_keras.tokenizers import CharacterTokenizer

BACKEND = keras.backend.backend()
TOKENIZER = CharacterTokenizer(" ab'")


def random_texts(rng, count, longest, characters=" ab'"):
    weights = [0.3, *[0.7 / (len(characters) - 1)] * (len(characters) - 1)]
    lengths = rng.integers(0, longest + 1, size=count)
    return ["".join(rng.choice(list(characters), p=weights, size=length)) for length in lengths]


def labels_of(texts, width):
    labels = np.zeros((len(texts), width), "int32")
    for row, text in zip(labels, texts, strict=True):
        row[: len(text)] = TOKENIZER.encode(text)
    return labels


def logits_of(texts, rng, num_frames):
    """Logits whose greedy search gives the texts: one to three frames a token, blanks where they must be or may be."""
    best = np.zeros((len(texts), num_frames), "int32")
    for row, text in zip(best, texts, strict=True):
        frames, previous = [], 0
        for token in TOKENIZER.encode(text):
            frames += [0] * (rng.integers(0, 2) or int(token == previous)) + [token] * rng.integers(1, 4)
            previous = token
        row[: len(frames)] = frames
    noise = rng.normal(size=(*best.shape, TOKENIZER.vocabulary_size)).astype("float32")
    return np.where(np.eye(TOKENIZER.vocabulary_size, dtype=bool)[best], noise.max() + 1, noise)


def edits_by_jiwer(process, references, hypotheses):
    output = process(references, hypotheses)
    length = output.hits + output.substitutions + output.deletions
    return output.substitutions, output.insertions, output.deletions, length


class TestTexts:
    def test_equal_jiwer(self):
        rng = np.random.default_rng(0)
        references, hypotheses = (random_texts(rng, 3000, longest) for longest in (30, 40))
        for reference, hypothesis in zip(references, hypotheses, strict=True):
            pair = [reference], [hypothesis]
            assert tuple(word_error_rate(*pair)) == edits_by_jiwer(jiwer.process_words, *pair)
            assert tuple(character_error_rate(*pair)) == edits_by_jiwer(jiwer.process_characters, *pair)
        assert word_error_rate(references, hypotheses).rate == pytest.approx(jiwer.wer(references, hypotheses))
        assert character_error_rate(references, hypotheses).rate == pytest.approx(jiwer.cer(references, hypotheses))

    def test_counts_by_hand(self):
        score = word_error_rate("one two  three four", "one too three for four five ")
        assert (score.substitutions, score.insertions, score.deletions) == (1, 2, 0)
        assert (score.edits, score.reference_length, score.rate) == (3, 4, 0.75)

    @pytest.mark.parametrize("rate", [word_error_rate, character_error_rate])
    def test_empty_references(self, rate):
        assert rate([], []).rate == 0.0
        assert rate(["", " "], ["", ""]).rate == 0.0
        assert rate(["", ""], ["a", "b"]).rate == 2.0
        assert rate(["", "a"], ["b", "a"]).rate == 1.0
        assert rate(["a"], [""]).rate == 1.0

    def test_refuses_lists_of_different_length(self):
        with pytest.raises(ValueError, match="2 references and 1 hypotheses"):
            word_error_rate(["a", "b"], ["a"])

    def test_refuses_what_is_no_text(self):
        with pytest.raises(TypeError, match="position 1"):
            character_error_rate(["a", "b"], ["a", None])


METRICS = {"wer": (WordErrorRate, jiwer.process_words), "cer": (CharacterErrorRate, jiwer.process_characters)}


@pytest.mark.parametrize("kind", METRICS)
class TestMetrics:
    def test_equal_jiwer_utterance_by_utterance(self, kind):
        metric_class, process = METRICS[kind]
        rng = np.random.default_rng(1)
        references, hypotheses = random_texts(rng, 2000, 16), random_texts(rng, 2000, 24)
        edits, lengths = metric_class(TOKENIZER).count(labels_of(references, 17), logits_of(hypotheses, rng, 96))
        edits, lengths = ops.convert_to_numpy(edits), ops.convert_to_numpy(lengths)
        for n, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
            *counts, length = edits_by_jiwer(process, [reference], [hypothesis])
            assert (edits[n], lengths[n]) == (sum(counts), length), (reference, hypothesis)

    def test_streams_over_batches(self, kind):
        metric_class, process = METRICS[kind]
        rng = np.random.default_rng(2)
        references, hypotheses = random_texts(rng, 40, 12), random_texts(rng, 40, 12)
        *counts, length = edits_by_jiwer(process, references, hypotheses)
        metric = metric_class(TOKENIZER)
        for batch, width, num_frames in ((slice(0, 1), 12, 50), (slice(1, 40), 15, 55)):
            metric.update_state(labels_of(references[batch], width), logits_of(hypotheses[batch], rng, num_frames))
        assert int(metric.edits) == sum(counts) and int(metric.reference_length) == length
        assert float(metric.result()) == pytest.approx(sum(counts) / length, rel=1e-6)
        metric.reset_state()
        assert float(metric.result()) == 0.0

    def test_nothing_was_said(self, kind):
        metric = METRICS[kind][0](TOKENIZER)
        metric.update_state(np.zeros((2, 0), "float32"), logits_of(["", "a"], np.random.default_rng(4), 5))
        assert float(metric.result()) == 1.0

    @pytest.mark.parametrize("jit_compile", {"tensorflow": [False, True], "torch": [False]}.get(BACKEND, [True]))
    def test_inside_fit_and_evaluate(self, kind, jit_compile):
        rng = np.random.default_rng(5)
        references, hypotheses = random_texts(rng, 24, 14), random_texts(rng, 24, 14)
        labels, logits = labels_of(references, 14), logits_of(hypotheses, rng, 60)
        inputs = keras.Input((None, TOKENIZER.vocabulary_size))
        model = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
        model.compile("sgd", NoLoss(), metrics=[METRICS[kind][0](TOKENIZER)], jit_compile=jit_compile)
        *counts, length = edits_by_jiwer(METRICS[kind][1], references, hypotheses)
        history = model.fit(logits, labels, batch_size=8, validation_data=(logits, labels), verbose=0).history
        evaluated = model.evaluate(logits, labels, batch_size=8, verbose=0, return_dict=True)
        for value in (*history[kind], *history[f"val_{kind}"], evaluated[kind]):
            assert value == pytest.approx(sum(counts) / length, rel=1e-6)

    def test_travels_with_a_saved_model(self, kind, tmp_path):
        rng = np.random.default_rng(6)
        labels, logits = labels_of(["a b", "b"], 5), logits_of(["a", "b"], rng, 12)
        model = keras.Sequential([keras.Input((None, TOKENIZER.vocabulary_size)), keras.layers.Rescaling(1.0)])
        model.compile("sgd", NoLoss(), metrics=[METRICS[kind][0](TOKENIZER, name="errors")])
        expected = model.evaluate(logits, labels, verbose=0, return_dict=True)["errors"]
        model.save(tmp_path / "model.keras")
        copy = keras.saving.load_model(tmp_path / "model.keras")
        assert copy.evaluate(logits, labels, verbose=0, return_dict=True)["errors"] == expected > 0

    def test_config_names_every_argument(self, kind):
        metric = METRICS[kind][0](CharacterTokenizer("xy z"), name="errors")
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
        copy = keras.saving.deserialize_keras_object(config)
        assert isinstance(copy, METRICS[kind][0])
        assert (copy.name, copy.tokenizer.characters, copy.space) == ("errors", "xy z", 3)

    def test_refuses_tokens_that_are_not_characters(self, kind):
        class Subwords:
            vocabulary_size = 3

            def decode(self, token_ids):
                return "".join(["", "a", "ing"][token_id] for token_id in token_ids)

        with pytest.raises(ValueError, match="token 2 decodes to 'ing'"):
            METRICS[kind][0](Subwords())


def test_words_need_a_space_and_characters_do_not():
    tokenizer = CharacterTokenizer("ab")
    with pytest.raises(ValueError, match="no token of the tokenizer decodes to a space"):
        WordErrorRate(tokenizer)
    metric = CharacterErrorRate(tokenizer)
    metric.update_state(np.array([[1, 2, 0]]), np.eye(3, dtype="float32")[np.array([[1, 1, 0, 0]])])
    assert float(metric.result()) == 0.5


def test_long_words_are_compared_to_their_last_letter():
    reference = "ab" * 20
    hypotheses = [reference, reference[:-1] + "a", reference + "a", reference[1:]]
    logits = logits_of(hypotheses, np.random.default_rng(7), 170)
    edits, lengths = WordErrorRate(TOKENIZER).count(labels_of([reference] * 4, 40), logits)
    assert ops.convert_to_numpy(edits).tolist() == [0, 1, 1, 1]
    assert ops.convert_to_numpy(lengths).tolist() == [1, 1, 1, 1]


def test_utterances_of_weight_zero_do_not_count():
    rng = np.random.default_rng(3)
    references, hypotheses = random_texts(rng, 8, 12), random_texts(rng, 8, 12)
    weights = np.array([1, 0, 2, 0, 0, 0.5, 1, 0], "float32")
    metric = CharacterErrorRate(TOKENIZER)
    metric.update_state(labels_of(references, 12), logits_of(hypotheses, rng, 50), sample_weight=weights)
    kept = [list(np.array(texts)[weights > 0]) for texts in (references, hypotheses)]
    expected = character_error_rate(*kept)
    assert (int(metric.edits), int(metric.reference_length)) == (expected.edits, expected.reference_length)


@keras.saving.register_keras_serializable(package="tests")
class NoLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return 0.0 * ops.mean(y_pred, axis=(1, 2))
