"""Comparisons are joined by id, never by position."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from probekit.errors import DataError
from probekit.results.compare import compare, compare_runs
from probekit.results.formats import slug
from probekit.results.outcomes import Outcomes
from probekit.results.run import Run


def make(
    right: np.ndarray, order: np.ndarray | None = None, labels: tuple[str, ...] = ("A", "B", "C")
) -> Outcomes:
    """Outcomes whose units are right where `right` says so, in any order, with any order of labels."""
    n = len(right)
    order = np.arange(n) if order is None else order
    gold = np.array([labels.index("ABC"[i % 3]) for i in range(n)])
    wrong = np.array([labels.index("ABC"[(i + 1) % 3]) for i in range(n)])
    guess = np.where(right, gold, wrong)
    ids = tuple(f"s{i // 4}:{i % 4 + 1}" for i in order)
    return Outcomes(ids, order // 4, gold[order], guess[order], labels=labels, left_out={"truncated": 1})


def test_order_of_units_and_of_labels_make_no_difference() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 80)) < np.array([[0.6], [0.8]])
    plain = compare(make(a), make(b))
    mixed = compare(make(a), make(b, rng.permutation(80), ("C", "A", "B")))
    assert plain == mixed
    assert plain.difference == pytest.approx(b.mean() - a.mean())
    assert (plain.before, plain.after) == pytest.approx((a.mean(), b.mean()))
    row = plain.measurement(model="m")
    assert (row.metric, row.value, row.p) == ("difference in accuracy", plain.difference, plain.p)


def test_units_of_one_side_only_are_left_out_and_counted() -> None:
    right = np.ones(40, bool)
    found = compare(make(right), make(right, np.arange(36)))
    assert (found.n, found.n_left_out, found.difference, found.p) == (36, 4, 0.0, 1.0)


def test_what_cannot_be_compared() -> None:
    right = np.ones(8, bool)
    one = make(right)
    numbers = Outcomes(one.ids, one.cluster, np.zeros(8), np.zeros(8))
    with pytest.raises(DataError, match="cannot be compared"):
        compare(one, numbers)
    other = Outcomes(one.ids, one.cluster, (one.gold + 1) % 3, one.predicted, labels=one.labels)
    with pytest.raises(DataError, match="gold differs at unit 's0:1'"):
        compare(one, other)
    apart = Outcomes(tuple("abcdefgh"), one.cluster, one.gold, one.predicted, labels=one.labels)
    with pytest.raises(DataError, match="share no unit"):
        compare(one, apart)


def test_runs_share_cells_and_holm_counts_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    runs = [Run(tmp_path / name) for name in "ab"]
    for run, rate in zip(runs, (0.5, 0.9), strict=True):
        for cell in ("layer-0", "layer-1"):
            run.add_outcomes(cell, make(rng.random(120) < rate))
    runs[1].add_outcomes("layer-2", make(np.ones(120, bool)))
    rows = compare_runs(*runs)
    assert [cell for cell, _, _ in rows] == ["layer-0", "layer-1"]
    assert all(
        row.family_size == 2 and row.p_adjusted == pytest.approx(2 * row.p) for _, _, row in rows if row.p
    )
    with pytest.raises(DataError, match="no cell of the same name"):
        compare_runs(runs[0], Run(tmp_path / "empty"))


def test_runs_of_two_models_share_what_is_called_alike_without_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    runs = [Run(tmp_path / name) for name in ("one", "other")]
    for run, model in zip(runs, ("models/My Model", "gpt2"), strict=True):
        twin = {"name": f"{model}#twin-0", "kind": "random"}
        run.write_info({"models": [{"name": model, "kind": "pretrained"}, twin]})
        run.add_outcomes(f"{slug(model)}-linzen.model", make(rng.random(120) < 0.7))
    [(cell, comparison, _)] = compare_runs(*runs)
    assert cell == "linzen.model"
    assert comparison.n == 120


def test_units_that_one_side_alone_answered_are_counted_and_tested_exactly() -> None:
    before, after = np.zeros(12, int), np.zeros(12, int)
    before[:9] = 1  # wrong on nine of them
    after[8:10] = (
        2  # wrong on two, one of which before was wrong on too; which wrong label makes no difference
    )

    def outcomes(predicted: np.ndarray) -> Outcomes:
        ids = tuple(f"i{k}" for k in range(12))
        return Outcomes(ids, np.arange(12), np.zeros(12), predicted, labels=("right", "tie", "wrong"))

    found = compare(outcomes(before), outcomes(after))
    assert (found.only_before, found.only_after) == (1, 8)
    assert found.mcnemar_p == pytest.approx(2 * (1 + 9) / 2**9)
    assert found.difference == pytest.approx(7 / 12)


def test_numbers_have_no_mcnemar_test() -> None:
    one = Outcomes(("a", "b"), [0, 1], [0.0, 1.0], [0.1, 0.9])
    assert compare(one, one, metric="spearman").mcnemar_p is None


def test_whatever_has_outcomes_is_compared_by_them() -> None:
    class Judged:
        outcomes = Outcomes(("a", "b"), [0, 1], [0, 0], [0, 1], labels=("right", "wrong"))

    assert compare(Judged(), Judged.outcomes).difference == 0.0
