"""Reference outputs of the original toolkit, in this package's conventions: blank first, time after batch."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.convert.open_seq2seq import HEAD, load_variables, name_table
from s2s_keras.decoding import ctc_greedy
from s2s_keras.layers import BlankPadding
from s2s_keras.losses import CTC
from s2s_keras.ops.masks import sequence_mask

COPIES = Path(__file__).parent / "golden"  # of what is small; the rest lies in the shared folder


class Golden(NamedTuple):
    """One run of the original: where its outputs are, and the arguments that make the same network here."""

    folder: str
    arguments: dict
    outputs: str = "outputs_eval"
    masked: bool = True  # whether it was told the lengths; without, padding is signal to it


class Reference:
    """What went into one run of the original and what came out."""

    def __init__(self, golden, request):
        folder = COPIES / golden.folder
        if not (folder / f"{golden.outputs}.npz").is_file():
            folder = request.getfixturevalue("shared") / "golden" / golden.folder
        self.folder = folder
        self.variables = dict(np.load(folder / "variables.npz"))
        inputs, self.outputs = np.load(folder / "inputs.npz"), dict(np.load(folder / f"{golden.outputs}.npz"))
        x = inputs["x"]
        lengths = inputs["x_len"] if golden.masked else np.full(len(x), x.shape[1], "int32")
        self.inputs = {"features": x, "feature_lengths": lengths}
        real = np.arange(inputs["y"].shape[1]) < inputs["y_len"][:, None]
        self.labels = np.where(real, inputs["y"] + 1, 0)
        self.logits = np.roll(self.outputs["decoder.logits"].transpose(1, 0, 2), 1, axis=-1)
        self.lengths = self.outputs["decoder.src_length"]
        self.losses = self.outputs["ctc_loss_per_utt"]
        rows, tokens = self.outputs["decoder.outputs.0.indices"][:, 0], self.outputs["decoder.outputs.0.values"]
        self.token_ids = [(tokens[rows == n] + 1).tolist() for n in range(len(x))]

    def model(self, application, arguments):
        """The network with the original's weights."""
        with pytest.MonkeyPatch.context() as patch:  # every weight is loaded; random ones cost a compilation per shape
            zeros = lambda self, shape, dtype=None: ops.convert_to_tensor(np.zeros(shape, dtype))  # noqa: E731
            patch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)
            num_features = self.inputs["features"].shape[-1]
            model = application(**{"front_end": None, "num_mel_bins": num_features, **arguments})
        load_variables(model, self.variables)
        return model

    def compare(self, logits, frames):
        """Logits over the first frames of every utterance, loss and greedy tokens over its real ones."""
        for n, length in enumerate(frames):
            np.testing.assert_allclose(logits[n, :length], self.logits[n, :length], rtol=0, atol=1e-4)
        logits = BlankPadding()(logits, mask=sequence_mask(self.lengths, logits))
        np.testing.assert_allclose(
            ops.convert_to_numpy(CTC(reduction=None)(self.labels, logits)), self.losses, rtol=0, atol=1e-3
        )
        assert ctc_greedy(logits) == self.token_ids


def check_golden(application, golden, request):
    """Outputs in inference."""
    reference = Reference(golden, request)
    logits = reference.model(application, golden.arguments).predict_on_batch(reference.inputs)
    reference.compare(logits, reference.lengths if golden.masked else [logits.shape[1]] * len(logits))


def check_golden_training(application, golden, request):
    """Loss, gradients and moving statistics of one training step on batch statistics."""
    reference = Reference(golden, request)
    model = reference.model(application, golden.arguments)
    model.compile(keras.optimizers.SGD(1.0), CTC())  # the step of a weight is then its gradient
    loss = model.train_on_batch(reference.inputs, reference.labels)
    np.testing.assert_allclose(loss, reference.outputs["loss"], rtol=1e-5)
    for name, weight in name_table(model, reference.variables).items():
        value = np.float64(ops.convert_to_numpy(weight))
        if not weight.trainable:
            expected = reference.outputs[f"after_update:{name}"]
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5, err_msg=name)
            continue
        before = np.float64(reference.variables[name])
        before = np.roll(before, 1, axis=-1) if name.startswith(HEAD) else before
        gradient, norm = before - value, reference.outputs[f"grad_norm:{name}"]
        np.testing.assert_allclose(np.linalg.norm(gradient), norm, rtol=1e-4, err_msg=name)
        if f"grad:{name}" in reference.outputs:
            expected = reference.outputs[f"grad:{name}"]
            expected = np.roll(expected, 1, axis=-1) if name.startswith(HEAD) else expected
            np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-4 * norm, err_msg=name)
