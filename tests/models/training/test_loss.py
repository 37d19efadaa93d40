"""The loss that works in place is torch's cross-entropy."""

from __future__ import annotations

import torch
from torch.nn import functional

from probekit.models.training.loss import mean_loss


def test_loss_and_gradient() -> None:
    torch.manual_seed(0)
    states = 4 * torch.randn(7, 5)
    weight = torch.randn(11, 5)
    labels = torch.tensor([3, 3, 0, 10, 5, 1, 3])
    found = []
    for loss_of in (mean_loss, functional.cross_entropy):
        x, w = states.clone().requires_grad_(), weight.clone().requires_grad_()
        loss = loss_of(functional.linear(x, w), labels)
        (2.5 * loss).backward()
        found.append((loss.detach(), x.grad, w.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_large_scores_do_not_overflow() -> None:
    scores = torch.tensor([[1e4, -1e4, 0.0]])
    torch.testing.assert_close(mean_loss(scores, torch.tensor([1])), torch.tensor(2e4))


def test_half_precision_goes_torchs_way() -> None:
    scores = torch.zeros(2, 4, dtype=torch.bfloat16, requires_grad=True)
    loss = mean_loss(scores, torch.tensor([0, 1]))
    assert loss.dtype == torch.float32
    loss.backward()
    assert scores.grad is not None
