"""Behaviour without heads: hand-made answers whose rows are known, and what is said where nothing can be compared."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.behavior.answers import Answers, answer_suite
from probekit.data.suite import Suite
from probekit.experiment.ablated import Ablated, Aim, Without
from probekit.results.measurement import About
from tests.behavior.stand_ins import pairs

RIGHT, WRONG = (1.0, 2.0), (2.0, 1.0)


def answers(right: list[bool]) -> tuple[Suite, Answers]:
    groups = [{"attractors": str(number % 2)} for number in range(len(right))]
    suite, told = pairs(*(RIGHT if one else WRONG for one in right), groups=groups)
    return suite, answer_suite(told, suite)


def first(n: int, of: int = 40) -> list[bool]:
    return [number < n for number in range(of)]


def ablated(own: list[bool], *others: list[bool], whole: int = 40) -> Ablated:
    suite, unablated = answers(first(whole))
    without = Without(
        Aim("subject", {"1": (0,)}, "0.900 of test links"),
        [answers(own)[1]],
        [({"1": (number + 1,)}, [answers(right)[1]]) for number, right in enumerate(others)],
    )
    return Ablated((suite,), [unablated], (without,), About(model="m"), "mean", 200)


def test_a_head_that_behaviour_hangs_on_is_found() -> None:
    found = ablated(first(20), first(38), first(36))
    suite = found.suites[0]
    lost = found.row("accuracy_lost", suite, "subject", reference="unablated")
    beside = found.row("accuracy", suite, "subject", "random-heads")
    used = found.row("used", suite, "subject", reference="control=random-heads")
    assert lost is not None
    assert beside is not None
    assert used is not None
    assert lost.value == 0.5
    assert beside.value == pytest.approx(37 / 40)
    assert used.value == pytest.approx(37 / 40 - 0.5)
    assert used.low is not None
    assert used.low > 0.2
    assert used.p is not None
    assert used.p < 0.001
    assert used.family_size == 1
    assert (used.layer, used.site, used.unit, used.n) == ("1", "heads", "item", 40)
    assert used.method == "ablation (mean) of 1.0"
    assert found.summary.endswith("behaviour hangs on them.")
    each = [row for row in found.rows if row.seeds]
    assert [(row.value, dict(row.seeds)["heads"]) for row in each] == [(0.95, 0), (0.9, 1)]
    groups = {
        row.group: row.value for row in found.rows if row.metric == "accuracy" and row.method == "unablated"
    }
    assert set(groups) == {"", "attractors=0", "attractors=1"}


def test_the_difference_is_of_the_same_items() -> None:
    """As often wrong, but elsewhere: the mean difference is 0 and its interval is wide, not a point."""
    found = ablated(first(20), [not one for one in first(20)])
    used = found.row("used", found.suites[0], "subject", reference="control=random-heads")
    assert used is not None
    assert used.value == 0.0
    assert used.low is not None
    assert used.high is not None
    assert used.low < -0.15
    assert used.high > 0.15
    assert "no use of them is shown" in found.summary


def test_a_loss_that_other_heads_cost_too_is_no_use() -> None:
    found = ablated(first(20), first(20), first(20))
    assert found.row("accuracy_lost", found.suites[0], "subject", reference="unablated").value == 0.5  # type: ignore[union-attr]
    assert "no use of them is shown" in found.summary


def test_what_is_less_than_others_cost_is_not_called_better() -> None:
    assert ablated(first(40), first(10), whole=20).summary.endswith("behaviour is better without them.")
    assert ablated(first(40), first(10)).summary.endswith("the others cost more.")


def test_other_heads_that_help_make_no_use_of_these() -> None:
    """Without the heads found nothing changes; without others the model is better: that is not use."""
    found = ablated(first(20), first(40), whole=20)
    assert found.summary.endswith("so no use of them is shown.")


def test_without_other_heads_there_is_a_reason_and_no_number() -> None:
    found = ablated(first(20))
    row = found.row("accuracy", found.suites[0], "subject", "random-heads")
    assert row is not None
    assert row.value is None
    assert row.reason == "every head of a layer was found, so there are no others to ablate"
    assert "there are no other heads to compare with" in found.summary
    assert not [row for row in found.rows if row.metric == "used"]
    forest = next(panel for panel in found.panels if panel.kind == "forest")
    assert [one["name"] for one in forest.labels["series"]] == ["heads found"]


def test_pictures_and_table_say_the_same_as_the_rows() -> None:
    found = ablated(first(20), first(38))
    forest = next(panel for panel in found.panels if panel.kind == "forest")
    np.testing.assert_allclose(forest.arrays["value"][:, 0], [0.5, 0.05])
    assert forest.labels["rows"] == ["subject: 1.0"]
    [line] = found.panels[-1].labels["rows"]
    assert line[:3] == ["subject", "1.0", found.suites[0].name]
    assert line[3:7] == pytest.approx([1.0, 0.5, 0.95, 0.45])
    assert len(found.table()) == len(found.rows)
    assert "<table" in found._repr_html_()
    assert set(found.outcomes) == {
        f"{name}.{found.suites[0].name}" for name in ("unablated", "without-subject")
    }
