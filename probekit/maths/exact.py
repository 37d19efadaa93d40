"""Exact intervals: for a share that is 0 or 1, where resampling can only repeat it, and for counts of a few runs."""

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


def share_interval(count: int, n: int, *, level: float = 0.95) -> Interval:
    """A share of `n` independent trials with Clopper-Pearson bounds: right for three runs as for thousands.

    NaN for no trial. Raises ValueError where `count` is not in 0..n.

    Source: Clopper & Pearson 1934.

    >>> [round(bound, 3) for bound in share_interval(0, 5)]
    [0.0, 0.0, 0.522]
    """
    from scipy.stats import beta

    if not 0 <= count <= n:
        raise ValueError(f"a count of 0 to {n} is needed; got {count}")
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    tail = (1.0 - level) / 2.0
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, n - count + 1))
    high = 1.0 if count == n else float(beta.ppf(1.0 - tail, count + 1, n - count))
    return Interval(count / n, low, high)
