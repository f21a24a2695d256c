"""Jasper in plain PyTorch, as one would write it for speed: the peer of the benchmarks."""

import torch
from _common import EPILOGUE, NUM_MEL_BINS, PROLOGUE, VOCABULARY_SIZE
from torch import nn


class Unit(nn.Module):
    """Convolution without bias, batch normalization."""

    def __init__(self, channels, filters, kernel_size=1, stride=1, dilation=1):
        super().__init__()
        padding = dilation * (kernel_size - 1) // 2
        self.convolution = nn.Conv1d(channels, filters, kernel_size, stride, padding, dilation, bias=False)
        self.normalization = nn.BatchNorm1d(filters, eps=1e-3)

    def forward(self, x):
        return self.normalization(self.convolution(x))


class Block(nn.Module):
    """`repeat` units, with projected residual inputs added before the last activation."""

    def __init__(self, channels, filters, kernel_size, dropout, repeat=1, stride=1, dilation=1, residuals=()):
        super().__init__()
        widths = [channels] + [filters] * (repeat - 1)
        self.units = nn.ModuleList([Unit(width, filters, kernel_size, stride, dilation) for width in widths])
        self.projections = nn.ModuleList([Unit(width, filters) for width in residuals])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, residuals=()):
        for n, unit in enumerate(self.units):
            x = unit(x)
            if n == len(self.units) - 1:
                for projection, residual in zip(self.projections, residuals, strict=True):
                    x = x + projection(residual)
            x = self.dropout(torch.relu_(x))
        return x


class Jasper(nn.Module):
    """Features (B, T, 64) -> logits (B, ceil(T / 2), V)."""

    def __init__(self, blocks, repeat, dense):
        super().__init__()
        self.dense = dense
        self.prologue = Block(NUM_MEL_BINS, *PROLOGUE, stride=2)
        width, widths = PROLOGUE[0], []
        self.blocks = nn.ModuleList()
        for filters, kernel_size, dropout in blocks:
            widths = [*widths, width] if dense else [width]
            self.blocks.append(Block(width, filters, kernel_size, dropout, repeat, residuals=widths))
            width = filters
        self.epilogue = nn.ModuleList()
        for n, (filters, kernel_size, dropout) in enumerate(EPILOGUE):
            self.epilogue.append(Block(width, filters, kernel_size, dropout, dilation=2 if n == 0 else 1))
            width = filters
        self.head = nn.Linear(width, VOCABULARY_SIZE)

    def forward(self, features):
        x = self.prologue(features.transpose(1, 2))
        residuals = []
        for block in self.blocks:
            residuals = [*residuals, x] if self.dense else [x]
            x = block(x, residuals)
        for block in self.epilogue:
            x = block(x)
        return self.head(x.transpose(1, 2))


class NovoGrad:
    """The optimizer of Jasper with one pass over every tensor per line."""

    def __init__(self, parameters, learning_rate, beta_1=0.95, beta_2=0.98, epsilon=1e-8):
        self.parameters = list(parameters)
        self.learning_rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.momentums = [torch.zeros_like(p) for p in self.parameters]
        self.velocities = [None] * len(self.parameters)

    @torch.no_grad()
    def step(self):
        for n, (parameter, momentum) in enumerate(zip(self.parameters, self.momentums, strict=True)):
            squared = torch.linalg.vector_norm(parameter.grad).item() ** 2
            old = self.velocities[n]
            self.velocities[n] = squared if old is None else self.beta_2 * old + (1 - self.beta_2) * squared
            scale = (self.velocities[n] + self.epsilon) ** -0.5
            momentum.mul_(self.beta_1).add_(parameter.grad, alpha=scale)
            parameter.sub_(momentum, alpha=self.learning_rate)
            parameter.grad = None
