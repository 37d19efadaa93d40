"""Intervals from values without one sentence, or without one group of sentences, at a time.

A bootstrap draws sentences twice, and a row beside its own copy is as near to it in one space as in the other: a
similarity of two spaces then rises although nothing is shared. Leaving out never makes copies.

Sources: Tukey 1958 (jackknife), Shao & Wu 1989 (leaving out groups), Fisher 1921 (the scale of correlations).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.maths.resampling import Interval

Array = np.ndarray[Any, Any]

INTERVAL = "jackknife over {n} {what}{scale}, t interval, {level:.0%}"
FEWEST = 5  # values left out at a time, fewer of which say nothing about spread


def describe_jackknife(
    n: int, what: str = "sentences", scale: str = "Fisher's z scale", level: float = 0.95
) -> str:
    """How `jackknife_interval` made an interval, in the words that a measurement carries.

    >>> describe_jackknife(40)
    "jackknife over 40 sentences on Fisher's z scale, t interval, 95%"
    """
    return INTERVAL.format(n=n, what=what, scale=f" on {scale}" if scale else "", level=level)


def jackknife_interval(value: float, without: Array, *, fisher: bool = True, level: float = 0.95) -> Interval:
    """A value with its interval from the values without each cluster, float64[clusters].

    ``fisher`` works on the scale atanh(value), for numbers between -1 and 1, and transforms the bounds back; a value of
    exactly 1 or -1 whose neighbours are the same has itself as bounds. Bounds are NaN with fewer than five values, or
    where one of them is not finite.

    >>> x = np.array([0.1, 0.3, 0.2, 0.5, 0.4])
    >>> without = (x.sum() - x) / 4
    >>> [round(float(bound), 3) for bound in jackknife_interval(x.mean(), without, fisher=False)]
    [0.3, 0.104, 0.496]
    """
    from scipy.stats import t

    without = np.asarray(without, dtype=np.float64)
    n = len(without)
    if n < FEWEST or not np.isfinite(without).all() or not np.isfinite(value):
        return Interval(float(value), np.nan, np.nan)
    if np.ptp(without) <= 1e-12 and abs(value - without[0]) <= 1e-12:
        return Interval(float(value), float(value), float(value))
    inside = fisher and abs(value) < 1 and (np.abs(without) < 1).all()
    scale = np.arctanh if inside else np.asarray
    middle, drawn = scale(value), scale(without)
    spread = np.sqrt((n - 1) / n * ((drawn - drawn.mean()) ** 2).sum())
    reach = float(t.ppf(0.5 + level / 2, n - 1)) * spread
    low, high = middle - reach, middle + reach
    return Interval(float(value), *(float(np.tanh(bound) if inside else bound) for bound in (low, high)))
