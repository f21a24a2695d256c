"""The names of OpenSeq2Seq's Tacotron 2 and Centaur."""

import numpy as np

from s2s_keras.applications import Centaur, Tacotron2
from s2s_keras.convert._open_seq2seq_recurrent import FORGET_BIAS, Part, gru_parts, lstm_parts

TACOTRON_ENCODER = "ForwardPass/tacotron2_encoder/"
TACOTRON_DECODER = "ForwardPass/tacotron_2_decoder/"
CENTAUR_ENCODER, CENTAUR_DECODER = "ForwardPass/centaur_encoder/", "ForwardPass/centaur_decoder/"
NORMS = {"gamma": "layer_norm_scale", "beta": "layer_norm_bias"}
# How the encoder's LSTM is called with cuDNN and without, and what its cell adds to the forget gate.
ENCODER_CELLS = {
    "stack_bidirectional_rnn/cell_0/bidirectional_rnn/{}/cudnn_compatible_lstm_cell/": 0.0,
    "bidirectional_rnn/{}/multi_rnn_cell/cell_0/lstm_cell/": FORGET_BIAS,
}


def is_synthesizer(model):
    """Whether there are names for the model here."""
    return isinstance(model, (Centaur, Tacotron2))


def synthesizer_table(model, names=()):
    """See `s2s_keras.convert.open_seq2seq.name_table`."""
    if isinstance(model, Centaur):
        return _centaur(model)
    encoder, decoder = TACOTRON_ENCODER, TACOTRON_DECODER
    embeddings = model.get_layer("embedding").embeddings
    table = {f"{encoder}EncoderEmbeddingMatrix": embeddings}
    for n in range(3):
        table |= _convolution(model, f"encoder_{n}", f"{encoder}conv{n + 1}/")
    table |= _encoder_lstm(model.get_layer("encoder"), names)
    if model.style_encoder is not None:
        table |= _style_encoder(model.style_encoder)
    table |= _decoder(model.get_layer("decoder"))
    for n in range(5):
        table |= _convolution(model, f"postnet_{n}", f"{decoder}conv{n + 1}/")
    if model.magnitude_bins:
        for n in range(2):
            table |= _convolution(model, f"magnitude_{n}", f"{decoder}conv_{n}/")
        table[f"{decoder}post_net_proj/kernel"] = model.get_layer("magnitude_conv").kernel
    return table


def _convolution(model, name, scope):
    convolution, normalization = model.get_layer(f"{name}_conv"), model.get_layer(f"{name}_norm")
    weights = {scope + weight.name: weight for weight in convolution.weights}
    return weights | {f"{scope}bn/{weight.name}": weight for weight in normalization.weights}


def _encoder_lstm(stack, names):
    scopes = [scope for scope in ENCODER_CELLS if any(scope.format("fw") in name for name in names)]
    scope = scopes[0] if scopes else next(iter(ENCODER_CELLS))
    table = {}
    for direction, layer in {"fw": stack.forwards[0], "bw": stack.backwards[0]}.items():
        for name, part in lstm_parts(layer.cell, ENCODER_CELLS[scope]).items():
            table[TACOTRON_ENCODER + scope.format(direction) + name] = part
    return table


def _style_encoder(encoder):
    scope = f"{TACOTRON_ENCODER}style_encoder/"
    table = {f"{scope}token_embeddings": encoder.tokens, f"{scope}attention/attention_v": encoder.attention_v}
    for n, (convolution, normalization) in enumerate(zip(encoder.convolutions, encoder.normalizations, strict=True), 1):
        table[f"{scope}conv{n}/kernel"] = convolution.kernel
        table |= {f"{scope}conv{n}/bn/{weight.name}": weight for weight in normalization.weights}
    for name, part in gru_parts(encoder.rnn.cell, 0.0).items():
        table[f"{scope}rnn/multi_rnn_cell/cell_0/gru_cell/{name}"] = part
    dense = {
        "reference_activation": encoder.reference_layer,
        "attention/q": encoder.query_layer,
        "attention/k": encoder.key_layer,
        "attention/v": encoder.value_layer,
        "attention/output_transform": encoder.output_layer,
    }
    return table | {f"{scope}{name}/{weight.name}": weight for name, layer in dense.items() for weight in layer.weights}


