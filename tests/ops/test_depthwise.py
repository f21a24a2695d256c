import numpy as np
import pytest
from keras import ops

from s2s_keras.ops.depthwise import depthwise_conv1d


@pytest.mark.parametrize("taps, strides, dilation_rate", [(1, 1, 1), (3, 1, 1), (4, 1, 2), (5, 2, 1), (40, 1, 1)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_it_is_the_sum_that_defines_it(taps, strides, dilation_rate, padding):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 50, 3)).astype("float32"), rng.normal(size=(taps, 3, 1)).astype("float32")
    if padding == "same" and strides > 1:
        pytest.skip("nobody pads so: with a stride the left padding would depend on the length")
    found = ops.convert_to_numpy(depthwise_conv1d(x, kernel, strides, padding, dilation_rate))
    span = dilation_rate * (taps - 1)
    if padding == "same":
        x = np.pad(x, ((0, 0), (span // 2, span - span // 2), (0, 0)))
    frames = [
        sum(x[:, t + n * dilation_rate] * kernel[n, :, 0] for n in range(taps))
        for t in range(0, x.shape[1] - span, strides)
    ]
    np.testing.assert_allclose(found, np.stack(frames, axis=1), rtol=0, atol=1e-5)
