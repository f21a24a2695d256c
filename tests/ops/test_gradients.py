import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.ops.gradients import dense_gradient, merge_rows
from s2s_keras.optimizers import LARC, LazyAdam, NovoGrad

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has sparse gradients")
ROWS, VALUES = [3, 0, 1, 0, 3, 3], np.arange(1.0, 13.0, dtype="float32").reshape(6, 2)
DENSE = np.zeros((4, 2), "float32")
np.add.at(DENSE, ROWS, VALUES)


def sparse():
    import tensorflow as tf

    return tf.IndexedSlices(tf.constant(VALUES), tf.constant(ROWS), tf.constant(DENSE.shape))


def test_dense():
    np.testing.assert_array_equal(dense_gradient(sparse()), DENSE)


def test_merged_rows_have_the_gradient_and_its_norm():
    merged = merge_rows(sparse())
    np.testing.assert_array_equal(dense_gradient(merged), DENSE)
    np.testing.assert_allclose(np.linalg.norm(merged.values), np.linalg.norm(DENSE), rtol=1e-6)
    assert np.linalg.norm(VALUES) < 0.8 * np.linalg.norm(DENSE)


@pytest.mark.parametrize("make", [LARC, NovoGrad, LazyAdam, lambda rate: LazyAdam(rate, global_clipnorm=0.5)])
def test_optimizers_add_the_look_ups_of_a_row(make):
    got = []
    for gradient in (sparse(), ops.convert_to_tensor(DENSE)):
        table = keras.Variable(np.ones((4, 2), "float32"), name="embeddings")
        optimizer = make(0.1)
        for _ in range(2):
            optimizer.apply([gradient], [table])
        got.append(ops.convert_to_numpy(table))
    np.testing.assert_allclose(*got, rtol=1e-6)


@pytest.mark.parametrize("make", [keras.optimizers.Adam, keras.optimizers.RMSprop])
def test_merged_rows_mend_keras_optimizers(make):
    got = {}
    for name, gradient in {"merged": merge_rows(sparse()), "dense": ops.convert_to_tensor(DENSE)}.items():
        table = keras.Variable(np.ones((4, 2), "float32"))
        optimizer = make(0.1)
        for _ in range(2):
            optimizer.apply([gradient], [table])
        got[name] = ops.convert_to_numpy(table)
    np.testing.assert_allclose(got["merged"], got["dense"], rtol=1e-6)
