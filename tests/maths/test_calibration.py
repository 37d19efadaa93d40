"""Calibration error: by hand, against a plain twin, and what calibrated answers show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import ConfigError
from probekit.maths.calibration import (
    BINNINGS,
    bin_of,
    calibrated_errors,
    calibration_error,
    reliability,
)


def plain(confidence: list[float], right: list[int], bins: int) -> float:
    """Equal width, unit by unit."""
    total = 0.0
    for b in range(bins):
        own = [i for i, c in enumerate(confidence) if b / bins < c <= (b + 1) / bins or (b == 0 and c == 0)]
        if own:
            total += abs(sum(confidence[i] for i in own) - sum(right[i] for i in own))
    return total / len(confidence)


def test_by_hand_and_not_the_mean_gap_of_bins() -> None:
    # two bins: three units at 0.9 of which two right (gap 0.7 / 3), one at 0.2 that is right (gap 0.8)
    confidence, right = np.array([0.9, 0.9, 0.9, 0.2]), np.array([1, 1, 0, 1])
    found = calibration_error(confidence, right, bins=2)
    assert found == pytest.approx((0.7 + 0.8) / 4)
    assert found != pytest.approx((0.7 / 3 + 0.8) / 2)  # bins weighted alike
    assert found != pytest.approx(np.abs(confidence - right).mean())  # unit by unit
    assert found != pytest.approx(abs(confidence.mean() - right.mean()))  # one bin


def test_an_edge_belongs_to_the_bin_below_it() -> None:
    assert bin_of(np.array([0.0, 0.1, 0.3, 0.30001, 0.7, 1.0]), bins=10).tolist() == [0, 0, 2, 3, 6, 9]


def test_equal_mass_keeps_equal_confidences_together() -> None:
    assert bin_of(np.array([0.1, 0.2, 0.3, 0.4]), bins=2, binning="equal-mass").tolist() == [0, 0, 1, 1]
    assert bin_of(np.array([0.5, 0.5, 0.5, 0.9]), bins=2, binning="equal-mass").tolist() == [0, 0, 0, 1]
    # in equal-width bins both confidences share one bin and cancel out; in equal-mass bins they do not
    confidence, right = np.array([0.91, 0.91, 0.99, 0.99]), np.array([1, 1, 1, 0.8])
    wide, mass = (calibration_error(confidence, right, bins=2, binning=how) for how in BINNINGS)
    assert wide == pytest.approx(0.0)
    assert mass == pytest.approx(0.09)


def test_no_unit_and_wrong_words() -> None:
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0)))
    with pytest.raises(ConfigError, match="did you mean 'equal-mass'"):
        calibration_error(np.ones(1), np.ones(1), binning="equal-mas")
    with pytest.raises(ConfigError, match="at least one bin"):
        calibration_error(np.ones(1), np.ones(1), bins=0)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=30), st.integers(1, 9))
def test_as_the_plain_twin_and_whatever_the_order(units: list[tuple[int, bool]], bins: int) -> None:
    confidence = np.array([c / 40 for c, _ in units])
    right = np.array([r for _, r in units], float)
    found = calibration_error(confidence, right, bins=bins)
    if not any(
        abs(c * bins - round(c * bins)) < 1e-9 for c in confidence
    ):  # edges: rounding decides the twin's bin
        assert found == pytest.approx(plain(confidence.tolist(), right.tolist(), bins))
    for how in BINNINGS:
        one = calibration_error(confidence, right, bins=bins, binning=how)
        assert 0 <= one <= 1
        assert one == pytest.approx(calibration_error(confidence[::-1], right[::-1], bins=bins, binning=how))
        assert reliability(confidence, right, bins=bins, binning=how).n.sum() == len(units)


def test_calibrated_answers_show_less_than_overconfident_ones_and_more_than_nothing() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1.0, size=400)
    honest = rng.random(400) < confidence
    boasting = rng.random(400) < confidence - 0.2
    null = calibrated_errors(confidence, draws=300)
    low, high = np.quantile(null, [0.025, 0.975])
    assert low > 0.005
    assert low < calibration_error(confidence, honest) < high
    assert calibration_error(confidence, boasting) > high + 0.1


def test_drawn_errors_are_those_of_the_same_bins() -> None:
    confidence = np.array([0.2, 0.6, 0.6, 1.0])
    null = calibrated_errors(confidence, bins=5, draws=4000)
    outcomes = [np.array([a, b, c, 1]) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    chances = [np.prod(np.where(one, confidence, 1 - confidence)) for one in outcomes]
    expected = sum(
        p * calibration_error(confidence, one, bins=5) for p, one in zip(chances, outcomes, strict=True)
    )
    assert null.mean() == pytest.approx(expected, abs=0.01)
    assert set(null.round(9)) == {round(calibration_error(confidence, one, bins=5), 9) for one in outcomes}
