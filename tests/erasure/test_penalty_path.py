"""The fast classifier: the strongest penalty that is as accurate as the best, whatever the scale and the sample."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.erasure import penalty_path
from probekit.erasure.penalty_path import STRENGTHS, PenaltyPath
from tests.erasure.planted_states import planted_states

TRAIN, DEV = planted_states(2000, classes=3, apart=2.0), planted_states(1000, classes=3, apart=2.0, seed=1)


def accuracy_at(strength: float) -> float:
    """The dev accuracy of a converged classifier at one strength, by the documented formula for C."""
    from probekit.estimators.linear import LinearProbe

    C = strength / (len(TRAIN[0]) * TRAIN[0].var(axis=0).mean())
    return float(np.mean(LinearProbe(C=C, tol=1e-8).fit(*TRAIN).predict(DEV[0]) == DEV[1]))


def test_takes_the_strongest_penalty_within_the_slack() -> None:
    by_strength = [accuracy_at(strength) for strength in STRENGTHS]
    assert max(by_strength) - by_strength[0] > 0.04  # the choice matters here
    for slack in (0.01, 0.02):
        step = PenaltyPath(TRAIN[1], 3, DEV[1], slack=slack, seed=0).fit(TRAIN[0], DEV[0], enough=0.4)
        first = next(i for i, found in enumerate(by_strength) if found >= max(by_strength) - slack)
        assert abs(step.place - first) <= 1  # loosely solved: a neighbour may win by a hair
        assert step.accuracy >= max(by_strength) - slack - 0.005
        np.testing.assert_allclose(step.C, STRENGTHS[step.place] / (2000 * TRAIN[0].var(axis=0).mean()))


def test_a_weak_penalty_is_tried_before_it_is_believed_that_nothing_is_left() -> None:
    """A rare class: under the strongest penalties the classifier only ever says the frequent one."""
    draw = np.random.default_rng(0)
    y = (np.arange(4000) % 20 == 0).astype(int)
    X = draw.normal(size=(4000, 6))
    X[:, 2] += 3.0 * y
    path = PenaltyPath(y[:2000], 2, y[2000:], slack=0.01, seed=0)
    strongest = path.fit(X[:2000], X[2000:], enough=0.95, C=1e-6)
    assert strongest.accuracy == 0.95  # the majority
    for enough in (0.95, 0.96):
        assert path.fit(X[:2000], X[2000:], enough=enough).accuracy > enough


def test_many_rows_are_walked_on_a_sample_and_solved_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = penalty_path.solve_logistic

    def watched(X, *args, **options):  # type: ignore[no-untyped-def]
        seen.append(len(X))
        return real(X, *args, **options)

    monkeypatch.setattr(penalty_path, "solve_logistic", watched)
    monkeypatch.setattr(penalty_path, "FEWEST", 300)
    monkeypatch.setattr(penalty_path, "ROWS_PER_FEATURE", 10)
    path = PenaltyPath(TRAIN[1], 3, DEV[1], slack=0.01, seed=0)
    step = path.fit(TRAIN[0], DEV[0], enough=0.4)
    assert seen[-1] == 2000
    assert max(seen[:-1]) <= 303
    assert step.accuracy > 0.8


def test_weights_leave_out_what_no_prediction_depends_on() -> None:
    step = PenaltyPath(TRAIN[1], 3, DEV[1], slack=0.01, seed=0).fit(TRAIN[0], DEV[0], enough=0.4)
    assert step.coef.shape == (3, 12)
    np.testing.assert_allclose(step.coef.sum(axis=0), 0.0, atol=1e-12)
    two = PenaltyPath(TRAIN[1] // 2, 2, DEV[1] // 2, slack=0.01, seed=0)
    assert two.fit(TRAIN[0], DEV[0], enough=0.7).coef.shape == (1, 12)


def test_states_that_are_all_alike() -> None:
    X = np.ones((50, 4))
    step = PenaltyPath(np.arange(50) % 2, 2, np.arange(50) % 2, slack=0.01, seed=0).fit(X, X, enough=0.5)
    assert step.accuracy == 0.5
    np.testing.assert_allclose(step.coef, 0.0, atol=1e-6)
