"""The exact McNemar test against scipy, by hand, and at its edges."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from probekit.errors import ConfigError
from probekit.maths.mcnemar import mcnemar_exact


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (0, 5, 2 / 32),
        (5, 0, 2 / 32),
        (1, 9, 2 * (1 + 10) / 1024),  # McNemar's chi-square, with correction, would give 0.027
        (3, 3, 1.0),  # twice the half with the middle is more than 1
    ],
)
def test_by_hand(b: int, c: int, p: float) -> None:
    assert mcnemar_exact(b, c) == pytest.approx(p, rel=1e-12)


@given(st.integers(0, 400), st.integers(0, 400))
def test_equals_scipy_and_the_sum(b: int, c: int) -> None:
    n = b + c
    p = mcnemar_exact(b, c)
    assert p == mcnemar_exact(c, b)
    tail = sum(comb(n, k) for k in range(min(b, c) + 1)) * 2 / 2**n
    assert p == pytest.approx(min(1.0, tail), rel=1e-9)
    assert p == pytest.approx(binomtest(b, n, 0.5).pvalue if n else 1.0, rel=1e-9)


def test_thousands_of_items_do_not_underflow_the_middle() -> None:
    assert mcnemar_exact(50_000, 50_400) == pytest.approx(binomtest(50_000, 100_400).pvalue, rel=1e-6)


@pytest.mark.parametrize("count", [-1, 0.5, True])
def test_counts_are_counts(count: float) -> None:
    with pytest.raises(ConfigError, match="whole numbers from 0 on"):
        mcnemar_exact(count, 1)  # type: ignore[arg-type]
