"""Perfect scores keep their doubt."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from probekit.maths.exact import all_or_none_interval


@pytest.mark.parametrize("n", [1, 7, 400])
def test_equals_scipy(n: int) -> None:
    exact = binomtest(n, n).proportion_ci(0.95, method="exact")
    assert all_or_none_interval(1.0, n)[1:] == pytest.approx((exact.low, exact.high))
    none = binomtest(0, n).proportion_ci(0.95, method="exact")
    assert all_or_none_interval(0.0, n)[1:] == pytest.approx((none.low, none.high))


def test_refuses_any_other_share() -> None:
    with pytest.raises(ValueError, match="exactly 0 or 1"):
        all_or_none_interval(0.5, 3)
