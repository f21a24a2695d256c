"""Tacotron 2 in plain PyTorch under the names that NVIDIA published, at any size and without dropout."""

import itertools

import torch
from torch import nn


class Wrapped(nn.Module):
    """A layer below a name."""

    def __init__(self, name, layer):
        super().__init__()
        self.name = name
        setattr(self, name, layer)

    def forward(self, x):
        return getattr(self, self.name)(x)


def dense(*sizes, bias=False):
    return Wrapped("linear_layer", nn.Linear(*sizes, bias=bias))


def convolution(inputs, outputs, kernel=5, bias=True):
    return Wrapped("conv", nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=bias))


def convolutions(*sizes):
    return nn.ModuleList(
        nn.Sequential(convolution(*pair), nn.BatchNorm1d(pair[1])) for pair in itertools.pairwise(sizes)
    )


class Network(nn.Module):
    def __init__(self, symbols=148, channels=8, prenet=5, hidden=7, units=4, postnet=6, bins=9):
        super().__init__()
        self.embedding = nn.Embedding(symbols, channels)
        self.encoder = nn.Module()
        self.encoder.convolutions = convolutions(*[channels] * 4)
        self.encoder.lstm = nn.LSTM(channels, channels // 2, batch_first=True, bidirectional=True)
        self.decoder = decoder = nn.Module()
        decoder.prenet = nn.Module()
        decoder.prenet.layers = nn.ModuleList([dense(bins, prenet), dense(prenet, prenet)])
        decoder.attention_rnn = nn.LSTMCell(prenet + channels, hidden)
        decoder.attention_layer = attention = nn.Module()
        attention.query_layer, attention.memory_layer = dense(hidden, units), dense(channels, units)
        attention.v = dense(units, 1)
        attention.location_layer = nn.Module()
        attention.location_layer.location_conv = convolution(2, 32, 31, bias=False)
        attention.location_layer.location_dense = dense(32, units)
        decoder.decoder_rnn = nn.LSTMCell(hidden + channels, hidden)
        decoder.linear_projection = dense(hidden + channels, bins, bias=True)
        decoder.gate_layer = dense(hidden + channels, 1, bias=True)
        self.postnet = nn.Module()
        self.postnet.convolutions = convolutions(bins, *[postnet] * 4, bins)
        self.bins, self.hidden = bins, hidden

    def forward(self, token_ids, mel=None, steps=None):
        """Of one text: frames, corrected frames and stop logits, from the frames `mel` or from its own."""
        x = self.embedding(token_ids).transpose(1, 2)
        for layer in self.encoder.convolutions:
            x = torch.relu(layer(x))
        memory, _ = self.encoder.lstm(x.transpose(1, 2))
        decoder, attention = self.decoder, self.decoder.attention_layer
        keys = attention.memory_layer(memory)
        first, second = (tuple(memory.new_zeros(2, 1, self.hidden)) for _ in range(2))
        context, looked = memory.new_zeros(memory[:, 0].shape), memory.new_zeros(1, 2, memory.shape[1])
        frame, frames, stops = memory.new_zeros(1, self.bins), [], []
        for n in range(steps or mel.shape[1]):
            for layer in decoder.prenet.layers:
                frame = torch.relu(layer(frame))
            first = decoder.attention_rnn(torch.cat([frame, context], -1), first)
            location = attention.location_layer
            location = location.location_dense(location.location_conv(looked).transpose(1, 2))
            scores = attention.v(torch.tanh(attention.query_layer(first[0])[:, None] + keys + location))[..., 0]
            weights = torch.softmax(scores, -1)
            looked = torch.stack([weights, looked[:, 1] + weights], 1)
            context = torch.bmm(weights[:, None], memory)[:, 0]
            second = decoder.decoder_rnn(torch.cat([first[0], context], -1), second)
            output = torch.cat([second[0], context], -1)
            frames.append(decoder.linear_projection(output))
            stops.append(decoder.gate_layer(output)[:, 0])
            frame = frames[-1] if mel is None else mel[:, n]
        frames = x = torch.stack(frames, 1)
        for n, layer in enumerate(self.postnet.convolutions):
            x = layer(x.transpose(1, 2)).transpose(1, 2)
            x = torch.tanh(x) if n < 4 else x
        return frames, frames + x, torch.stack(stops, 1)
