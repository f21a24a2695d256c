"""What NeMo's configuration of a recognizer says, in this package's arguments."""

import numpy as np

from s2s_keras.applications import Jasper, QuartzNet
from s2s_keras.applications.jasper import DENSE_RESIDUAL, PLAIN_RESIDUAL
from s2s_keras.layers import LogMelSpectrogram
from s2s_keras.tokenizers import CharacterTokenizer

ACTIVATIONS = {"relu": "relu", "selu": "selu", "swish": "silu"}
# What a block may say, besides sizes, and still be one that is here.
USUAL = {
    "groups": (1,),
    "heads": (-1,),
    "se": (False,),
    "normalization": ("batch",),
    "residual_mode": ("add",),
    "kernel_size_factor": (1, 1.0),
    "stride_last": (False,),
    "future_context": (-1,),
}


def _section(config, name):
    """The settings of one module; the first releases nested them once more."""
    section = config.get(name) if isinstance(config, dict) else None
    if not isinstance(section, dict):
        raise ValueError(f"The archive's configuration has no section {name!r}, so it is none of a CTC recognizer.")
    return section.get("params", section)


def architecture(config):
    """The class here and its arguments for the encoder that a configuration describes."""
    try:
        encoder = _section(config, "encoder")
        blocks = [_block(n, block) for n, block in enumerate(encoder["jasper"])]
        activation = ACTIVATIONS[encoder.get("activation", "relu")]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The archive's encoder is not one of Jasper or QuartzNet with {', '.join(ACTIVATIONS)}: "
            f"{type(error).__name__}: {error}. Models of those two families can be converted."
        ) from error
    first = next((n for n, block in enumerate(blocks) if block["residual"]), len(blocks))
    last = max((n for n, block in enumerate(blocks) if block["residual"]), default=first - 1)
    parts = blocks[:first], blocks[first : last + 1], blocks[last + 1 :]
    common = {"activation": activation, "symmetric_padding": True}
    separable = any(block["separable"] for block in blocks)
    family, arguments = (QuartzNet, _quartznet(*parts)) if separable else (Jasper, _jasper(*parts))
    if not arguments:
        raise ValueError(
            f"The archive's {len(blocks)} blocks are not laid out as those of {family.__name__}: blocks of stride 2, "
            "residual blocks, and the last ones, of which the first may be dilated."
        )
    return family, {**arguments, **common}


def _block(n, block):
    """A block of the configuration with plain numbers and without what it need not say."""
    for name, usual in USUAL.items():
        if block.get(name, usual[0]) not in usual:
            raise ValueError(f"block {n} has {name}={block[name]!r}")
    sizes = {}
    for name in ("kernel", "stride", "dilation"):
        value = block[name]
        sizes[name] = value[0] if isinstance(value, list) else value
    if sizes["kernel"] % 2 == 0:
        raise ValueError(f"block {n} has an even kernel size, {sizes['kernel']}")
    return {
        **sizes,
        "filters": block["filters"],
        "repeat": block["repeat"],
        "dropout": float(block.get("dropout", 0.0)),
        "residual": bool(block["residual"]),
        "dense": bool(block.get("residual_dense", False)),
        "separable": bool(block.get("separable", False)),
    }


def _is(blocks, **facts):
    return all(block[name] == value for block in blocks for name, value in facts.items())


def _quartznet(prologue, blocks, epilogue):
    """Arguments of `QuartzNet`, or None."""
    everything = [*prologue, *blocks, *epilogue]
    if len(epilogue) != 2 or not prologue or not blocks:
        return None
    last, head = epilogue
    regular = (
        _is(prologue, repeat=1, stride=2, dilation=1, separable=True)
        and _is(blocks, stride=1, dilation=1, separable=True, dense=False, repeat=blocks[0]["repeat"])
        and _is([last], repeat=1, stride=1, dilation=2, separable=True)
        and _is([head], repeat=1, stride=1, dilation=1, separable=False, kernel=1)
        and _is(everything, dropout=head["dropout"])
    )
    return regular and {
        "blocks": tuple((block["filters"], block["kernel"]) for block in blocks),
        "repeat": blocks[0]["repeat"],
        "prologue": tuple((block["filters"], block["kernel"]) for block in prologue),
        "epilogue": (last["filters"], last["kernel"]),
        "head_filters": head["filters"],
        "residual": "pointwise",
        "dropout": head["dropout"],
    }