def _decoder(decoder):
    attention = decoder.cell.attention
    scope = f"{TACOTRON_DECODER}decoder/"
    location = f"{scope}attention_wrapper/location_attention/"
    table = {
        f"{TACOTRON_DECODER}AttentionMechanism/memory_layer/kernel": _one_wide(attention.memory_layer.kernel),
        f"{location}query_layer/kernel": attention.query_layer.kernel,
        f"{location}attention_v": attention.v,
        f"{location}attention_bias": attention.offset,
        f"{location}location_conv/kernel": attention.location_conv.kernel,
        f"{location}location_conv/bias": attention.location_conv.bias,
        f"{location}location_dense/kernel": _one_wide(attention.location_layer.kernel),
    }
    for n, cell in enumerate(decoder.cell.cells):
        for name, part in lstm_parts(cell, FORGET_BIAS).items():
            table[f"{scope}attention_wrapper/multi_rnn_cell/cell_{n}/lstm_cell/{name}"] = part
    dense = {f"prenet_{n}/": layer for n, layer in enumerate(decoder.prenet.layers, 1)}
    dense |= {"output_proj/": decoder.mel_layer, "stop_token_proj/": decoder.stop_layer}
    return table | {f"{scope}{name}{weight.name}": weight for name, layer in dense.items() for weight in layer.weights}


def _centaur(model):
    embeddings, decoder = model.get_layer("embedding").embeddings, model.get_layer("decoder")
    rows, channels = embeddings.shape
    padded = Part((-(-rows // 8) * 8, channels), [(embeddings, np.s_[:], np.s_[:rows])])  # the original's, to eights
    table = {f"{CENTAUR_ENCODER}embedding_shared_weights/embedding_and_softmax/weights": padded}
    for n in range(model.encoder_layers):
        table |= _residual(model.get_layer(f"encoder_{n}"), f"{CENTAUR_ENCODER}layer_{n}/", n)
    dense = {
        f"{CENTAUR_ENCODER}linear_projection/": model.get_layer("encoder"),
        f"{CENTAUR_DECODER}linear_projection/": decoder.projection,
        f"{CENTAUR_DECODER}stop_token_projection/": decoder.stop_layer,
        f"{CENTAUR_DECODER}mel_projection/": decoder.mel_layer,
        **{f"{CENTAUR_DECODER}prenet/layer_{n}/": layer for n, layer in enumerate(decoder.prenet.layers)},
    }
    if model.magnitude_bins:
        dense[f"{CENTAUR_DECODER}mag_projection/"] = decoder.magnitude_layer
    norms = {CENTAUR_DECODER: decoder.norm}
    for n, block in enumerate(decoder.blocks):
        scope = f"{CENTAUR_DECODER}attention_block_{n}/"
        table |= _residual(block.convolution, f"{scope}conv/", 0)
        layers = {"q": block.query_layer, "k": block.key_layer, "v": block.value_layer}
        for name, layer in {**layers, "output_transform": block.output_layer}.items():
            dense[f"{scope}attention/attention/{name}/"] = layer
        dense[f"{scope}feed_forward/dense/"] = block.dense_layer
        norms |= {f"{scope}attention/": block.attention_norm, f"{scope}feed_forward/": block.dense_norm}
    for n, layer in enumerate(decoder.convolutions):
        part, place = divmod(n, model.num_convolutions)
        scope = f"{CENTAUR_DECODER}{('conv_layers', 'mag_conv_layers')[part]}/layer_{place}/"
        table |= _residual(layer, scope, place)
    for scope, layer in norms.items():
        table |= {f"{scope}layer_normalization/{NORMS[weight.name]}": weight for weight in layer.weights}
    return table | {scope + weight.name: weight for scope, layer in dense.items() for weight in layer.weights}


def _residual(layer, scope, n):
    weights = {f"{scope}conv_{n}/{weight.name}": weight for weight in layer.convolution.weights}
    return weights | {f"{scope}batch_norm_1d/bn_{n}/{w.name}": w for w in layer.normalization.weights}


def _one_wide(kernel):
    """The kernel of a dense layer, which the original has as a convolution of one frame."""
    return Part((1, *kernel.shape), [(kernel, np.s_[:], np.s_[0])])
