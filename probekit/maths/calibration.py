"""Whether probabilities mean what they say: how far confidence and the share that is right lie apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from probekit.errors import ConfigError, did_you_mean

Array = np.ndarray[Any, Any]
BINNINGS = ("equal-width", "equal-mass")


class Reliability(NamedTuple):
    """Per bin: mean confidence and share right (NaN where it is empty), and units; each float64 [bins]."""

    confidence: Array
    right: Array
    n: Array


def calibration_error(
    confidence: Array, right: Array, *, bins: int = 15, binning: str = "equal-width"
) -> float:
    """Expected calibration error, 0..1: the mean over units of |confidence - share right| of the bin they fall into.

    `confidence` float64 [n], the probability of the predicted class; `right` [n], 1 where it was right, else 0.
    "equal-width" cuts 0..1 into `bins` equal pieces, ](b - 1) / B, b / B]; "equal-mass" gives each bin as many units as
    can be, equal confidences never apart. NaN for no unit. Raises ConfigError for an unknown binning or no bin.

    Source: Naeini et al. 2015, Guo et al. 2017 (equal width); Nguyen & O'Connor 2015 (equal mass).

    >>> round(calibration_error(np.array([0.9, 0.9, 0.6, 0.6]), np.array([1, 1, 1, 0])), 3)
    0.1
    """
    found = reliability(confidence, right, bins=bins, binning=binning)
    return _error(found.confidence * found.n, found.right * found.n, float(found.n.sum()))


def reliability(
    confidence: Array, right: Array, *, bins: int = 15, binning: str = "equal-width"
) -> Reliability:
    """Mean confidence and share right in each bin; bins as in `calibration_error`.

    >>> reliability(np.array([0.9, 0.7]), np.array([1, 0]), bins=2).n.tolist()
    [0.0, 2.0]
    """
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    place = bin_of(confidence, bins=bins, binning=binning)
    n = np.bincount(place, minlength=bins).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = [np.bincount(place, weights=values, minlength=bins) / n for values in (confidence, right)]
    return Reliability(sums[0], sums[1], n)


def bin_of(confidence: Array, *, bins: int = 15, binning: str = "equal-width") -> Array:
    """The bin of each unit, int64 [n] in 0..bins-1.

    >>> bin_of(np.array([0.0, 0.5, 0.51, 1.0]), bins=2).tolist()
    [0, 0, 1, 1]
    """
    if binning not in BINNINGS:
        raise ConfigError(f"no binning {binning!r}; {did_you_mean(str(binning), BINNINGS)}")
    if bins < 1:
        raise ConfigError(f"at least one bin is needed; got {bins}")
    if binning == "equal-width":
        # a confidence on an edge belongs below it; what rounding adds (0.3 * 10 is no 3) is taken off first
        place: Array = np.ceil(np.round(confidence * bins, 9)).astype(np.int64) - 1
        return np.clip(place, 0, bins - 1)
    order = np.argsort(confidence, kind="stable")
    place = np.empty(len(confidence), np.int64)
    place[order] = np.arange(len(confidence)) * bins // max(1, len(confidence))
    _, first, group = np.unique(confidence, return_index=True, return_inverse=True)
    lowest = np.full(len(first), bins)
    np.minimum.at(lowest, group.reshape(-1), place)
    return np.asarray(lowest[group.reshape(-1)])


def calibrated_errors(
    confidence: Array,
    *,
    bins: int = 15,
    binning: str = "equal-width",
    draws: int = 1000,
    seed: int = 0,
) -> Array:
    """The errors that perfectly calibrated answers of the same confidences would show by chance, float64 [draws].

    A finite sample is never calibrated to the point: its error is above 0 even where confidence is true. Each draw
    makes every unit right with the probability that it claims.

    Source: consistency resampling, Bröcker & Smith 2007.

    >>> bool(0 < calibrated_errors(np.full(100, 0.8), draws=50).mean() < 0.1)
    True
    """
    confidence = np.asarray(confidence, np.float64)
    place = bin_of(confidence, bins=bins, binning=binning)
    claimed = np.bincount(place, weights=confidence, minlength=bins)
    rng = np.random.default_rng([seed, 4])
    rows = max(1, 2_000_000 // max(1, len(confidence)))
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(bins))
    filled = np.flatnonzero(np.bincount(place, minlength=bins))
    found = []
    for start in range(0, draws, rows):
        right = rng.random((min(rows, draws - start), len(confidence))) < confidence[order]
        sums = np.zeros((len(right), bins))
        if len(filled):
            sums[:, filled] = np.add.reduceat(right, starts[filled], axis=1, dtype=np.float64)
        found.append(np.abs(claimed - sums).sum(axis=1) / max(1, len(confidence)))
    return np.concatenate(found)


def _error(claimed: Array, right: Array, n: float) -> float:
    return float(np.nansum(np.abs(claimed - right)) / n) if n else float("nan")
