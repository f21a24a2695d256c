"""The inherited checks for models that write token after token, and what the original made of the same weights."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.applications.application import copy_weights
from s2s_keras.convert.open_seq2seq import load_variables
from s2s_keras.data import TeacherForcing
from s2s_keras.losses import CrossEntropy
from tests.checks import dtypes_seen, values
from tests.recurrent_reference import load_cell
from tests.test_case import GARBAGE, SMALL, ApplicationTestCase

SMALL_ATTENTION = {
    **SMALL,
    "blocks": ((8, 3, 2, 1, 0.0),),
    "hidden_dim": 6,
    "embedding_dim": 5,
    "attention_dim": 4,
    "dropout": 0.0,
    "max_positions": 12,
}
# The network that the original was run with.
ORIGINAL = {
    "blocks": ((16, 11, 2, 1, 0.0), (16, 11, 1, 2, 0.0), (24, 11, 2, 1, 0.0)),
    "hidden_dim": 24,
    "embedding_dim": 16,
    "attention_dim": 16,
    "front_end": None,
    "num_mel_bins": 16,
}
GO = 28  # the original's first token, which is 0 here; its others are one less than here, but for the end


class AttentionTestCase(ApplicationTestCase):
    """What holds for attention recognizers; token ids take the place of frames."""

    def inputs(self, rows=(0, 1, 2), padding=0, garbage=0.0):
        inputs = super().inputs(rows, padding, garbage)
        more = 2 if padding else 0  # as `targets` are padded then
        return TeacherForcing(29)(inputs, np.pad(np.array(self.labels)[list(rows)], [(0, 0), (0, more)]))[0]

    def outputs(self, model, **kwargs):
        if keras.backend.backend() == "jax":  # a loop outside of a compiled function is compiled at every call
            return self.logits_of(model.predict_on_batch(self.inputs(**kwargs)))
        return super().outputs(model, **kwargs)

    def targets(self, padding=0):
        return TeacherForcing(29, with_ctc=self.application.has_ctc)(super().inputs(), super().targets(padding))[1]

    def compile(self, model, optimizer, **kwargs):
        model.compile(optimizer, CrossEntropy(), **kwargs)

    def test_without_top(self):
        encoder = self.make(include_top=False)
        report = copy_weights(self.model, encoder)
        assert not report["missing"] and not report["shape differs"]
        assert set(encoder.input) == {"audio", "audio_lengths"}
        assert encoder.output_shape == (None, None, self.encoder_dim)
        inputs = self.inputs()
        found = encoder({name: inputs[name] for name in encoder.input})
        expected = self.model.initial_state(inputs)["memory"]
        assert ops.convert_to_numpy(expected["mask"]).sum(axis=1).tolist() == list(self.num_frames)
        positions = values([self.model.get_layer("decoder").memory_positions(np.minimum(np.arange(21), 11))])[0]
        for n, frames in enumerate(self.num_frames):
            a, b = (ops.convert_to_numpy(x)[n, :frames] for x in (found, expected["values"]))
            np.testing.assert_allclose(a + positions[:frames], b, rtol=0, atol=1e-5)

    def test_symbolic_shape_equals_eager_shape(self):
        assert self.logits_of(self.model.output_shape) == (None, None, self.vocabulary_size + 1)
        for padding in (0, 35):
            inputs = self.inputs(padding=padding)
            symbolic = self.model({name: keras.KerasTensor(x.shape, x.dtype) for name, x in inputs.items()})
            eager = self.model(inputs)
            keras.tree.map_structure(lambda a, b: np.testing.assert_array_equal(a.shape, b.shape), symbolic, eager)

    def test_padding_never_changes_an_answer(self):
        together = self.outputs(self.model)
        alone = self.outputs(self.model, rows=(1,))
        np.testing.assert_allclose(alone[0], together[1], rtol=0, atol=self.tolerance)
        for garbage in GARBAGE:
            padded = self.outputs(self.model, padding=35, garbage=garbage)
            np.testing.assert_allclose(padded[:, : together.shape[1]], together, rtol=0, atol=self.tolerance)

    def test_tokens_to_come_are_not_seen(self):
        inputs = self.inputs()
        changed = {**inputs, "decoder_token_ids": inputs["decoder_token_ids"].copy()}
        changed["decoder_token_ids"][:, 2:] = 9
        before, after = (ops.convert_to_numpy(self.logits_of(self.model(x))) for x in (inputs, changed))
        np.testing.assert_array_equal(before[:, :2], after[:, :2])
        assert np.abs(before[:, 2] - after[:, 2]).min() > 0.0

    def test_steps_equal_teacher_forcing(self):
        inputs, logits = self.inputs(), self.outputs(self.model)
        state = self.model.initial_state(inputs)
        for n, token_ids in enumerate(inputs["decoder_token_ids"].T):
            found, state = self.model.step(token_ids, state)
            np.testing.assert_allclose(ops.convert_to_numpy(found), logits[:, n], rtol=0, atol=1e-5)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision(self, policy):
        model = self.make(dtype=policy)
        assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
        seen, outputs = dtypes_seen(model, self.inputs())
        half = policy.removeprefix("mixed_")
        for path, dtypes in seen.items():
            parts = path.split("/")
            expected = {"float32"} if set(parts) & set(self.float32_layers) else {half}
            if parts[-1] in ("cell", "attention"):  # their alignments stay float32
                expected = {half, "float32"}
            assert dtypes == expected, f"{path} computes in or returns {dtypes}"
        assert {keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(outputs)} == {"float32"}
        error = ops.convert_to_numpy(self.logits_of(outputs)) - self.outputs(self.model)
        assert np.abs(error).max() < 0.2, "far from float32"

    def test_recordings_have_texts_that_do_not_depend_on_the_batch(self):
        rng = np.random.default_rng(0)
        recordings = [rng.uniform(-1.0, 1.0, n).astype("float32") for n in (300, 100, 0)]
        together = self.model.hypotheses(recordings, beam_width=3)
        assert [len(found) > 0 for found in together] == [True] * 3
        for n, recording in enumerate(recordings[:2]):
            (alone,) = self.model.hypotheses([recording], beam_width=3)
            assert [text for text, _ in alone] == [text for text, _ in together[n]]
            np.testing.assert_allclose([s for _, s in alone], [s for _, s in together[n]], rtol=0, atol=1e-3)
        assert together[0] == sorted(together[0], key=lambda pair: -pair[1])
        assert self.model.transcribe(recordings[0], beam_width=3) == together[0][0][0]

    def test_search_needs_a_head_and_recordings(self):
        with pytest.raises(ValueError, match="include_top"):
            self.make(include_top=False).transcribe(np.zeros(10, "float32"))
        with pytest.raises(ValueError, match="batch_size=0"):
            self.model.transcribe(np.zeros(10, "float32"), batch_size=0)


class Reference:
    """One network of the original with its weights here, and its inputs and outputs in our token ids."""

    def __init__(self, shared, folder, application, scope="", **arguments):
        self.folder = shared / "golden" / folder
        variables = dict(np.load(self.folder / "variables.npz"))
        scope = f"ForwardPass/{scope}las_decoder/"
        positions = f"{scope}EncoderPositionEmbeddingMatrix" in variables
        self.model = application(**ORIGINAL, max_positions=1024 if positions else 0, **arguments)
        self.decoder = self.model.get_layer("decoder")
        encoder = keras.Model(self.model.input, self.decoder.input[0])
        names = {n: v for n, v in variables.items() if "/las_encoder/" in n}
        load_variables(encoder, {n.replace("las_encoder", "w2l_encoder"): v for n, v in names.items()})
        self.decoder.embedding.embeddings.assign(self.tokens(variables[scope + "TargetEmbeddingMatrix"], axis=0))
        if positions:
            for name, layer in {"Encoder": "memory_positions", "Decoder": "token_positions"}.items():
                getattr(self.decoder, layer).embeddings.assign(variables[f"{scope}{name}PositionEmbeddingMatrix"])
        memory_kernel = variables[scope + "memory_layer/kernel"]
        load_cell(self.decoder.cell, f"{scope}decoder/attention_wrapper/", variables, memory_kernel)
        vbeta = {n: v for n, v in variables.items() if n.endswith("vbeta")}
        for value in vbeta.values():
            self.decoder.cell.attention.fertility_v.assign(value)
        head = f"{scope}decoder/fully_connected/fully_connected_0/"
        self.model.get_layer("logits").set_weights([self.tokens(variables[head + n]) for n in ("kernel", "bias")])
        self.variables = variables
        self.inputs = dict(np.load(self.folder / "inputs.npz"))
        self.mask = np.arange(20) < np.array([20, 16, 12])[:, None]

    @staticmethod
    def tokens(array, axis=-1):
        """The original's order of tokens, the first one 28 and the end 29, in ours."""
        return np.take(array, [GO, *range(28), 29], axis=axis)

    def outputs(self, name):
        return np.load(self.folder / f"outputs_{name}.npz")

    def token_ids(self, theirs):
        return np.where(theirs == 29, 29, (theirs + 1) % 29)

    def check_encoder(self, name):
        """All frames are signal to the original's convolutions, padded ones too."""
        lengths = np.full(3, self.inputs["x"].shape[1])
        inputs = {"features": self.inputs["x"], "feature_lengths": lengths}
        memory = ops.convert_to_numpy(self.model._encoder(inputs)["memory"])
        np.testing.assert_allclose(memory, self.outputs(name)["encoder.outputs"], rtol=0, atol=2e-5)

    def check_teacher_forcing(self, num_steps=None):
        """Logits and alignments for the right tokens, on the original's memory."""
        outputs = self.outputs("train")
        token_ids = np.pad(self.token_ids(self.inputs["y"])[:, :-1], [(0, 0), (1, 0)])
        inputs, mask = [outputs["encoder.outputs"], token_ids], [self.mask, None]
        logits = values([self.model.get_layer("logits")(self.decoder(inputs, mask=mask))])[0]
        alignments = values([self.decoder.alignments(inputs, mask=mask)])[0]
        for n, length in enumerate(self.inputs["y_len"] if num_steps is None else [num_steps] * 3):
            expected = self.tokens(outputs["decoder.logits"][n, :length])
            np.testing.assert_allclose(logits[n, :length], expected, rtol=0, atol=2e-5)
            expected = outputs["decoder.outputs.1"][n, :length]
            np.testing.assert_allclose(alignments[n, :length], expected, rtol=0, atol=2e-5)
        return logits
