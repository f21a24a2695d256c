import keras
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("the kernels of PyTorch", allow_module_level=True)

import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from s2s_keras.losses import _ctc_torch  # noqa: E402


@pytest.mark.parametrize("vocabulary", [4, 40])
def test_the_kernel_for_cuda_equals_the_loop(vocabulary):
    labels = torch.tensor([[1, 2, 2, 1], [3, 3, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    logits = torch.randn((4, 9, vocabulary), generator=torch.Generator().manual_seed(0))
    logits[:, 6:] = torch.where(torch.arange(vocabulary) == 0, 0.0, -1e9)
    tokens = functional.pad(labels, (0, 1))
    emissions = torch.gather(logits.log_softmax(-1), 2, tokens[:, None].expand(-1, 9, -1))
    native, loop = _ctc_torch._native(labels, emissions), _ctc_torch._align(labels, emissions)
    torch.testing.assert_close(native[0][:3], loop[0][:3])
    assert native[0][3] > 1e8 and loop[0][3] > 1e8
    one_hot = functional.one_hot(tokens, vocabulary).float()
    torch.testing.assert_close((native[1] @ one_hot)[:3], (loop[1] @ one_hot)[:3], atol=1e-5, rtol=0)