def _jasper(prologue, blocks, epilogue):
    """Arguments of `Jasper`, or None."""
    if not prologue or not blocks or not epilogue:
        return None
    dense = blocks[0]["dense"]
    regular = (
        _is(prologue, repeat=1, stride=2, dilation=1)
        and _is(blocks, stride=1, dilation=1, dense=dense)
        and _is(epilogue, repeat=1, stride=1)
        and _is(epilogue[1:], dilation=1)
    )

    def sizes(part):
        return tuple((block["filters"], block["kernel"], block["dropout"]) for block in part)

    return regular and {
        "blocks": sizes(blocks),
        "repeat": tuple(block["repeat"] for block in blocks),
        "prologue": sizes(prologue),
        "epilogue": sizes(epilogue),
        "epilogue_dilation": epilogue[0]["dilation"],
        "residual": DENSE_RESIDUAL if dense else PLAIN_RESIDUAL,
    }


def inputs_and_outputs(config):
    """Arguments for tokenizer and front end."""
    vocabulary = _section(config, "decoder").get("vocabulary") or config.get("labels")
    if not isinstance(vocabulary, list) or any(len(token) != 1 for token in vocabulary):
        raise ValueError(
            "The archive's tokens are not single characters (subwords, perhaps); models of characters can be "
            f"converted. Received: {str(vocabulary)[:60]}."
        )
    tokenizer = CharacterTokenizer("".join(vocabulary))
    front_end = _front_end(_section(config, "preprocessor"))
    return {"tokenizer": tokenizer, "vocabulary_size": tokenizer.vocabulary_size, "front_end": front_end}


def _front_end(settings):
    """The `LogMelSpectrogram` that computes what NeMo's preprocessor does, from its settings and their defaults."""
    usual = {
        "log": True,
        "log_zero_guard_type": "add",
        "mag_power": 2.0,
        "frame_splicing": 1,
        "exact_pad": False,
        "n_window_size": None,
        "n_window_stride": None,
        "mel_norm": "slaney",
    }
    normalize = settings.get("normalize", "per_feature")
    window = settings.get("window", "hann")
    unusual = [f"{name}={settings[name]!r}" for name, value in usual.items() if settings.get(name, value) != value]
    if window not in ("hann", "hamming"):
        unusual.append(f"window={window!r}")
    if normalize not in ("per_feature", "NA", None) and not isinstance(normalize, dict):
        unusual.append(f"normalize={normalize!r}")
    if unusual:
        raise ValueError(f"The archive's features have no counterpart here: {', '.join(unusual)}.")
    if isinstance(normalize, dict):
        normalize = (normalize["fixed_mean"], normalize["fixed_std"])
    else:
        normalize = "per_feature_unbiased" if normalize == "per_feature" else None
    guard = settings.get("log_zero_guard_value", 2**-24)
    guards = {"tiny": np.finfo("float32").tiny, "eps": np.finfo("float32").eps}
    return LogMelSpectrogram(
        settings.get("features", 64),
        min_frequency=settings.get("lowfreq", 0),
        max_frequency=settings.get("highfreq"),
        floor=float(guards.get(guard, guard)),
        sample_rate=settings.get("sample_rate", 16000),
        window=window,
        window_ms=1000 * settings.get("window_size", 0.02),
        hop_ms=1000 * settings.get("window_stride", 0.01),
        fft_length=settings.get("n_fft"),
        preemphasis=settings.get("preemph", 0.97) or 0.0,
        dither=settings.get("dither", 1e-5),
        gain=1.0,
        normalization=normalize,
        name="front_end",
    )
