"""Mean cosines from sums equal those of all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.maths.cosines import cosine_parts, cosines_by_kind, sums_by, unit_rows


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(14, 3)) + 0.5
    group, kind = rng.integers(0, 4, 14), rng.integers(0, 3, 14)
    units, some = unit_rows(X)
    assert some.all()
    pairs = [(i, j) for i in range(14) for j in range(i) if group[i] != group[j]]
    slow = np.mean([X[i] @ X[j] / np.linalg.norm(X[i]) / np.linalg.norm(X[j]) for i, j in pairs])
    parts = cosine_parts(sums_by(units, group, 4), np.bincount(group, minlength=4))
    assert parts.sum() == pytest.approx(slow)
    assert parts[1] == pytest.approx(np.mean([units[i, 1] * units[j, 1] for i, j in pairs]))
    cell = kind * 4 + group
    found = cosines_by_kind(sums_by(units, cell, 12), np.bincount(cell, minlength=12), np.arange(12) // 4, 3)
    for k in range(3):
        own = [units[i] @ units[j] for i, j in pairs if kind[i] == kind[j] == k]
        assert np.isnan(found[k]) if not own else found[k] == pytest.approx(np.mean(own))


def test_nothing_to_compare_is_nan() -> None:
    assert np.isnan(cosine_parts(np.ones((1, 2)), np.array([5]))).all()
