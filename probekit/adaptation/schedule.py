"""Schedules of the learning rate: the share of the full rate at a step."""

from __future__ import annotations

import math
from collections.abc import Callable

from probekit.errors import ConfigError, did_you_mean


def linear(step: int, steps: int, warmup: float) -> float:
    """Share of the full rate at a step (from 0): up over the first `warmup` of the steps, then down to 0.

    >>> [linear(step, 6, 1 / 3) for step in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    first = warmup * steps
    return min(1.0, (step + 1) / max(1.0, first), (steps - step) / max(1.0, steps - first))


def constant(step: int, steps: int, warmup: float) -> float:
    """Up over the first `warmup` of the steps, then the full rate."""
    return min(1.0, (step + 1) / max(1.0, warmup * steps))


def slanted(step: int, steps: int, warmup: float = 0.1, ratio: float = 32.0) -> float:
    """The slanted triangle of Howard and Ruder (2018, equation 3): a short rise, a long fall, never below 1/`ratio`.

    With cut = floor(steps * warmup), p rises as step/cut up to the cut and falls as
    1 - (step - cut) / (cut * (1/warmup - 1)) behind it; the share is (1 + p (ratio - 1)) / ratio.

    >>> [round(slanted(step, 20), 3) for step in (0, 1, 2, 11)]
    [0.031, 0.516, 1.0, 0.516]
    """
    cut = math.floor(steps * warmup)
    if cut < 1:
        p = 1 - step / max(1, steps)
    elif step < cut:
        p = step / cut
    else:
        p = max(0.0, 1 - (step - cut) / (cut * (1 / warmup - 1)))
    return (1 + p * (ratio - 1)) / ratio


SCHEDULES: dict[str, Callable[[int, int, float], float]] = {
    "linear": linear,
    "constant": constant,
    "slanted": slanted,
}


def check_schedule(name: str) -> None:
    """ConfigError, with the nearest name, where there is no such schedule."""
    if name not in SCHEDULES:
        raise ConfigError(f"unknown schedule {name!r}; {did_you_mean(str(name), SCHEDULES)}")
