"""Vocos in plain PyTorch, channels first, as its paper describes it: what the vocoder is timed beside."""

import keras
import torch
from torch import nn


class Block(nn.Module):
    """A ConvNeXt block in one dimension."""

    def __init__(self, channels, hidden, layers):
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, hidden)
        self.project = nn.Linear(hidden, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1 / layers))

    def forward(self, x):
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.gamma * self.project(nn.functional.gelu(self.expand(y)))
        return x + y.transpose(1, 2)


class Vocos(nn.Module):
    """Mel spectrograms (B, M, T) to audio (B, (T - 1) * hop_length)."""

    def __init__(self, bins, channels, hidden, layers, fft_length, hop_length):
        super().__init__()
        self.fft_length, self.hop_length = fft_length, hop_length
        self.embedding = nn.Conv1d(bins, channels, 7, padding=3)
        self.first_norm = nn.LayerNorm(channels, eps=1e-6)
        self.blocks = nn.Sequential(*(Block(channels, hidden, layers) for _ in range(layers)))
        self.last_norm = nn.LayerNorm(channels, eps=1e-6)
        self.head = nn.Linear(channels, fft_length + 2)
        self.register_buffer("window", torch.hann_window(fft_length))

    def forward(self, mel):
        x = self.first_norm(self.embedding(mel).transpose(1, 2)).transpose(1, 2)
        x = self.head(self.last_norm(self.blocks(x).transpose(1, 2))).transpose(1, 2)
        logarithm, phase = x.chunk(2, dim=1)
        spectrum = torch.polar(logarithm.exp().clip(max=1e2), phase)
        return torch.istft(spectrum, self.fft_length, self.hop_length, window=self.window)


def load(network, model):
    """Gives a network the weights of a `s2s_keras.applications.Vocos`."""
    layers = {"embedding": network.embedding, "embedding_norm": network.first_norm, "norm": network.last_norm}
    layers |= {"spectrum": network.head}
    named = {}
    for name, layer in layers.items():
        named |= dict(zip((f"{name}/kernel", f"{name}/bias"), (layer.weight, layer.bias), strict=True))
    for n, block in enumerate(network.blocks):
        parts = {"": block.depthwise, "norm/": block.norm, "expand/": block.expand, "project/": block.project}
        for part, layer in parts.items():
            named |= {f"block_{n}/{part}kernel": layer.weight, f"block_{n}/{part}bias": layer.bias}
        named[f"block_{n}/gamma"] = block.gamma
    for weight in model.weights:
        path = weight.path.removeprefix(f"{model.name}/")
        if "norm/" in path:
            path = path.replace("/gamma", "/kernel").replace("/beta", "/bias")
        value = torch.tensor(keras.ops.convert_to_numpy(weight))
        target = named.pop(path)
        depthwise = value.ndim == 3 and value.shape[-1] == 1
        order = (1, 2, 0) if depthwise else tuple(reversed(range(value.ndim)))
        target.data = value.permute(order).contiguous()
    if named:
        raise ValueError(f"The model has no weights for {sorted(named)}.")
