"""Models of NVIDIA's repositories for PyTorch: Tacotron 2."""

import os

from s2s_keras.applications import Tacotron2NVIDIA
from s2s_keras.convert._torch_state import assign, normalization_table, read_state
from s2s_keras.layers import MelSpectrogram
from s2s_keras.tokenizers import NVIDIASpeechTokenizer

SAMPLE_RATE, MAX_FREQUENCY = 22050, 8000
ENCODER_LAYERS, POSTNET_LAYERS = 3, 5
ATTENTION = "decoder.attention_layer."
# Argument of the model -> a tensor and its axis that say it.
SIZES = {
    "vocabulary_size": ("embedding.weight", 0),
    "embedding_dim": ("embedding.weight", 1),
    "encoder_filters": ("encoder.convolutions.0.0.conv.weight", 0),
    "encoder_dim": (f"{ATTENTION}memory_layer.linear_layer.weight", 1),
    "prenet_dim": ("decoder.prenet.layers.0.linear_layer.weight", 0),
    "num_mel_bins": ("decoder.prenet.layers.0.linear_layer.weight", 1),
    "decoder_dim": ("decoder.attention_rnn.weight_hh", 1),
    "attention_dim": (f"{ATTENTION}query_layer.linear_layer.weight", 0),
    "postnet_filters": ("postnet.convolutions.0.0.conv.weight", 0),
}


def load_model(path):
    """NVIDIA's Tacotron 2 from a file of PyTorch, with its weights, front end and tokenizer.

    Nothing in the file is executed: it is read by `torch.load(weights_only=True)`.

    Args:
        path: path of a state dict, or of a checkpoint that holds one as "state_dict"; "module." before the names, of
            training on several GPUs, is left out.

    Returns:
        A `Tacotron2NVIDIA` as large as the tensors are. Its tokenizer knows NVIDIA's 148 symbols; a network of
        another number of symbols has none.

    Raises:
        ValueError: if the file is damaged or holds another network.
        ImportError: if PyTorch is not installed.

    Example:

    >>> load_model("missing.pt")
    Traceback (most recent call last):
    ValueError: 'missing.pt' is no file of tensors that PyTorch saved, or is cut short. FileNotFoundError: [Errno 2]
        No such file or directory: 'missing.pt'

    Reference: the names are those of https://github.com/NVIDIA/tacotron2 and of NVIDIA's Deep Learning Examples. Its
    reading of text drops an unknown character in silence.
    """
    path = os.fspath(path)
    state = read_state(path, f"{path!r} is no file of tensors that PyTorch saved, or is cut short.")
    missing = sorted({name for name, axis in SIZES.values() if name not in state or state[name].ndim <= axis})
    if missing:
        raise ValueError(f"{path!r} holds no Tacotron 2 as NVIDIA names it: expected {', '.join(missing)}.")
    sizes = {argument: state[name].shape[axis] for argument, (name, axis) in SIZES.items()}
    tokenizer = NVIDIASpeechTokenizer()
    if sizes["vocabulary_size"] != tokenizer.vocabulary_size:
        tokenizer = None
    front_end = MelSpectrogram(SAMPLE_RATE, num_mel_bins=sizes["num_mel_bins"], max_frequency=MAX_FREQUENCY)
    model = Tacotron2NVIDIA(**sizes, tokenizer=tokenizer, front_end=front_end)
    load_state(model, state)
    return model


def load_state(model, state):
    """Load a state dict: everything is checked before the first weight changes.

    Args:
        model: `Tacotron2NVIDIA`.
        state: dict from NVIDIA's names to arrays.

    Raises:
        ValueError: if a tensor is missing, left over, of another shape or not finite; the message names them.
    """
    table = name_table(model)
    values = {name: _layout(state[name], name) for name in table if name in state}
    left_over = [name for name in state if name not in table]
    assign(table, values, left_over, "The weights are not those of NVIDIA's Tacotron 2.")


def _layout(value, name):
    """A tensor of PyTorch as it lies here: channels last."""
    if name == f"{ATTENTION}v.linear_layer.weight":
        return value.reshape(-1)
    return value if name == "embedding.weight" else value.T  # of a convolution (out, in, width), of a matrix (out, in)


def name_table(model):
    """Every weight of a model by the names that it has in a state dict of NVIDIA: two for the bias of an LSTM.

    Args:
        model: `Tacotron2NVIDIA`.

    Returns:
        dict, name -> `keras.Variable`.
    """
    table = {"embedding.weight": model.get_layer("embedding").embeddings}
    for part, count in (("encoder", ENCODER_LAYERS), ("postnet", POSTNET_LAYERS)):
        for n in range(count):
            scope = f"{part}.convolutions.{n}."
            table |= _dense(f"{scope}0.conv.", model.get_layer(f"{part}_{n}_conv"))
            table |= normalization_table(f"{scope}1.", model.get_layer(f"{part}_{n}_norm"))
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    table |= _lstm("encoder.lstm.{}_l0", encoder.forwards[0].cell)
    table |= _lstm("encoder.lstm.{}_l0_reverse", encoder.backwards[0].cell)
    for name, cell in zip(("attention_rnn", "decoder_rnn"), decoder.cell.cells, strict=True):
        table |= _lstm(f"decoder.{name}.{{}}", cell)
    attention = decoder.cell.attention
    table[f"{ATTENTION}v.linear_layer.weight"] = attention.v
    table |= _dense(f"{ATTENTION}location_layer.location_conv.conv.", attention.location_conv)
    dense = {
        f"{ATTENTION}query_layer.": attention.query_layer,
        f"{ATTENTION}memory_layer.": attention.memory_layer,
        f"{ATTENTION}location_layer.location_dense.": attention.location_layer,
        "decoder.linear_projection.": decoder.mel_layer,
        "decoder.gate_layer.": decoder.stop_layer,
        **{f"decoder.prenet.layers.{n}.": layer for n, layer in enumerate(decoder.prenet.layers)},
    }
    for scope, layer in dense.items():
        table |= _dense(f"{scope}linear_layer.", layer)
    return table


def _dense(scope, layer):
    names = {"kernel": "weight", "bias": "bias"}
    return {scope + names[weight.name]: weight for weight in layer.weights}


def _lstm(name, cell):
    weights = {"weight_ih": cell.kernel, "weight_hh": cell.recurrent_kernel, "bias_ih": cell.bias, "bias_hh": cell.bias}
    return {name.format(there): weight for there, weight in weights.items()}
