"""Budgets of tuning: what may be tried, and the choice on dev."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.adaptation.tuning_budget import Choice, TuningBudget, choose, dev_score
from probekit.errors import ConfigError
from tests.adaptation.test_cell import result

SETTINGS = [{"rate": 1}, {"rate": 2}, {"rate": 3}]
GOLD = [0, 0, 1, 1]


def trial(number: int, right: int, failed: str = "") -> object:
    """A trial with `right` of four right on dev, and all wrong on test."""
    codes = np.array([code if place < right else 1 - code for place, code in enumerate(GOLD)])
    outputs = np.eye(2)[codes] * 0.8 + 0.1
    return result(outputs, GOLD, trial=number, purpose="trial", failed=failed, test=np.log(1 - outputs))


def test_trials_bound_the_settings_seconds_the_time() -> None:
    two = TuningBudget.read("trials=2")
    assert two.tried(SETTINGS) == SETTINGS[:2]
    assert list(two.at_once(2, [])) == [0, 1]
    minute = TuningBudget.read(" seconds = 60.5 ")
    assert minute.tried(SETTINGS) == SETTINGS
    assert list(minute.at_once(3, [])) == [0]
    assert list(minute.at_once(3, [60.0])) == [1]
    assert list(minute.at_once(3, [60.0, 0.5])) == []
    assert list(minute.at_once(3, [1.0, 1.0, 1.0])) == []
    assert (TuningBudget.read("steps=50").steps, TuningBudget.read("examples=50").steps) == (50, 0)
    assert (TuningBudget.read("examples=50").examples, two.examples) == (50, 0)
    assert str(minute) == "seconds=60.5"


@pytest.mark.parametrize(
    ("text", "said"),
    [("trial=2", "did you mean 'trials'"), ("2", "is written trials=N"), ("trials=0", "above 0; got 0"),
     ("trials=1.5", "a whole number above 0; got 1.5"), ("", "is written trials=N")],
)  # fmt: skip
def test_bad_budgets(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TuningBudget.read(text)


def test_the_best_on_dev_is_chosen_of_equal_ones_the_first() -> None:
    assert choose("accuracy", [trial(0, 2), trial(1, 3), trial(2, 3)], 2) == Choice(1, (0.5, 0.75, 0.75))
    # what failed is not chosen, however good it was
    assert choose("accuracy", [trial(0, 4, "the loss is nan"), trial(1, 1)], 2) == Choice(1, (None, 0.25))
    assert choose("accuracy", [trial(0, 4, "nan"), trial(1, 4, "nan")], 2).trial == 0
    assert choose("accuracy", [], 2) == Choice(0)


def test_a_score_that_is_not_defined_is_none() -> None:
    one = result([[0.9, 0.1]], [0])
    assert dev_score("mcc", one, 2) is None
    assert dev_score("accuracy", one, 2) == 1.0
