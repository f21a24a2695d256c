"""NeMo's Jasper and QuartzNet restated in PyTorch, from their published architecture, with the names of its tensors."""

import io
import tarfile

import librosa
import numpy as np
import torch
import yaml
from torch import nn
from torch.nn import functional


class MaskedConvolution(nn.Module):
    """Zeroes what lies behind the lengths, and shortens them."""

    def __init__(self, channels, filters, kernel=1, stride=1, dilation=1, groups=1):
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv1d(channels, filters, kernel, stride, padding, dilation, groups, bias=False)

    def forward(self, x, lengths):
        real = torch.arange(x.shape[2]) < lengths[:, None]
        return self.conv(x * real[:, None]), (lengths - 1) // self.conv.stride[0] + 1


def convolution(channels, filters, separable=False, **sizes):
    layers = [MaskedConvolution(channels, filters, **sizes)]
    if separable:
        layers = [MaskedConvolution(channels, channels, groups=channels, **sizes), MaskedConvolution(channels, filters)]
    return [*layers, nn.BatchNorm1d(filters, eps=1e-3)]


def run(layers, x, lengths):
    for layer in layers:
        x, lengths = layer(x, lengths) if isinstance(layer, MaskedConvolution) else (layer(x), lengths)
    return x, lengths


class Block(nn.Module):
    def __init__(self, channels, panes, block):
        super().__init__()
        filters, separable = block["filters"], block.get("separable", False)
        sizes = {name: block[name][0] for name in ("kernel", "stride", "dilation")}
        layers = []
        for n in range(block["repeat"]):
            layers += convolution(channels if n == 0 else filters, filters, separable, **sizes)
            layers += [nn.ReLU(), nn.Dropout(0.0)] if n < block["repeat"] - 1 else []
        self.mconv = nn.ModuleList(layers)
        self.dense = block.get("residual_dense", False)
        panes = panes if self.dense else [channels]
        self.res = nn.ModuleList(nn.ModuleList(convolution(pane, filters)) for pane in panes if block["residual"])

    def forward(self, xs, lengths):
        y, new_lengths = run(self.mconv, xs[-1], lengths)
        for x, layers in zip(xs if self.dense else xs[-1:], self.res, strict=False):
            y = y + run(layers, x, lengths)[0]
        y = torch.relu(y)
        return (xs if self.dense and len(self.res) else []) + [y], new_lengths


class Recognizer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        blocks, channels, panes = [], config["preprocessor"]["features"], []
        for block in config["encoder"]["jasper"]:
            if block.get("residual_dense"):
                panes = [*panes, channels]
            blocks.append(Block(channels, panes, block))
            channels = block["filters"]
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.encoder = nn.ModuleList(blocks)
        self.decoder.decoder_layers = nn.ModuleList([nn.Conv1d(channels, len(config["labels"]) + 1, 1)])

    def forward(self, audio, lengths):
        x = [features(row[:n], self.config["preprocessor"]) for row, n in zip(audio, lengths, strict=True)]
        lengths = torch.tensor([row.shape[1] for row in x])
        xs = [torch.stack([functional.pad(row, (0, int(lengths.max()) - row.shape[1])) for row in x])]
        for block in self.encoder.encoder:
            xs, lengths = block(xs, lengths)
        return self.decoder.decoder_layers[0](xs[-1]).transpose(1, 2), lengths


def features(audio, settings):
    """Log-mel (F, T) of one utterance, without dither."""
    rate = settings["sample_rate"]
    window, hop = int(settings["window_size"] * rate), int(settings["window_stride"] * rate)
    audio = torch.cat([audio[:1], audio[1:] - settings.get("preemph", 0.97) * audio[:-1]])
    taper = torch.hann_window(window, periodic=False)
    spectrum = torch.stft(
        audio, settings["n_fft"], hop, window, taper, center=True, pad_mode="reflect", return_complex=True
    )
    filters = librosa.filters.mel(sr=rate, n_fft=settings["n_fft"], n_mels=settings["features"])
    x = torch.log(torch.tensor(filters) @ spectrum.abs().square() + 2.0**-24)
    return (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-5)


def write_archive(path, config, state, mode="w:gz"):
    weights = io.BytesIO()
    torch.save(state, weights)
    with tarfile.open(path, mode) as archive:
        contents = {"model_config.yaml": yaml.safe_dump(config).encode(), "model_weights.ckpt": weights.getvalue()}
        for name, content in contents.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def randomize(model):
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            positive = name.endswith("running_var") or (name.endswith("weight") and value.ndim == 1)
            scale = max(np.prod(value.shape[1:], dtype=int), 4) ** -0.5
            random = torch.rand(value.shape, generator=generator)
            value.copy_(0.6 + 0.8 * random if positive else torch.randn(value.shape, generator=generator) * scale)
