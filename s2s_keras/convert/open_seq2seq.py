"""Weights of OpenSeq2Seq, by the names that its checkpoints use."""

import difflib
import inspect

import numpy as np

from s2s_keras import applications
from s2s_keras.applications.jasper import DENSE_RESIDUAL
from s2s_keras.convert._checkpoint_reader import check_exists, open_variables
from s2s_keras.convert._open_seq2seq_images import IMAGE_HEAD, image_table, is_image_model
from s2s_keras.convert._open_seq2seq_recurrent import Part, recurrent_parts
from s2s_keras.convert._open_seq2seq_synthesis import is_synthesizer, synthesizer_table
from s2s_keras.convert._open_seq2seq_wavenet import is_wavenet, wavenet_table
from s2s_keras.layers import JasperBlock, MaskedBatchNormalization, PythonSpeechFeatures, RecurrentStack

NETWORK = "ForwardPass/"
TRAINING = "Loss_Optimization/"  # optimizer slots, loss scale
MASTERS = TRAINING + "FP32-master-copy/"  # float32 copies of what a mixed-precision network holds in float16
STEP = "global_step"
ENCODER = NETWORK + "w2l_encoder/"
DEEP_SPEECH = NETWORK + "ds2_encoder/"
OPAQUE = "opaque_kernel"  # cuDNN's own copy of what is there by name, too
HEAD = NETWORK + "fully_connected_ctc_decoder/fully_connected/"
FRONT_ENDS = ("psf", "librosa", None)
SHOWN = 8  # names per kind of problem in an error


def load_model(checkpoint, application, front_end=None, **arguments):
    """A recognizer of a class here, with the weights of a checkpoint and the front end that they were trained with.

    Args:
        checkpoint: as `variables` of `load_variables`: the path of a checkpoint, for example.
        application: str, name of a class in `s2s_keras.applications`, such as "Jasper10x5" or "DeepSpeech2Large".
        front_end: "psf" (python_speech_features, the original's default), "librosa", or None: librosa for Jasper and
            QuartzNet, whose released configurations say so, psf for the others.
        **arguments: of the class: where the configuration differs from its defaults.

    Returns:
        The model.

    Raises:
        ValueError: if there is no such class, or the checkpoint is of another network.
        ImportError: if a path is given and TensorFlow is not installed.

    Example:

    >>> load_model({}, "Jasper10x6")
    Traceback (most recent call last):
    ValueError: There is no recognizer 'Jasper10x6'. Close: Jasper10x5, Jasper10x3, Jasper.
    """
    family = getattr(applications, application, None)
    if not (isinstance(family, type) and issubclass(family, applications.CTCRecognizer)):
        close = ", ".join(difflib.get_close_matches(application, applications.__all__)) or "none"
        raise ValueError(f"There is no recognizer {application!r}. Close: {close}.")
    if front_end not in FRONT_ENDS:
        raise ValueError(f'`front_end` is "psf", "librosa" or None. Received: front_end={front_end!r}.')
    check_exists(checkpoint)
    librosa = issubclass(family, (applications.Jasper, applications.QuartzNet))
    if front_end == "psf" or (front_end is None and not librosa):
        features = "spectrogram" if issubclass(family, applications.DeepSpeech2) else "log_mel"
        bins = arguments.get("num_mel_bins") or _num_features(family)
        arguments["front_end"] = PythonSpeechFeatures(features, bins, name="front_end")
    model = family(**arguments)
    load_variables(model, checkpoint)
    return model


def _num_features(family):
    """The default of a class, which stands where it first differs."""
    for parent in family.__mro__:
        if "num_mel_bins" in (parameters := inspect.signature(parent.__init__).parameters):
            return parameters["num_mel_bins"].default


