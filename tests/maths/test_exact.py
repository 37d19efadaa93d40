"""Perfect scores keep their doubt."""

from __future__ import annotations

import pytest
from scipy.stats import binom, binomtest

from probekit.maths.exact import all_or_none_interval, share_interval


@pytest.mark.parametrize("n", [1, 7, 400])
def test_equals_scipy(n: int) -> None:
    exact = binomtest(n, n).proportion_ci(0.95, method="exact")
    assert all_or_none_interval(1.0, n)[1:] == pytest.approx((exact.low, exact.high))
    none = binomtest(0, n).proportion_ci(0.95, method="exact")
    assert all_or_none_interval(0.0, n)[1:] == pytest.approx((none.low, none.high))


def test_refuses_any_other_share() -> None:
    with pytest.raises(ValueError, match="exactly 0 or 1"):
        all_or_none_interval(0.5, 3)


@pytest.mark.parametrize(("count", "n"), [(1, 5), (2, 3), (7, 40)])
def test_each_bound_leaves_a_tail_of_two_and_a_half_percent(count: int, n: int) -> None:
    value, low, high = share_interval(count, n)
    assert value == count / n
    assert binom.sf(count - 1, n, low) == pytest.approx(0.025)
    assert binom.cdf(count, n, high) == pytest.approx(0.025)


def test_none_and_all_as_the_other_interval_has_them() -> None:
    assert tuple(share_interval(0, 9)) == pytest.approx(tuple(all_or_none_interval(0.0, 9)))
    assert tuple(share_interval(9, 9)) == pytest.approx(tuple(all_or_none_interval(1.0, 9)))
    assert all(bound != bound for bound in share_interval(0, 0))


def test_a_count_beyond_the_trials_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 3"):
        share_interval(4, 3)
