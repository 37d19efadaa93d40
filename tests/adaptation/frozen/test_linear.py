"""The linear head: what it says of a fit that did not end."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from probekit.adaptation.frozen import linear


def test_a_wide_fit_that_stops_short_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, linear.WIDE + 6)).astype(np.float32)
    y = np.arange(40) % 3
    coef, _ = linear.fit_linear(X, y, 3)
    assert coef.shape == (3, linear.WIDE + 6)
    short = functools.partial(linear.solve_wide_logistic, max_iter=1)
    monkeypatch.setattr(linear, "solve_wide_logistic", short)
    with pytest.warns(ConvergenceWarning, match="over 1,030 columns stopped before it converged; lower C"):
        linear.fit_linear(X, y, 3)
