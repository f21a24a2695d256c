"""Models of NeMo: `.nemo` archives of Jasper and QuartzNet with CTC."""

import io
import os
import tarfile

import numpy as np
import yaml

from s2s_keras.convert._nemo_config import architecture, inputs_and_outputs
from s2s_keras.convert._torch_state import assign, normalization_table, read_state
from s2s_keras.layers import JasperBlock, MaskedBatchNormalization

CONFIG, WEIGHTS = "model_config.yaml", "model_weights.ckpt"
ENCODER, DECODER = "encoder.encoder.", "decoder.decoder_layers.0."
IGNORED = ("preprocessor.", "spec_augmentation.", "loss.", "_wer.", "wer.")


def load_model(path):
    """The recognizer in a `.nemo` archive, with its weights, tokenizer and front end.

    Nothing in the archive is executed: its weights are read by `torch.load(weights_only=True)`.

    Args:
        path: path of the archive, a tar, compressed or not, of "model_config.yaml" and "model_weights.ckpt".

    Returns:
        A `QuartzNet` or `Jasper`.

    Raises:
        ValueError: if the file is no such archive or damaged, is of another family, or says something that has no
            counterpart here.
        ImportError: if PyTorch is not installed.

    Example:

    >>> load_model("missing.nemo")
    Traceback (most recent call last):
    ValueError: 'missing.nemo' is no readable .nemo archive: expected a tar of model_config.yaml and model_weights.ckpt.
        Is it cut short? FileNotFoundError: [Errno 2] No such file or directory: 'missing.nemo'

    Reference:
        - [NeMo](https://arxiv.org/abs/1909.09577). How it differs from this package: blank is its last token and 0
          here, with all other ids one higher; padding of convolutions that stride is symmetric; dither is off in
          inference in both. Newer releases of NeMo extend audio by zeros where older ones, which trained the published
          models, and this package mirror it: the first and last two frames differ.
    """
    config, state = read_archive(path)
    family, arguments = architecture(config)
    model = family(**arguments, **inputs_and_outputs(config))
    load_state(model, state)
    return model


def read_archive(path):
    """The configuration, a dict, and the weights, a dict of arrays by name, of an archive."""
    path = os.fspath(path)
    try:
        with tarfile.open(path) as archive:
            files = {os.path.basename(member.name): member for member in archive.getmembers() if member.isfile()}
            config, weights = (archive.extractfile(files[name]).read() for name in (CONFIG, WEIGHTS))
        config = yaml.safe_load(config)
    except (OSError, EOFError, KeyError, tarfile.TarError, yaml.YAMLError) as error:
        raise ValueError(
            f"{path!r} is no readable .nemo archive: expected a tar of {CONFIG} and {WEIGHTS}. "
            f"Is it cut short? {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    return config, read_state(io.BytesIO(weights), f"{WEIGHTS} in {path!r} is damaged or holds more than tensors.")


def load_state(model, state):
    """Load a state dict: everything is checked before the first weight changes.

    Args:
        model: `QuartzNet` or `Jasper`.
        state: dict from NeMo's names to arrays.

    Raises:
        ValueError: if a tensor is missing, left over, of another shape or not finite; the message names them.
    """
    table = name_table(model)
    values = {}
    for name in table:
        for known in (name, name.replace(".conv.weight", ".weight")):  # without masks the layer in between is missing
            if known in state:
                values[name] = _layout(state[known], name, table[name])
    taken = {*table, *(name.replace(".conv.weight", ".weight") for name in table)}
    left_over = [name for name in state if name not in taken and not name.startswith(IGNORED)]
    assign(table, values, left_over, "The archive's weights are not those of its configuration.")


def _layout(value, name, weight):
    """A tensor of PyTorch as it lies here: channels last, and blank first."""
    if name.startswith(DECODER):
        value = np.roll(value, 1, axis=0)
        return value[..., 0].T if value.ndim == 3 else value
    if value.ndim != 3:
        return value
    return value.transpose((2, 0, 1) if weight.name == "depthwise_kernel" else (2, 1, 0))


def name_table(model):
    """Every weight of a model by the name that it has in a state dict of NeMo.

    ```
    encoder.encoder.{b}.mconv.{n}                block b = 0, 1, ...; layers are counted through its repetitions:
                                                 convolution (two if separable), normalization, activation, dropout
    encoder.encoder.{b}.res.{n}.{0, 1}           projection and normalization of residual input n, the oldest first
    decoder.decoder_layers.0.{weight, bias}
    ```

    Args:
        model: a `QuartzNet` or `Jasper`.

    Returns:
        dict, name -> `keras.Variable`.
    """
    table = {}
    for b, block in enumerate(layer for layer in model.layers if isinstance(layer, JasperBlock)):
        place = 0
        for convolution, normalization in zip(block.convolutions, block.normalizations, strict=True):
            for weight in convolution.weights:
                table[f"{ENCODER}{b}.mconv.{place}.conv.weight"] = weight
                place += 1
            table |= _normalization(f"{ENCODER}{b}.mconv.{place}.", normalization)
            place += 3  # with activation and dropout
        projections = zip(block.projections, block.projection_normalizations, strict=True)
        for n, (projection, normalization) in enumerate(projections):
            table[f"{ENCODER}{b}.res.{n}.0.conv.weight"] = projection.kernel
            table |= _normalization(f"{ENCODER}{b}.res.{n}.1.", normalization)
    logits = model.get_layer("logits")
    return table | {f"{DECODER}weight": logits.kernel, f"{DECODER}bias": logits.bias}


def _normalization(scope, layer):
    if not isinstance(layer, MaskedBatchNormalization):
        raise ValueError(f"NeMo's blocks have batch normalization. Received: {layer}.")
    return normalization_table(scope, layer)
