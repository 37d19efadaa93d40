"""The exact McNemar test: two systems on the same items, judged by the items on which they differ."""

from __future__ import annotations

from probekit.errors import ConfigError


def mcnemar_exact(b: int, c: int) -> float:
    """The two-sided p of "neither system is better", from b items that only the first got right, c only the second.

    Items on which both are right or both wrong say nothing. Under "no difference" each of the others is a fair
    coin, so b follows Binomial(b + c, 1/2), and p = min(1, 2 P(X <= min(b, c))); 1 where the systems never differ.
    The items must be independent: where they come in clusters, compare by clusters (`paired_difference`) instead.

    Source: McNemar 1947, exact form. Raises ConfigError for a negative count.

    >>> mcnemar_exact(1, 9), mcnemar_exact(0, 0)
    (0.021484375, 1.0)
    """
    from scipy.special import bdtr

    for count in (b, c):
        if isinstance(count, bool) or count != int(count) or count < 0:
            raise ConfigError(f"the counts of McNemar's test must be whole numbers from 0 on, not {count!r}")
    if b + c == 0:
        return 1.0
    return min(1.0, 2.0 * float(bdtr(float(min(b, c)), int(b + c), 0.5)))
