"""The centre of gravity, by hand and with its interval."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.maths.curves import center_of_gravity, center_of_gravity_interval


def test_by_hand() -> None:
    # gains over layer 0: 0 0.1 0.3 0 (a loss counts 0) -> (0.1 + 0.6) / 0.4
    assert center_of_gravity(np.array([0.5, 0.6, 0.8, 0.3])) == pytest.approx(1.75)


def test_weights_are_gains_not_scores() -> None:
    # an average weighted by the scores themselves would be near the middle, 1.5
    assert center_of_gravity(np.array([0.9, 0.9, 0.9, 0.95])) == pytest.approx(3.0)


@pytest.mark.parametrize("values", [[0.5, 0.5, 0.4], [0.5], [0.5, np.nan, 0.9]])
def test_not_defined(values: list[float]) -> None:
    assert np.isnan(center_of_gravity(np.array(values)))


def test_many_curves_at_once() -> None:
    curves = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    assert center_of_gravity(curves).tolist() == [1.0, 2.0]


def test_one_resample_is_shared_over_layers() -> None:
    rng = np.random.default_rng(0)
    easy = rng.random(200)  # how easy a sentence is shifts every layer alike
    sums = np.stack([easy, easy + 0.2, easy + 0.4, easy + 0.2])
    found = center_of_gravity_interval(sums, np.ones(200))
    assert found.value == pytest.approx(2.0)
    assert (found.low, found.high) == pytest.approx((2.0, 2.0))


def test_interval_is_null_where_the_curve_has_no_centre() -> None:
    assert np.isnan(center_of_gravity_interval(np.ones((3, 20)), np.ones(20))).all()
