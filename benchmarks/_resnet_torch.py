"""ResNet-50 v2 in plain PyTorch, as one would write it for speed: the peer of the benchmark."""

import torch
from torch import nn


def convolution(channels, filters, kernel_size, stride=1):
    return nn.Conv2d(channels, filters, kernel_size, stride, (kernel_size - 1) // 2, bias=False)


class Block(nn.Module):
    """Three convolutions, each after batch normalization and ReLU, and the way around them."""

    def __init__(self, channels, filters, stride, projected):
        super().__init__()
        self.normalizations = nn.ModuleList([nn.BatchNorm2d(width) for width in (channels, filters, filters)])
        self.projection = convolution(channels, 4 * filters, 1, stride) if projected else None
        self.convolutions = nn.ModuleList(
            [
                convolution(channels, filters, 1),
                convolution(filters, filters, 3, stride),
                convolution(filters, 4 * filters, 1),
            ]
        )

    def forward(self, x):
        shortcut = x
        for n, (normalization, layer) in enumerate(zip(self.normalizations, self.convolutions, strict=True)):
            x = torch.relu_(normalization(x))
            if n == 0 and self.projection is not None:
                shortcut = self.projection(x)
            x = layer(x)
        return x + shortcut


class ResNet50(nn.Module):
    """Pixels (B, 3, H, W) -> logits (B, 1000)."""

    def __init__(self, blocks):
        super().__init__()
        self.stem = convolution(3, 64, 7, 2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.blocks, channels = nn.ModuleList(), 64
        for n, count in enumerate(blocks):
            filters = 64 * 2**n
            for m in range(count):
                self.blocks.append(Block(channels, filters, 2 if n and m == 0 else 1, projected=m == 0))
                channels = 4 * filters
        self.normalization = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, 1000)

    def forward(self, pixels):
        x = self.pool(self.stem(pixels / 127.5 - 1.0))
        for block in self.blocks:
            x = block(x)
        return self.head(torch.relu_(self.normalization(x)).mean(dim=(2, 3)))
