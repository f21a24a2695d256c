"""The names of WaveNet in checkpoints of the original."""

import numpy as np

from s2s_keras.applications.wavenet import WaveNet
from s2s_keras.convert._open_seq2seq_recurrent import Part

SCOPE = "ForwardPass/wavenet_encoder/"
BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def is_wavenet(model):
    return isinstance(model, WaveNet)


def wavenet_table(model):
    """Every weight of a `WaveNet` by the name that it has in a checkpoint: dict to `keras.Variable` or `Part`.

    Kernels over one sample have an axis of one here and none there, and what a block normalizes in one layer, filter
    and gate, has two names.
    """
    start, condition = model.get_layer("start"), model.get_layer("mel_condition")
    table = {SCOPE + "preprocess/kernel": start.kernel}
    table |= {f"{SCOPE}preprocess/bn/{name}": getattr(start.norm, name) for name in BATCH_NORM}
    table[SCOPE + "filter_condition/kernel"] = _pointwise(condition.filter_kernel)
    table[SCOPE + "gate_condition/kernel"] = _pointwise(condition.gate_kernel)
    cycle, layer = -1, 0
    for n, rate in enumerate(model.dilation_rates):
        cycle, layer = (cycle + 1, 0) if rate == 1 or n == 0 else (cycle, layer + 1)
        block, place = model.get_layer(f"block_{n}"), f"{cycle}_{layer}"
        halves = (np.s_[: model.filters], np.s_[model.filters :])
        for kind, kernel, half in zip(
            ("filter", "gate"), (block.filter_kernel, block.gate_kernel), halves, strict=True
        ):
            table[f"{SCOPE}{kind}_{place}/kernel"] = kernel
            for name in BATCH_NORM:
                pieces = [(getattr(block.norm, name), half, np.s_[:])]
                table[f"{SCOPE}{kind}_{place}/bn/{name}"] = Part((model.filters,), pieces)
        if not block.last:
            table[f"{SCOPE}residual_1x1_{place}/kernel"] = _pointwise(block.residual_kernel)
        table[f"{SCOPE}skip_1x1_{place}/kernel"] = _pointwise(block.skip_kernel)
    table[SCOPE + "postprocess_1/kernel"] = _pointwise(model.get_layer("dense").kernel)
    table[SCOPE + "postprocess_2/kernel"] = _pointwise(model.get_layer("logits").kernel)
    return table


def _pointwise(kernel):
    return Part((1, *kernel.shape), [(kernel, np.s_[:], 0)])
