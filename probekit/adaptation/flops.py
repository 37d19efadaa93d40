"""An estimate of the arithmetic a live model needs, from the products of matrices it computes and what is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from probekit.adaptation.inputs import Batch

if TYPE_CHECKING:
    from probekit.adaptation.live import Live

LENGTHS = (2, 4, 6)


@dataclass(frozen=True)
class Flops:
    """Floating-point operations: a text of n pieces costs ``a + b n + c n^2`` with (a, b, c) = ``forward`` to be read,
    and ``backward`` more to be trained on; a multiplication and an addition are two operations.

    >>> Flops((0.0, 10.0, 1.0), (0.0, 20.0, 2.0)).training([2, 3], epochs=2)
    378.0
    """

    forward: tuple[float, float, float]
    backward: tuple[float, float, float]

    def predicting(self, lengths: Sequence[int] | NDArray[Any]) -> float:
        """Operations to read texts of so many pieces, without padding."""
        return _polynomial(self.forward, lengths)

    def training(self, lengths: Sequence[int] | NDArray[Any], epochs: float = 1.0) -> float:
        """Operations to train on texts of so many pieces, without padding and without the optimiser's."""
        return epochs * (_polynomial(self.forward, lengths) + _polynomial(self.backward, lengths))


def _polynomial(factors: tuple[float, float, float], lengths: Sequence[int] | NDArray[Any]) -> float:
    n = np.asarray(lengths, np.float64)
    return float(sum(factor * (n**power).sum() for power, factor in enumerate(factors)))


def count_flops(live: Live) -> Flops:
    """What a live model needs, as it is trained now.

    Three short texts are read and every product of matrices is noted: [m, k] by [k, n] is 2mkn operations; backward,
    2mkn more for each of the two whose gradient is needed (Kaplan et al. 2020, section 2.1: 2 operations per parameter
    and piece forward, 4 backward). Attention counts as its two products. What a strategy inserts is counted as what it
    does, wherever gradients really flow. Lookups, norms, biases and softmax are left out: they are below a hundredth in
    all but tiny models.
    """
    was_training = live.training
    live.eval()
    found = [_one_text(live, n) for n in LENGTHS]
    live.train(was_training)
    powers = np.vander(np.array(LENGTHS, np.float64), 3, increasing=True)
    factors = np.linalg.solve(powers, np.array(found, np.float64)).T
    forward, backward = ([float(value) for value in row.round(3)] for row in factors)
    return Flops((forward[0], forward[1], forward[2]), (backward[0], backward[1], backward[2]))


def _one_text(live: Live, n: int) -> tuple[float, float]:
    device = live.head.weight.device
    ids = (torch.arange(n, device=device) % live.model.vocabulary).unsqueeze(0)
    places = torch.arange(n, device=device)
    batch = Batch(ids, None, None, places, torch.zeros_like(places), np.zeros(1, np.int64))
    with torch.enable_grad(), _Counter() as counter:
        live(batch)
    return counter.forward, counter.backward


class _Counter(TorchFunctionMode):
    """Notes every product of matrices that is asked for while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.forward = 0.0
        self.backward = 0.0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        found = func(*args, **given)
        factors = _factors(func, args, given)
        if factors is not None:
            operations, needed = factors
            self.forward += operations
            self.backward += operations * needed
        return found


PRODUCTS = (torch.matmul, torch.bmm, torch.mm, Tensor.matmul, Tensor.__matmul__, Tensor.bmm, Tensor.mm)
PRODUCTS_WITH_SUM = (torch.addmm, torch.baddbmm, Tensor.addmm, Tensor.baddbmm)


def _factors(
    func: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any]
) -> tuple[float, float] | None:
    """Operations of one call, and how many times as many its gradients take; None where it is no product."""
    if func is functional.linear:
        left, right = _named(args, given, ("input", "weight"))
        return 2.0 * left.numel() * right.shape[0], float(left.requires_grad) + float(right.requires_grad)
    if func in PRODUCTS:
        left, right = _named(args, given, ("input", "other"))
    elif func in PRODUCTS_WITH_SUM:
        _, left, right = _named(args, given, ("input", "batch1", "batch2"))
    elif func is functional.scaled_dot_product_attention:
        query, key, value = _named(args, given, ("query", "key", "value"))
        scores = query.numel() // query.shape[-1] * key.shape[-2]
        one, two = 2.0 * scores * query.shape[-1], 2.0 * scores * value.shape[-1]
        inside = float(query.requires_grad) + float(key.requires_grad)
        outside = float(inside > 0) + float(value.requires_grad)
        return one + two, (one * inside + two * outside) / (one + two)
    else:
        return None
    rows = left.numel() if right.dim() < 2 else left.numel() * right.shape[-1]
    return 2.0 * rows, float(left.requires_grad) + float(right.requires_grad)


def _named(args: tuple[Any, ...], given: dict[str, Any], names: tuple[str, ...]) -> list[Tensor]:
    return [args[place] if place < len(args) else given[name] for place, name in enumerate(names)]
