"""When to stop a training by rows held out, and which epoch to keep."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from probekit.errors import DataError

FEWEST_TO_HOLD_OUT = 100  # rows; with fewer nothing is held out, and the training rows say when to stop


def hold_out(n: int, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers to train on and to stop by, both ascending; all rows twice where there are fewer than 100.

    >>> train, held = hold_out(200, 0.1, seed=0)
    >>> len(train), len(held), len(np.intersect1d(train, held))
    (180, 20, 0)
    """
    if not 0 <= fraction < 1:
        raise DataError(f"validation_fraction must lie in 0..1 (below 1); got {fraction}")
    if fraction == 0 or n < FEWEST_TO_HOLD_OUT:
        return np.arange(n), np.arange(n)
    mixed = np.random.default_rng([seed, 3]).permutation(n)
    held = max(1, round(fraction * n))
    return np.sort(mixed[held:]), np.sort(mixed[:held])


class Best:
    """The best epoch so far: fewest mistakes, then least loss. ``tell`` says whether this one is.

    ``done`` says when to stop: `patience` epochs after the last with fewer mistakes or less loss than any before.

    >>> best = Best(patience=1)
    >>> best.tell(3, 0.5), best.tell(3, 0.4), best.tell(4, 0.6), best.done
    (True, True, False, True)
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.epoch = self.at = self.least_at = 0
        self.fewest = self.loss = self.least = np.inf

    def tell(self, mistakes: float, loss: float) -> bool:
        """Take the mistakes and the mean loss of the epoch that ended."""
        self.epoch += 1
        if loss < self.least:
            self.least, self.least_at = loss, self.epoch
        better = self.at == 0 or (mistakes, loss) < (self.fewest, self.loss)
        if better:
            self.fewest, self.loss, self.at = mistakes, loss, self.epoch
        return better

    @property
    def done(self) -> bool:
        """Whether nothing has become better for `patience` epochs."""
        return self.epoch - max(self.at, self.least_at) >= self.patience
