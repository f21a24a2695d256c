"""WaveNet in plain PyTorch, the peer of `wavenet.py`: training on all samples at once, generation with queues."""

import torch
from torch import nn
from torch.nn import functional

DILATIONS = [2**n for n in range(10)] * 3
FILTERS, CLASSES, BINS, HOP = 64, 256, 80, 256


class WaveNet(nn.Module):
    """Classes (B, S) and mel (B, 80, T) -> logits (B, 256, S) of the next sample."""

    def __init__(self):
        super().__init__()
        half = FILTERS // 2
        self.start = nn.Conv1d(CLASSES, FILTERS, 3, bias=False)
        self.start_norm = nn.BatchNorm1d(FILTERS)
        self.filter_condition = nn.Conv1d(BINS // 2, FILTERS, 1, bias=False)
        self.gate_condition = nn.Conv1d(BINS // 2, FILTERS, 1, bias=False)
        self.filters = nn.ModuleList(nn.Conv1d(half, FILTERS, 3, dilation=d, bias=False) for d in DILATIONS)
        self.gates = nn.ModuleList(nn.Conv1d(half, FILTERS, 3, dilation=d, bias=False) for d in DILATIONS)
        self.filter_norms = nn.ModuleList(nn.BatchNorm1d(FILTERS) for _ in DILATIONS)
        self.gate_norms = nn.ModuleList(nn.BatchNorm1d(FILTERS) for _ in DILATIONS)
        self.residuals = nn.ModuleList(nn.Conv1d(FILTERS, FILTERS, 1, bias=False) for _ in DILATIONS)
        self.skips = nn.ModuleList(nn.Conv1d(FILTERS, FILTERS, 1, bias=False) for _ in DILATIONS)
        self.dense = nn.Conv1d(FILTERS, FILTERS, 1, bias=False)
        self.head = nn.Conv1d(FILTERS, CLASSES, 1, bias=False)

    def forward(self, classes, mel):
        num_samples, half, bins = classes.shape[1], FILTERS // 2, BINS // 2
        x = functional.one_hot(classes, CLASSES).float().transpose(1, 2)
        x = functional.pad(self.start_norm(self.start(x)), (2, 0))
        condition_f = self.filter_condition(mel[:, :bins]).repeat_interleave(HOP, dim=2)[..., :num_samples]
        condition_g = self.gate_condition(mel[:, bins:]).repeat_interleave(HOP, dim=2)[..., :num_samples]
        total = 0.0
        for n, dilation in enumerate(DILATIONS):
            f = functional.pad(self.filter_norms[n](self.filters[n](x[:, :half])), (2 * dilation, 0))
            g = functional.pad(self.gate_norms[n](self.gates[n](x[:, half:])), (2 * dilation, 0))
            z = torch.tanh(f + condition_f) * torch.sigmoid(g + condition_g)
            x, total = x + self.residuals[n](z), total + self.skips[n](z)
        return self.head(torch.relu(self.dense(torch.relu(total + x))))


class Generator(nn.Module):
    """Sample after sample, with a queue for each block; weights as `folded_weights` of the package gives them."""

    def __init__(self, weights):
        super().__init__()
        names = ("start", "start_bias", "kernels", "biases", "outputs", "dense", "head", "silence")
        self.start, self.start_bias, self.kernels, self.biases, self.outputs, self.dense, self.head, self.silence = (
            torch.tensor(weights[name]) for name in names
        )
        self.dilations = [int(d) for d in weights["dilations"]]

    def forward(self, condition: torch.Tensor, uniform: torch.Tensor, hop: int, sample: bool) -> torch.Tensor:
        half = self.kernels.shape[2] // 2
        queues = [self.silence[n].repeat(2 * d, 1) for n, d in enumerate(self.dilations)]
        num_samples = uniform.shape[0]
        classes = torch.full((num_samples + 3,), 128, dtype=torch.int64)
        for t in range(num_samples):
            frame = condition[(t + hop - 1) // hop]
            x = self.start_bias + self.start[0, classes[t]] + self.start[1, classes[t + 1]]
            x = x + self.start[2, classes[t + 2]]
            total = torch.zeros(2 * half)
            for n, d in enumerate(self.dilations):
                queue, kernel = queues[n], self.kernels[n]
                taps = torch.stack([queue[t % (2 * d)], queue[(t + d) % (2 * d)], x])
                f = taps[:, :half].reshape(-1) @ kernel[:, :half].reshape(3 * half, -1)
                g = taps[:, half:].reshape(-1) @ kernel[:, half:].reshape(3 * half, -1)
                h = torch.cat([f, g]) + self.biases[n] + frame
                queue[t % (2 * d)] = x
                y = (torch.tanh(h[: 2 * half]) * torch.sigmoid(h[2 * half :])) @ self.outputs[n]
                x, total = x + y[: 2 * half], total + y[2 * half :]
            logits = torch.relu(torch.relu(total + x) @ self.dense) @ self.head
            if sample:
                reached = torch.softmax(logits, 0).cumsum(0)
                classes[t + 3] = (reached < uniform[t]).sum().clamp(max=255)
            else:
                classes[t + 3] = logits.argmax()
        return classes[3:]
