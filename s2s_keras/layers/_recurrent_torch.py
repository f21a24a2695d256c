"""LSTM and GRU over time by PyTorch's own kernels: cuDNN's on a GPU, one fused loop on a CPU."""

import torch

_CLOSED = 1e4  # what shuts a gate exactly: the sigmoid of it is one in every float type


def lstm(inputs, mask, states, kernel, recurrent_kernel, bias):
    """As `_recurrent.lstm`; the real steps of a sequence must be neighbours."""
    units = recurrent_kernel.shape[0]
    if mask is not None:
        # A switch holds the cell state, but not the output that the next step sees: real steps have to come first.
        first = mask.int().argmax(dim=0)
        inputs, mask = _roll(inputs, first), _roll(mask, first)
        inputs, kernel = _with_switch(inputs, mask, kernel, closed=slice(0, units), open=slice(units, 2 * units))
    weights = [kernel.T, recurrent_kernel.T]
    if bias is not None:
        weights += [bias, torch.zeros_like(bias)]
    hidden, cell = (state[None].contiguous() for state in states)
    train = torch.is_grad_enabled()
    outputs, last, cell = torch.lstm(
        inputs, (hidden, cell), _contiguous(weights), bias is not None, 1, 0.0, train, False, False
    )
    if mask is not None:
        lengths = mask.sum(dim=0)[None]
        at = (lengths - 1).clamp(min=0).expand(1, -1, units)
        last = torch.where(lengths > 0, torch.gather(outputs, 0, at), hidden)
        outputs = _roll(outputs, -first)
    return outputs, [last[0], cell[0]]


def gru(inputs, mask, states, kernel, recurrent_kernel, bias):
    """As `_recurrent.gru`."""
    units = recurrent_kernel.shape[0]
    if mask is not None:
        inputs, kernel = _with_switch(inputs, mask, kernel, open=slice(0, units))
    weights = [kernel, recurrent_kernel, *([] if bias is None else bias)]
    weights = [torch.t(_reset_first(weight, units)) for weight in weights]
    hidden, train = states[0][None].contiguous(), torch.is_grad_enabled()
    outputs, hidden = torch.gru(inputs, hidden, _contiguous(weights), bias is not None, 1, 0.0, train, False, False)
    return outputs, [hidden[0]]


def _roll(x, shift):
    """Every sequence of x (T, B, ...) moved to the front by its own number of steps, `shift` (B, 1)."""
    steps = torch.arange(len(x), device=x.device)[:, None, None]
    return torch.gather(x, 0, ((steps + shift) % len(x)).expand_as(x))


def _with_switch(inputs, mask, kernel, open, closed=slice(0, 0)):
    """An input more, one at masked steps, that opens gates which keep the state and closes those which change it."""
    switch = torch.zeros_like(kernel[:1])
    switch[:, open], switch[:, closed] = _CLOSED, -_CLOSED
    return torch.cat([inputs, (~mask).to(inputs.dtype)], dim=-1), torch.cat([kernel, switch])


def _reset_first(weight, units):
    """PyTorch's order of gates: reset, update, candidate."""
    return torch.cat([weight[..., units : 2 * units], weight[..., :units], weight[..., 2 * units :]], dim=-1)


def _contiguous(weights):
    return [weight.contiguous() for weight in weights]
