"""Schedules of the learning rate against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.adaptation.schedule import SCHEDULES, check_schedule, constant, linear, slanted
from probekit.errors import ConfigError


def test_linear_rises_to_the_full_rate_and_never_reaches_zero() -> None:
    assert [linear(step, 10, 0.2) for step in range(10)] == pytest.approx(
        [0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    )


def test_constant_stays() -> None:
    assert [constant(step, 4, 0.5) for step in range(4)] == [0.5, 1.0, 1.0, 1.0]
    assert constant(0, 4, 0.0) == 1.0


def test_slanted_is_equation_3_of_howard_and_ruder() -> None:
    steps, cut_frac, ratio, full = 50, 0.1, 32, 0.01
    cut = math.floor(steps * cut_frac)
    for t in range(steps):
        p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
        assert full * slanted(t, steps) == pytest.approx(full * (1 + p * (ratio - 1)) / ratio)
    assert slanted(5, 50) == 1.0
    assert slanted(0, 50) == 1 / 32


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 200), st.floats(0, 0.99))
def test_every_share_is_above_0_and_at_most_1(name: str, steps: int, warmup: float) -> None:
    shares = [SCHEDULES[name](step, steps, warmup) for step in range(steps)]
    assert all(0 < share <= 1 for share in shares)


def test_an_unknown_schedule_gets_a_hint() -> None:
    with pytest.raises(ConfigError, match="unknown schedule 'linaer'; did you mean 'linear'"):
        check_schedule("linaer")
