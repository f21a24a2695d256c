"""CTC on PyTorch: torch's own kernel on CUDA, elsewhere a loop over frames, in half the time of torch's on a CPU."""

import torch
from torch.nn import functional

from s2s_keras.ops.ctc import PADDED_LOGIT, PADDED_THRESHOLD

_NEVER = -1e30  # the log-probability of what cannot be, finite so that differences are never NaN


def ctc_loss(labels, logits):
    """Loss (B,) of int32 labels (B, U) and float32 logits (B, T, V); infinite or above 1e8 where nothing aligns."""
    if labels.shape[1] == 0:
        labels = functional.pad(labels, (0, 1))
    return _CTC.apply(logits, labels.long())


class _CTC(torch.autograd.Function):
    """Finds the gradient of the logits in the forward pass: no graph of every frame is kept, and no NaN gets out."""

    @staticmethod
    def forward(ctx, logits, labels):
        log_probs = functional.log_softmax(logits, dim=-1)
        tokens = functional.pad(labels, (0, 1))  # blank comes last
        emissions = torch.gather(log_probs, 2, tokens[:, None].expand(-1, logits.shape[1], -1)).clamp(min=PADDED_LOGIT)
        losses, occupancies = (_native if logits.is_cuda else _align)(labels, emissions)
        one_hot = functional.one_hot(tokens, logits.shape[2]).to(logits.dtype)
        ctx.save_for_backward(torch.baddbmm(log_probs.exp_(), occupancies, one_hot, alpha=-1))
        return losses

    @staticmethod
    def backward(ctx, upstream):
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[:, None, None], None


def _native(labels, emissions):
    """As `_align`, with a vocabulary of the labels' places: a label that is there twice is its first place."""
    tokens = functional.pad(labels, (1, 0))
    places = (tokens[:, :, None] == tokens[:, None, :]).int().argmax(dim=2)[:, 1:]
    emissions = emissions.roll(1, dims=2)
    batch, frames, _ = emissions.shape
    lengths = torch.full((batch,), frames, device=emissions.device), (labels > 0).sum(1)
    with torch.enable_grad():
        emissions.requires_grad_()
        losses = functional.ctc_loss(emissions.transpose(0, 1), places, *lengths, reduction="none")
        # With respect to log-probabilities torch returns probabilities minus occupancies.
        (gradient,) = torch.autograd.grad(losses.sum(), emissions)
    losses, emissions = losses.detach(), emissions.detach()
    gradient = torch.where((losses > -PADDED_THRESHOLD)[:, None, None], 0.0, gradient)
    return losses, (emissions.exp() - gradient).roll(-1, dims=2)


def _align(labels, emissions):
    """Loss (B,) and occupancies (B, T, U + 1) from log-probabilities (B, T, U + 1) of every label and of blank."""
    width = emissions.shape[2]
    # Every alignment passes every frame once: without its best token, sums stay near zero, where float32 is fine.
    best = emissions.amax(dim=2, keepdim=True)
    emissions = (emissions - best).transpose(0, 1)
    label, blank = emissions[..., :-1], emissions[..., -1:]
    # The way back is the way forward over reversed labels and frames, so both go through one loop, on an axis of two.
    both = torch.stack([emissions, torch.cat([label.flip(2), blank], dim=2).flip(0)], dim=1)
    equal = labels[:, 1:] == labels[:, :-1]
    repeated = functional.pad(torch.stack([equal, equal.flip(1)]), (1, 1))[..., -width:]
    positions, lengths = torch.arange(width, device=labels.device), (labels > 0).sum(1)
    first = torch.stack([torch.zeros_like(lengths), width - 1 - lengths])[..., None]
    start = torch.where(positions == first, 0.0, _NEVER)
    blanks, emits = _scan(both, repeated, start)
    blanks_back, emits_back = blanks[:, 1].flip(0, 2), emits[:, 1].flip(0, 2)
    losses = -torch.logaddexp(blanks_back[0, :, 0], emits_back[0, :, 1]) - best.sum(dim=(1, 2))
    scores = torch.cat([emits[:, 0, :, :-1] + emits_back[..., 1:] - label, blanks[:, 0] + blanks_back - blank], dim=2)
    of_labels = scores.softmax(dim=2)[..., : width - 1].transpose(0, 1)
    return losses, torch.cat([of_labels, 1.0 - of_labels.sum(dim=2, keepdim=True)], dim=2)


def _scan(emissions, repeated, start):
    """Log-sums over all ways into blank u and into label u at every frame: both (T, 2, B, U + 1), no label at U.

    Rows lie one after another, so the label before is one element back: operations are on flat, contiguous memory. The
    last place of a row, the first one's neighbour, is closed at every frame.
    """
    blank = emissions[..., -1:].expand_as(emissions).flatten(1).unbind()
    label = emissions.flatten(1).unbind()
    size = start.numel()
    blanks = torch.cat([start.view(1, size), start.new_empty(len(label), size)])
    emits = start.new_full((len(label) + 1, size + 1), _NEVER)
    # Between equal labels there has to be a blank.
    detour = torch.where(repeated, 0.0, -2 * _NEVER).flatten()
    moved, into = torch.empty_like(blank[0]), torch.empty_like(blank[0])
    ends = emits[:, 1:].view(-1, *emissions.shape[1:])[..., -1].unbind()
    states = list(zip(blanks.unbind(), emits[:, :-1].unbind(), emits[:, 1:].unbind(), ends, strict=True))
    for frame, (blanks_now, emits_before, emits_now, _) in enumerate(states[:-1]):
        blanks_next, _, emits_next, end = states[frame + 1]
        torch.logaddexp(blanks_now, emits_before, out=moved)
        torch.add(moved, blank[frame], out=blanks_next)
        torch.minimum(moved, torch.add(blanks_now, detour, out=into), out=into)
        torch.logaddexp(emits_now, into, out=into)
        torch.add(into, label[frame], out=emits_next)
        end.fill_(_NEVER)
    shape = emissions.shape
    return blanks[1:].view(shape), emits[1:, 1:].view(shape)
