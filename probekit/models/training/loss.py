"""Mean cross-entropy that makes its gradient where the scores stood."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class InPlace(torch.autograd.Function):
    """Cross-entropy over scores that nobody else reads: they become the softmax, and that the gradient.

    torch's own makes a table of log-probabilities and one of gradients, each as large as the scores, which is
    most of what the loss of a small model with a large vocabulary costs on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, labels: Tensor) -> Tensor:
        top = scores.amax(1, keepdim=True)
        picked = scores.gather(1, labels[:, None]) - top
        shares = scores.sub_(top).exp_()
        total = shares.sum(1, keepdim=True)
        ctx.save_for_backward(shares, total, labels)
        return (total.log() - picked).mean()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        shares, total, labels = ctx.saved_tensors
        each = gradient / len(labels)
        shares.mul_(each / total)
        shares.scatter_add_(1, labels[:, None], (-each).expand(len(labels), 1))
        return shares, None


def mean_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy in nats of `scores` float[rows, vocabulary], which must not be read afterwards.

    >>> import torch
    >>> round(float(mean_loss(torch.zeros(3, 4), torch.tensor([0, 1, 3]))), 4)
    1.3863
    """
    if scores.device.type == "cpu" and scores.dtype == torch.float32:
        loss: Tensor = InPlace.apply(scores, labels)  # type: ignore[no-untyped-call]
        return loss
    return functional.cross_entropy(scores.float(), labels)
