"""What was removed, by hand and against plain sums over the states; angles between erasers."""

from __future__ import annotations

import numpy as np
import pytest

import probekit as pk
from probekit.errors import DataError

SQUARE = np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 0.0], [3.0, 4.0]])


def test_by_hand() -> None:
    # variances 2.25 and 4; the first coordinate is the concept and becomes 1.5
    y = [0, 0, 1, 1]
    found = pk.removed(pk.Leace().fit(SQUARE, y).eraser_, SQUARE, y)
    assert found.rank == 1
    assert found.variance == pytest.approx(2.25 / 6.25)
    assert found.change == pytest.approx(2.25 / 6.25)
    # |x| is 0 (left out), 4, 3, 5; every state moves by 1.5
    assert found.relative_change == pytest.approx(np.mean([1.5 / 4, 1.5 / 3, 1.5 / 5]))
    after = np.hypot(1.5, [4.0, 0.0, 4.0])
    assert found.norm_change == pytest.approx(np.mean(after / [4.0, 3.0, 5.0] - 1.0))
    assert found.separation == pytest.approx(2.25 / 6.25)
    assert found.separation_after == pytest.approx(0.0, abs=1e-12)
    assert found.summary.startswith(
        "1 direction taken out, which hold 36.00 % of the variance; a state moves by"
    )
    assert found.summary.endswith("36.00 % followed the concept before and 0.00 % after.")


def test_without_a_concept_nothing_is_said_of_it() -> None:
    found = pk.removed(pk.PcaErasure(2).fit(SQUARE).eraser_, SQUARE)
    assert (found.separation, found.separation_after) == (None, None)
    assert found.variance == pytest.approx(1.0)
    assert "2 directions" in found.summary
    assert "concept" not in found.summary


def test_an_oblique_map_may_leave_more_variance() -> None:
    eraser = pk.Eraser(left=np.array([[1.0], [5.0]]), right=np.array([[1.0, 0.0]]), center=np.zeros(2))
    assert pk.removed(eraser, SQUARE).variance < -1.0


def test_numbers_and_small_floats() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4)).astype(np.float32)
    z = X[:, :1].astype(np.float64) * 2.0 + 1.0
    found = pk.removed(pk.Leace().fit(X, z).eraser_, X, z)
    assert found.separation == pytest.approx(0.25, abs=0.05)
    assert found.separation_after < 1e-6


def test_angles_between_what_erasers_take_out() -> None:
    y = np.array([0, 0, 1, 1])
    first, second = pk.Leace().fit(SQUARE, y).eraser_, pk.Leace().fit(SQUARE, [0, 1, 0, 1]).eraser_
    np.testing.assert_allclose(pk.angles(first, second), [90.0])
    np.testing.assert_allclose(pk.angles(first, first), [0.0], atol=1e-6)
    both = first.then(second)
    np.testing.assert_allclose(pk.angles(both, first), [0.0], atol=1e-6)
    nothing = pk.RandomErasure(rank=0).fit(SQUARE).eraser_
    assert pk.angles(first, nothing).shape == (0,)
    with pytest.raises(DataError, match="width 2 and 3"):
        pk.angles(first, pk.RandomErasure(rank=1).fit(np.eye(3)).eraser_)


def test_states_that_do_not_vary_are_refused() -> None:
    eraser = pk.RandomErasure(rank=1).fit(SQUARE).eraser_
    with pytest.raises(DataError, match="do not vary"):
        pk.removed(eraser, np.ones((4, 2)))
