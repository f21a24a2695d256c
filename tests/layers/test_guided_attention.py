import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import GuidedAttention
from s2s_keras.ops.alignments import guided_attention

STEPS, TOKENS = (5, 3, 0), (4, 2, 3)
ALIGNMENT = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 5)).astype("float32")
STEP_MASK = np.arange(5) < np.array(STEPS)[:, None]
TOKEN_MASK = np.arange(4) < np.array(TOKENS)[:, None]


def brute_force(alignment, sharpness):
    """Tachibana's weight, pair by pair; the mean over real steps."""
    total = 0.0
    for n in range(3):
        for t in range(STEPS[n]):
            for u in range(TOKENS[n]):
                distance = u / TOKENS[n] - t / STEPS[n]
                total += alignment[n, t, u] * (1.0 - np.exp(-(distance**2) / (2.0 * sharpness**2)))
    return total / sum(STEPS)


@pytest.mark.parametrize("sharpness", [0.2, 0.5])
def test_the_loss_is_the_mean_distance_over_real_steps(sharpness):
    loss = float(guided_attention(ALIGNMENT, STEP_MASK, TOKEN_MASK, sharpness))
    assert loss == pytest.approx(brute_force(ALIGNMENT, sharpness), rel=1e-5)
    garbage = np.where(STEP_MASK[..., None] & TOKEN_MASK[:, None], ALIGNMENT, np.nan)
    padded = np.pad(garbage, [(0, 0), (0, 2), (0, 3)], constant_values=7.0)
    masks = np.pad(STEP_MASK, [(0, 0), (0, 2)]), np.pad(TOKEN_MASK, [(0, 0), (0, 3)])
    assert float(guided_attention(padded, *masks, sharpness)) == pytest.approx(loss, rel=1e-6)
    nothing = np.zeros_like(STEP_MASK), np.zeros_like(TOKEN_MASK)
    assert float(guided_attention(ALIGNMENT, *nothing, sharpness)) == 0.0


def test_a_layer_adds_it_in_training():
    layer = GuidedAttention(weight=3.0, sharpness=0.3)
    inputs = [ops.convert_to_tensor(x) for x in (ALIGNMENT, STEP_MASK, TOKEN_MASK)]
    output = layer(inputs)
    assert not layer.losses
    np.testing.assert_array_equal(ops.convert_to_numpy(output), ALIGNMENT)
    layer(inputs, training=True)
    assert float(layer.losses[0]) == pytest.approx(3.0 * brute_force(ALIGNMENT, 0.3), rel=1e-5)
    again = GuidedAttention.from_config(layer.get_config())
    assert (again.weight, again.sharpness) == (3.0, 0.3)


def test_fit_straightens_an_alignment():
    """Scores that are weights of the model move towards the diagonal, and only by this loss."""
    ones = keras.Input((6, 6))
    scores = Scores(name="scores")(ones)
    mask = keras.ops.sum(ones, axis=-1) > 0
    alignment = GuidedAttention()([keras.layers.Softmax()(scores), mask, mask])
    model = keras.Model(ones, alignment)
    model.compile(keras.optimizers.Adam(0.3), loss=lambda y_true, y_pred: 0.0 * keras.ops.mean(y_pred))
    x = np.ones((4, 6, 6), "float32")
    history = model.fit(x, x, batch_size=4, epochs=25, verbose=0).history["loss"]
    assert history[-1] < 0.1 * history[0]
    found = model.predict(x[:1], verbose=0)[0]
    assert np.abs(found.argmax(axis=1) - np.arange(6)).max() <= 1


class Scores(keras.layers.Layer):
    def build(self, input_shape):
        self.scores = self.add_weight(input_shape[1:], "zeros", name="scores")

    def call(self, x):
        return x * self.scores


def test_wrong_arguments():
    with pytest.raises(ValueError, match="Received: weight=1.0, sharpness=0"):
        GuidedAttention(sharpness=0)