def load_variables(model, variables):
    """Load what OpenSeq2Seq trained: a checkpoint, or its variables by name.

    Everything is read and checked before the first weight changes, so that a failure leaves the model as it was. Of a
    mixed-precision checkpoint the float32 master copies are taken. Optimizer slots and step counters are ignored, and
    so is the output layer if the model was built with `include_top=False`.

    Args:
        model: a built model of `JasperBlock`s in the order of the original's layers, such as `Jasper`, `QuartzNet` or
            `Wav2Letter`, or a `DeepSpeech2` or `WaveNet`, with the arguments that the original's configuration asks
            for.
        variables: mapping from checkpoint names to arrays (a dict, or what `np.load` gives for an .npz file), a
            TensorFlow checkpoint reader, or the path of a checkpoint or its folder (needs TensorFlow).

    Raises:
        ValueError: if a variable is missing, left over, of another shape or not finite; the message names them.
        ImportError: if a path is given and TensorFlow is not installed.

    Example:

    >>> from s2s_keras.applications import Jasper
    >>> model = Jasper(blocks=(), prologue=(4, 3, 0.0), epilogue=(), front_end=None, num_mel_bins=2, normalization=None)
    >>> kernel = {"ForwardPass/w2l_encoder/conv11/kernel": np.ones((3, 2, 4))}
    >>> head = "ForwardPass/fully_connected_ctc_decoder/fully_connected/"
    >>> load_variables(model, {**kernel, head + "kernel": np.ones((4, 29)), head + "bias": np.arange(29)})
    >>> float(model.get_layer("logits").bias.numpy()[0])  # blank was last and is first now
    28.0

    Reference:
        How the original differs from this package: blank is its last token and 0 here, with all other ids one higher;
        batch normalization with an epsilon below 1.001e-5 used 1.001e-5, and its batch statistics count padded frames
        (`normalization={"real_frames_only": False}`, for continued training only). Kernels of 2-D convolutions whose
        first axis is frequency (its formats BFTC and BCFT) are turned, if time and frequency differ in size.
    """
    names, read = open_variables(variables)
    table = name_table(model, names)
    sources = {name: MASTERS + name if MASTERS + name in names else name for name in table}
    values = {
        name: _time_first(np.asarray(read(source), dtype="float32"), table[name])
        for name, source in sources.items()
        if source in names
    }
    has_head = any(name.startswith((HEAD, IMAGE_HEAD)) for name in table)
    ignored = (TRAINING, STEP) if has_head else (TRAINING, STEP, HEAD, IMAGE_HEAD)
    problems = {
        "missing": [name for name in table if name not in values],
        "of another shape": [
            f"{name} {value.shape}, in the model {tuple(table[name].shape)}"
            for name, value in values.items()
            if value.shape != tuple(table[name].shape)
        ],
        "not finite": [name for name, value in values.items() if not np.all(np.isfinite(value))],
        "without a place in the model": [
            n for n in names if n not in table and not n.startswith(ignored) and not n.endswith(OPAQUE)
        ],
    }
    if any(problems.values()):
        raise ValueError(
            f"These variables are not those of the {type(model).__name__} {model.name!r}; nothing was loaded. "
            f"{' '.join(_count(*problem) for problem in problems.items() if problem[1])} Build the model with the "
            "arguments of the original's configuration: blocks, repeat, residual, separable, normalization, number of "
            "features and vocabulary size."
        )
    for name, value in values.items():
        table[name].assign(np.roll(value, 1, axis=-1) if name.startswith(HEAD) else value)


def name_table(model, names=()):
    """Every weight of a model by the name that it has in a checkpoint of the original.

    With block b = 1, 2, ... and repetition r = 1, 2, ..., written one after the other, below "ForwardPass/":

    ```
    w2l_encoder/conv{b}{r}/kernel                      or depthwise_kernel and pointwise_kernel
    w2l_encoder/conv{b}{r}/bn/{gamma, beta, moving_mean, moving_variance}
    w2l_encoder/LayerNorm, LayerNorm_1, ...            instead of bn, in the order of the convolutions;
    w2l_encoder/InstanceNorm, InstanceNorm_1, ...      likewise
    w2l_encoder/conv{b}{r}/res, res_bn                 plain residual, r the last repetition
    w2l_encoder/conv{b}{r}/res_{n}, res_bn_{n}         dense residual, n = 0 is the oldest input
    ds2_encoder/conv{n}/kernel, bn                     convolution n = 1, 2, ...
    ds2_encoder/cudnn_gru/stack_bidirectional_rnn/cell_{l}/bidirectional_rnn/{fw, bw}/cudnn_compatible_gru_cell
    ds2_encoder/cudnn_gru/rnn/multi_rnn_cell/cell_{l}/cudnn_compatible_gru_cell           and others
    ds2_encoder/{row_conv, fully_connected}
    fully_connected_ctc_decoder/fully_connected/{kernel, bias}
    resnet_encoder/conv2d_{N}/kernel, batch_normalization_{N}      without _0, in the order in which they were built;
    cnn_encoder/conv2d_{N}, batch_normalization_{N}, dense_{N}     likewise
    fully_connected_decoder/fully_connected/{kernel, bias}         of a classifier of pictures
    wavenet_encoder/{preprocess, filter_{b}_{l}, gate_{b}_{l}}/{kernel, bn}       layer l of cycle b of dilations
    wavenet_encoder/{residual_1x1_{b}_{l}, skip_1x1_{b}_{l}, filter_condition, gate_condition}/kernel
    wavenet_encoder/{postprocess_1, postprocess_2}/kernel
    ```

    Args:
        model: a built model of `JasperBlock`s, a `DeepSpeech2`, a `WaveNet`, or a `ResNet`, `AlexNet` or `CifarNV`.
        names: names of the checkpoint: recurrent layers have different ones with and without cuDNN.

    Returns:
        dict, checkpoint name -> `keras.Variable`, or a `Part` that can be assigned like one: some of the original's
        variables are spread over several weights.

    Raises:
        ValueError: if the model is none of them.
    """
    if is_image_model(model):
        return image_table(model)
    if is_synthesizer(model):
        return synthesizer_table(model, names)
    if is_wavenet(model):
        return wavenet_table(model)
    if any(isinstance(layer, RecurrentStack) for layer in model.layers):
        table = _deep_speech_table(model, names)
    else:
        table = _block_table(model)
    if "logits" in [layer.name for layer in model.layers]:
        table |= _weights(HEAD, model.get_layer("logits"))
    return table


