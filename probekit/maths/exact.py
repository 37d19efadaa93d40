"""An interval for a share that is exactly 0 or 1, where resampling can only repeat it."""

from __future__ import annotations

from probekit.maths.resampling import Interval


def all_or_none_interval(value: float, n_clusters: int, *, level: float = 0.95) -> Interval:
    """Clopper-Pearson bounds for a share of 0 or 1 seen in all of `n_clusters` independent sentences.

    Every resample of a perfect test set is perfect, so a bootstrap would claim certainty. With c sentences and
    not one failure, the failure rate per sentence may still be as high as 1 - ((1 - level) / 2) ** (1 / c); a
    share of words cannot be lower than the share of flawless sentences, so the bound holds for words too.

    Source: Clopper & Pearson 1934.

    >>> all_or_none_interval(1.0, 350).low > 0.989
    True
    """
    if value not in (0.0, 1.0):
        raise ValueError(f"only for a share of exactly 0 or 1; got {value}")
    if n_clusters < 1:
        return Interval(value, float("nan"), float("nan"))
    reach = 1.0 - ((1.0 - level) / 2.0) ** (1.0 / n_clusters)
    return Interval(1.0, 1.0 - reach, 1.0) if value == 1.0 else Interval(0.0, 0.0, reach)
