"""Tacotron 2 in plain PyTorch, as NVIDIA published it: what `benchmarks/tacotron2.py` is compared with."""

import torch
from torch import nn
from torch.nn import functional as F


def _convolution(inputs, outputs, activation):
    layers = [nn.Conv1d(inputs, outputs, 5, padding=2), nn.BatchNorm1d(outputs), activation, nn.Dropout(0.5)]
    return nn.Sequential(*layers)


class Tacotron2(nn.Module):
    def __init__(self, vocabulary_size=148, bins=80):
        super().__init__()
        self.bins = bins
        self.embedding = nn.Embedding(vocabulary_size, 512)
        self.encoder = nn.Sequential(*(_convolution(512, 512, nn.ReLU()) for _ in range(3)))
        self.lstm = nn.LSTM(512, 256, batch_first=True, bidirectional=True)
        self.prenet = nn.ModuleList([nn.Linear(bins, 256, bias=False), nn.Linear(256, 256, bias=False)])
        self.attention_rnn = nn.LSTMCell(256 + 512, 1024)
        self.query = nn.Linear(1024, 128, bias=False)
        self.memory = nn.Linear(512, 128, bias=False)
        self.v = nn.Linear(128, 1, bias=False)
        self.location_conv = nn.Conv1d(2, 32, 31, padding=15, bias=False)
        self.location = nn.Linear(32, 128, bias=False)
        self.decoder_rnn = nn.LSTMCell(1024 + 512, 1024)
        self.projection = nn.Linear(1536, bins)
        self.gate = nn.Linear(1536, 1)
        layers = [_convolution(bins, 512, nn.Tanh()), *(_convolution(512, 512, nn.Tanh()) for _ in range(3))]
        self.postnet = nn.Sequential(*layers, _convolution(512, bins, nn.Identity()))

    def encode(self, token_ids):
        x = self.encoder(self.embedding(token_ids).transpose(1, 2)).transpose(1, 2)
        return self.lstm(x)[0]

    def pre(self, frames):
        for layer in self.prenet:
            frames = F.dropout(F.relu(layer(frames)), 0.5, training=True)
        return frames

    def start(self, memory):
        zeros = memory.new_zeros(len(memory), 1024)
        looked = memory.new_zeros(len(memory), 2, memory.shape[1])
        return [zeros, zeros, zeros, zeros, memory.new_zeros(len(memory), 512), looked]

    def step(self, frame, state, memory, keys):
        h, c, h2, c2, context, looked = state
        h, c = self.attention_rnn(torch.cat([frame, context], -1), (h, c))
        location = self.location(self.location_conv(looked).transpose(1, 2))
        scores = self.v(torch.tanh(self.query(h)[:, None] + keys + location))[..., 0]
        weights = torch.softmax(scores, -1)
        context = torch.bmm(weights[:, None], memory)[:, 0]
        looked = torch.stack([weights, looked[:, 1] + weights], 1)
        h2, c2 = self.decoder_rnn(torch.cat([h, context], -1), (h2, c2))
        return torch.cat([h2, context], -1), [h, c, h2, c2, context, looked]

    def decode(self, memory, steps):
        """Frames made from the model's own, one after the other."""
        state, keys, frames = self.start(memory), self.memory(memory), []
        frame = memory.new_zeros(len(memory), self.bins)
        for _ in range(steps):
            output, state = self.step(self.pre(frame), state, memory, keys)
            frame = self.projection(output)
            self.gate(output)
            frames.append(frame)
        return torch.stack(frames, 1)

    def forward(self, token_ids, mel):
        memory = self.encode(token_ids)
        state, keys, outputs = self.start(memory), self.memory(memory), []
        before = self.pre(F.pad(mel, (0, 0, 1, 0))[:, :-1])
        for n in range(mel.shape[1]):
            output, state = self.step(before[:, n], state, memory, keys)
            outputs.append(output)
        outputs = torch.stack(outputs, 1)
        mel = self.projection(outputs)
        return mel, mel + self.postnet(mel.transpose(1, 2)).transpose(1, 2), self.gate(outputs)[..., 0]