def _block_table(model):
    blocks = [layer for layer in model.layers if isinstance(layer, JasperBlock)]
    if not blocks:
        raise ValueError(
            f"There are names for models of `JasperBlock`s (Jasper, QuartzNet, Wav2Letter) and DeepSpeech2. Received: "
            f"{type(model).__name__}, whose layers are {', '.join(layer.name for layer in model.layers) or 'none'}."
        )
    dense = getattr(model, "residual", None) == DENSE_RESIDUAL
    table = {}
    for b, block in enumerate(blocks, start=1):
        for r, (convolution, normalization) in enumerate(zip(block.convolutions, block.normalizations, strict=True), 1):
            scope = f"{ENCODER}conv{b}{r}/"
            table |= _weights(scope, convolution)
            table |= _weights(_normalization_scope(scope, normalization, table), normalization)
        for n, projection in enumerate(block.projections):
            suffix = f"_{n}" if dense else ""
            table |= _weights(f"{scope}res{suffix}/", projection)
            table |= _weights(f"{scope}res_bn{suffix}/", block.projection_normalizations[n])
    return table


def _deep_speech_table(model, names):
    layers = {layer.name: layer for layer in model.layers}
    table = {}
    if "convolutions" in layers:
        stack = layers["convolutions"]
        for n, (convolution, normalization) in enumerate(zip(stack.layers, stack.normalizations, strict=True), 1):
            table |= _weights(f"{DEEP_SPEECH}conv{n}/", convolution)
            table |= _weights(f"{DEEP_SPEECH}conv{n}/bn/", normalization)
    recurrent = recurrent_parts(layers["recurrent"], [name for name in names if name.startswith(DEEP_SPEECH)])
    table |= {DEEP_SPEECH + name: part for name, part in recurrent.items()}
    if "row_convolution" in layers:
        kernel = layers["row_convolution"].kernel
        width, channels, _ = kernel.shape
        table[f"{DEEP_SPEECH}row_conv/w"] = Part((width, 1, channels, 1), [(kernel, np.s_[:], np.s_[:, 0])])
        table |= _weights(f"{DEEP_SPEECH}row_conv/bn/", layers["row_convolution_norm"])
    return table | _weights(f"{DEEP_SPEECH}fully_connected/", layers["fully_connected"])


def _time_first(value, weight):
    """The kernel of a 2-D convolution with time as its first axis, whichever the original stored first."""
    shape = tuple(weight.shape)
    if len(shape) == 4 and value.shape != shape and value.shape == (shape[1], shape[0], *shape[2:]):
        return value.swapaxes(0, 1)
    return value


def _weights(scope, layer):
    return {scope + weight.name: weight for weight in layer.weights}


def _normalization_scope(convolution_scope, normalization, table):
    """Batch normalization is named after its convolution, the others are numbered through the encoder."""
    if isinstance(normalization, MaskedBatchNormalization):
        return convolution_scope + "bn/"
    kind = "LayerNorm" if getattr(normalization, "across_channels", False) else "InstanceNorm"
    earlier = sum(name.startswith(ENCODER + kind) and name.endswith("gamma") for name in table)
    return f"{ENCODER}{kind}_{earlier}/" if earlier else f"{ENCODER}{kind}/"


def _count(what, names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}."
