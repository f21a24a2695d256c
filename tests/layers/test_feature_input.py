import keras
import numpy as np
from keras import ops

from s2s_keras.layers import FeatureInput
from tests.test_case import LayerTestCase


class TestFeatureInput(LayerTestCase):
    layer = FeatureInput
    clears_padding = True

    def run(self, layer, frames=12, garbage=0.0, **kwargs):
        return layer([self.features(frames, garbage), np.array(self.lengths)], **kwargs)

    def symbolic(self, layer, shape):
        return layer([keras.KerasTensor(shape), keras.KerasTensor(shape[:1], "int32")])

    def mask_of(self, layer, frames):
        return layer.compute_mask([self.features(frames), np.array(self.lengths)])

    def test_compiled_equals_eager(self):
        inputs = keras.Input((None, self.channels)), keras.Input((), dtype="int32")
        model = keras.Model(inputs, FeatureInput()(list(inputs)))
        model.compile(jit_compile=keras.backend.backend() != "torch")
        compiled = model.predict_on_batch([self.features(), np.array(self.lengths)])
        np.testing.assert_array_equal(compiled, ops.convert_to_numpy(self.run(FeatureInput())))


def test_padded_frames_are_zero_and_the_next_layer_gets_the_mask():
    class Spy(keras.layers.Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            self.seen = mask
            return inputs

    spy, features = Spy(), np.full((2, 4, 3), np.nan, "float32")
    features[0, :4], features[1, :1] = 1.0, 2.0
    found = ops.convert_to_numpy(spy(FeatureInput()([features, np.array([4, 1])])))
    assert found[:, :, 0].tolist() == [[1.0, 1.0, 1.0, 1.0], [2.0, 0.0, 0.0, 0.0]]
    assert ops.convert_to_numpy(spy.seen).tolist() == [[True] * 4, [True, False, False, False]]
