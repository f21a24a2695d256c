"""MatchboxNet-3x2x64 in plain PyTorch, the peer of `matchboxnet.py`."""

import torch
from torch import nn

FEATURES, CLASSES = 64, 35


def separable(channels, filters, kernel_size, dilation=1):
    padding = dilation * (kernel_size - 1) // 2
    return nn.Sequential(
        nn.Conv1d(channels, channels, kernel_size, 1, padding, dilation, groups=channels, bias=False),
        nn.Conv1d(channels, filters, 1, bias=False),
        nn.BatchNorm1d(filters, eps=1e-3),
    )


class Block(nn.Module):
    def __init__(self, channels, filters, kernel_size):
        super().__init__()
        self.first = separable(channels, filters, kernel_size)
        self.second = separable(filters, filters, kernel_size)
        self.projection = nn.Sequential(nn.Conv1d(channels, filters, 1, bias=False), nn.BatchNorm1d(filters, eps=1e-3))

    def forward(self, x):
        return torch.relu_(self.second(torch.relu_(self.first(x))) + self.projection(x))


class MatchboxNet(nn.Module):
    """Features (B, T, 64) -> logits (B, classes)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            separable(FEATURES, 128, 11),
            nn.ReLU(inplace=True),
            Block(128, 64, 13),
            Block(64, 64, 15),
            Block(64, 64, 17),
            separable(64, 128, 29, dilation=2),
            nn.ReLU(inplace=True),
            nn.Conv1d(128, 128, 1, bias=False),
            nn.BatchNorm1d(128, eps=1e-3),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(128, CLASSES)

    def forward(self, features):
        return self.head(self.layers(features.transpose(1, 2)).mean(dim=-1))
