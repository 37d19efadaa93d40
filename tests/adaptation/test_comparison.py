"""Comparisons of made-up runs: planted differences, none, lucky seeds, failures, overlap, shares of the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from probekit.adaptation.comparison import Comparison
from probekit.adaptation.comparison_runs import outcomes_of
from probekit.adaptation.problem import AdaptProblem
from probekit.errors import ConfigError, DataError
from probekit.maths.scores import score
from probekit.results.compare import compare
from probekit.results.measurement import About, Measurement

from .made_results import answers, bill, failed, numbers, problem, result, runs


def compared(results: Any, given: Any, **how: Any) -> Comparison:
    return Comparison(
        results, given, About(model="m", corpus="c", run="r"), **{"resamples": 200, "swaps": 999, **how}
    )


def find(comparison: Comparison, **wanted: Any) -> Measurement:
    (row,) = [
        row for row in comparison.rows if all(getattr(row, key) == value for key, value in wanted.items())
    ]
    return row


GIVEN = problem(overlap=20)
TASK = "task=questions"
PLAIN = [
    *runs(GIVEN, "full", 0.93, spread=0.005, shared=0.95), *runs(GIVEN, "lora", 0.93, spread=0.005, shared=0.95),
    *runs(GIVEN, "knn", 0.6, range(5), family="feature-extraction"),
]  # fmt: skip
BOTH = compared(PLAIN, GIVEN)


def test_scores_are_means_over_seeds_and_rows_name_their_strategy() -> None:
    own = GIVEN.units_of("test")
    for metric in ("accuracy", "macro_f1", "weighted_f1", "mcc"):
        each = [score(metric, GIVEN.gold[own], run.predicted("test"), 6) for run in PLAIN[:3]]
        row = find(BOTH, method="full", metric=metric, group=TASK, split="test", control="")
        assert row.value == pytest.approx(np.mean(each))
        assert row.low is not None
        assert row.high is not None
        assert row.low < row.value < row.high
        spread = find(BOTH, method="full", metric=f"{metric}_sd_over_seeds")
        assert spread.value == pytest.approx(np.std(each, ddof=1))
    seed = find(BOTH, method="full", metric="accuracy", group=f"{TASK}, seed=1")
    assert seed.seeds == (("adapt", 1),)
    assert {row.run for row in BOTH.rows} == {"r"}


def test_the_majority_has_a_row_and_a_line() -> None:
    train, own = GIVEN.gold[GIVEN.units_of("train")], GIVEN.gold[GIVEN.units_of("test")]
    common = np.bincount(train).argmax()
    row = find(BOTH, control="majority", metric="accuracy")
    assert row.value == pytest.approx((own == common).mean())
    assert any("majority class" in line for line in BOTH.lines)
    against = find(BOTH, method="knn", metric="accuracy_difference", reference="control=majority", group=TASK)
    assert against.p_adjusted is not None
    assert against.p_adjusted < 0.01


def test_planted_differences_are_shown_and_equals_are_not() -> None:
    shown = {(one.a, one.b): one.shown for one in BOTH.differences if one.metric == "accuracy"}
    assert shown == {("full", "lora"): False, ("full", "knn"): True, ("lora", "knn"): True}
    assert "shown to be better than knn" in BOTH.verdict
    assert "no difference shown to" in BOTH.verdict
    row = find(BOTH, method="full", metric="accuracy_difference", reference="strategy=knn", group=TASK)
    assert row.family_size == 3
    assert row.p is not None
    assert row.p_adjusted is not None
    assert row.p <= row.p_adjusted


def test_no_difference_is_said_where_none_is_shown() -> None:
    same = compared([run for run in PLAIN if run.strategy != "knn"], GIVEN)
    assert "no difference shown between any two of 2 strategies" in same.verdict
    assert "p = " in same.verdict


def test_a_difference_that_one_lucky_seed_makes_is_not_shown() -> None:
    # the same mean difference of 5 points: steady seeds show it, seeds that differ by 30 points do not; sentences
    # alone (p) would call both shown
    steady = [*runs(GIVEN, "full", 0.85, shared=1.0), *runs(GIVEN, "lora", 0.75, shared=1.0)]
    jumpy = [*steady[:3], *(run for seed, right in enumerate((0.6, 0.8, 0.86))
                            for run in runs(GIVEN, "lora", right, [seed], shared=1.0))]  # fmt: skip
    for results, expected in ((steady, True), (jumpy, False)):
        (one,) = [one for one in compared(results, GIVEN).differences if one.metric == "accuracy"]
        assert one.p_adjusted < 0.05
        assert one.value > 0.04
        assert one.shown is expected
    assert "over seeds too" in compared(jumpy, GIVEN).verdict


def test_one_seed_each_shows_nothing_and_says_why() -> None:
    found = compared([*runs(GIVEN, "full", 0.95, [0]), *runs(GIVEN, "knn", 0.4, [0])], GIVEN)
    assert "no difference shown" in found.verdict
    assert "more than one seed each is needed" in found.verdict
    row = find(
        found, method="full", metric="accuracy", group=f"{TASK}, resampled=sentences and seeds", reference=""
    )
    assert (row.low, row.reason) == (None, "one seed: how much seeds differ is not known")
    assert "One seed each" in found.summary


def test_one_strategy_is_told_as_such() -> None:
    assert "one strategy, so nothing is compared" in compared(PLAIN[:3], GIVEN).verdict


def test_the_best_is_chosen_on_dev_not_on_test() -> None:
    def made(strategy: str, dev: float, test: float) -> list[Any]:
        return [
            result(
                GIVEN,
                strategy,
                seed,
                answers(GIVEN, "dev", dev, seed=seed),
                answers(GIVEN, "test", test, seed=seed),
            )
            for seed in range(3)
        ]

    found = compared([*made("full", 0.95, 0.7), *made("lora", 0.7, 0.95)], GIVEN)
    assert found.best == "full"
    assert "best on dev is full" in found.verdict
    assert "shown to be worse than lora" in found.verdict


def test_scores_at_or_below_the_majority_are_said_to_be() -> None:
    found = compared([*runs(GIVEN, "full", 0.2), *runs(GIVEN, "lora", 0.2)], GIVEN)
    assert "Not even" in found.verdict


def test_failed_and_degenerate_runs_are_counted_with_exact_intervals() -> None:
    one_class = {
        split: np.log(np.full((len(GIVEN.units_of(split)), 6), 0.1, np.float32)) for split in ("dev", "test")
    }
    for outputs in one_class.values():
        outputs[:, 5] = np.log(0.5)
    results = [
        *runs(GIVEN, "full", 0.93), *runs(GIVEN, "lora", 0.9, [0, 1]),
        failed(GIVEN, "lora", 2, "the loss is nan at step 7"), result(GIVEN, "lora", 3, **one_class),
        failed(GIVEN, "ia3", 0, "out of memory"), failed(GIVEN, "ia3", 1, "out of memory"),
    ]  # fmt: skip
    found = compared(results, GIVEN)
    share = find(found, method="lora", metric="share_failed")
    assert (share.value, share.n, share.unit) == (0.25, 4, "run")
    assert share.low == pytest.approx(0.0063, abs=1e-3)
    assert find(found, method="lora", metric="share_degenerate").value == 0.25
    assert (
        find(found, method="lora", metric="accuracy", group=TASK, split="test").value < 0.8
    )  # it contains the degenerate
    none = find(found, method="ia3", metric="accuracy")
    assert (none.value, none.reason) == (None, "all 2 runs failed: out of memory")
    lines = found.summary
    assert "lora: 1 of 4 runs failed (the loss is nan at step 7)" in lines
    assert "lora: 1 of 4 runs degenerated (one class predicted for everything)" in lines
    assert "ia3: 2 of 2 runs failed" in lines
    assert {panel.kind for panel in found.panels} >= {"strip", "table"}
    nothing = compared([failed(GIVEN, "ia3", 0, "out of memory")], GIVEN)
    assert "no strategy has a score" in nothing.verdict
    assert nothing.best == ""
    assert nothing.panels
    assert nothing._repr_html_()


def test_text_overlap_is_left_out_beside() -> None:
    own = GIVEN.units_of("test")
    apart = ~GIVEN.overlap[own]
    assert (~apart).sum() == 20
    row = find(BOTH, method="full", metric="accuracy", group=f"{TASK}, text-overlap=excluded")
    right = [(run.predicted("test") == GIVEN.gold[own])[apart].mean() for run in PLAIN[:3]]
    assert row.value == pytest.approx(np.mean(right))
    assert (row.n, row.n_left_out) == (180, 20)


def test_calibration_stands_beside_what_calibrated_answers_show() -> None:
    boasting = [replace(run, test=run.test * 4) for run in PLAIN[6:]]  # more sure than right
    rows = [row for row in compared(boasting, GIVEN).rows if row.metric == "ece"]
    for error, calibrated in (rows[:2], rows[2:]):
        assert (error.control, calibrated.control) == ("", "calibrated")
        assert error.value > calibrated.high + 0.1
    honest = np.log(np.full((len(GIVEN.units_of("test")), 6), 0.02, np.float32))
    rng = np.random.default_rng(3)
    gold = GIVEN.gold[GIVEN.units_of("test")]
    code = np.where(rng.random(len(gold)) < 0.9, gold, (gold + 1) % 6)
    honest[np.arange(len(gold)), code] = np.log(0.9)
    found = compared([replace(PLAIN[0], test=honest)], GIVEN)
    rows = [row for row in found.rows if row.metric == "ece"]
    assert len(rows) == 4
    error, calibrated = rows[0], rows[1]
    assert calibrated.low <= error.value <= calibrated.high  # type: ignore[operator]


def test_trials_are_told_on_dev_alone_and_the_chosen_setting_is_marked() -> None:
    chosen = [replace(run, settings={"rate": 1e-3}) for run in PLAIN[:3]]
    trials = [
        replace(chosen[0], purpose="trial", settings={"rate": rate}, test=chosen[0].test[:0], trial=number)
        for number, rate in enumerate((1e-3, 1e-2))
    ]
    found = compared([*chosen, *trials, *PLAIN[3:6]], GIVEN)
    told = [row for row in found.rows if "setting=" in row.group]
    assert [row.group for row in told] == [f"{TASK}, setting=rate={rate}, chosen={yes}" for rate, yes in
                                           (("0.001", "yes"), ("0.01", "no"))]  # fmt: skip
    assert {row.split for row in told} == {"dev"}
    assert any(panel.name.endswith("-tried") for panel in found.panels)


def test_bills_become_rows_fronts_and_words() -> None:
    results = [replace(run, bill=bill(price, size, read=read)) if run.seed == 0 else run
               for run in PLAIN
               for price, size, read in [{"full": (240.0, 90_000_000, None), "lora": (160.0, 300_000, None),
                                          "knn": (0.5, 4_000_000, 20.0)}[run.strategy]]]  # fmt: skip
    found = compared(results, GIVEN)
    row = find(found, method="knn", metric="cpu_seconds_first_task")
    assert (row.value, row.group) == (20.5, f"{TASK}, alone=yes, other_work=no")
    assert find(found, method="knn", metric="cpu_seconds_train").value == 0.5
    assert find(found, method="full", metric="cpu_seconds_read_train").reason.startswith(
        "the model is read live"
    )
    assert find(found, method="lora", metric="bytes_per_task").value == 300_000
    assert sum(panel.kind == "pareto" for panel in found.panels) == 2
    table = next(panel for panel in found.panels if panel.name.endswith("times"))
    assert "no other work ran" in table.caption
    assert "On the front" in found.summary
    assert not [row for row in BOTH.rows if row.metric == "cpu_seconds_train" and row.value is not None]


def test_shares_of_the_data_are_families_of_their_own_and_make_a_learning_curve() -> None:
    small = [run for name, right in (("full", 0.5), ("lora", 0.8))
             for run in runs(GIVEN, name, right, fraction=0.1, n_train=30)]  # fmt: skip
    found = compared([*PLAIN[:6], *small], GIVEN)
    shown = {one.fraction: one.shown for one in found.differences if one.metric == "accuracy"}
    assert shown == {1.0: False, 0.1: True}
    row = find(found, method="full", metric="accuracy", group=f"{TASK}, fraction=0.1", split="test")
    assert row.value == pytest.approx(0.5, abs=0.08)
    (curve,) = [panel for panel in found.panels if panel.name.endswith("learning")]
    assert curve.labels["x_ticks"] == ["30", "300"]
    line = next(line for line in found.lines if line.startswith("With 30 training examples"))
    assert "lora" in line
    assert "better than full" in line
    assert "no difference shown between any two of 2" in found.verdict


def test_numbers_have_their_metrics_and_a_baseline_without_correlation() -> None:
    given = numbers()
    rng = np.random.default_rng(2)
    gold = {split: given.gold[given.units_of(split)] for split in ("dev", "test")}

    def made(name: str, noise: float) -> list[Any]:
        return [
            result(given, name, seed, *((gold[s] + noise * rng.normal(size=len(gold[s])))[:, None].astype(np.float32)
                                        for s in ("dev", "test")))
            for seed in range(3)
        ]  # fmt: skip

    found = compared([*made("full", 0.3), *made("lora", 2.0)], given)
    for metric in ("pearson", "spearman", "r2"):
        row = find(
            found, method="full", metric=metric, group=TASK.replace("questions", "examples"), split="test"
        )
        assert row.value is not None
        assert row.value > 0.8
        (one,) = [one for one in found.differences if one.metric == metric]
        assert one.shown
    base = find(found, control="majority", metric="pearson")
    assert base.value is None
    assert base.reason == "not defined: the same answer for every sentence"
    assert find(found, control="majority", metric="r2").value <= 0  # type: ignore[operator]
    assert not [row for row in found.rows if row.metric in ("ece", "f1")]
    with pytest.raises(ConfigError, match="no confusion matrix"):
        found.confusion("full")
    flat = [result(given, "knn", seed, *(np.ones((len(gold[s]), 1), np.float32) for s in ("dev", "test")))
            for seed in range(2)]  # fmt: skip
    told = compared([*made("full", 0.3), *flat], given)
    assert "no other strategy has a score that is defined" in told.verdict
    assert (
        find(told, method="knn", metric="pearson", group="task=examples", split="test", reference="").value
        is None
    )
    assert told.panels


def test_a_task_judged_by_mcc_is_decided_by_mcc() -> None:
    # everything of the largest class: not the worst accuracy, and no correlation at all
    given = problem(metric="mcc")
    own = {
        split: np.full((len(given.units_of(split)), 6), np.log(0.1), np.float32) for split in ("dev", "test")
    }
    for outputs in own.values():
        outputs[:, 1] = np.log(0.5)
    found = compared(
        [*runs(given, "full", 0.5), *(result(given, "lora", seed, **own) for seed in range(3))], given
    )
    assert found.rows[0].metric == "mcc"
    assert found.verdict.startswith(
        "Questions (Matthews correlation, 200 test sentences): best on dev is full"
    )
    assert find(found, method="lora", metric="mcc", group=TASK, split="test").value == 0.0
    assert find(found, control="majority", metric="mcc").value == 0.0
    (one,) = [one for one in found.differences if one.metric == "mcc"]
    assert one.shown
    assert "Matthews correlation" in found.panels[1].labels["columns"]


def test_panels_are_saved_and_tables_and_html_hold_the_verdict(tmp_path: Any) -> None:
    for panel in BOTH.panels:
        panel.save(tmp_path / panel.name)
    assert len({panel.name for panel in BOTH.panels}) == len(BOTH.panels)
    assert BOTH.panels[0].labels["text"] == BOTH.summary == " ".join([BOTH.verdict, *BOTH.lines[1:]])
    assert len(BOTH.table()) == len(BOTH.rows)
    assert "frozen" not in BOTH._repr_html_()
    assert "<table>" in BOTH._repr_html_()
    assert BOTH.confusion("knn").arrays["counts"].sum() == 5 * 200


def test_no_row_stands_twice() -> None:
    told = [
        (row.method, row.control, row.metric, row.group, row.split, row.reference, row.seeds)
        for row in BOTH.rows
    ]
    assert len(set(told)) == len(told)


def test_outcomes_are_paired_by_id() -> None:
    one, other = (outcomes_of(run, GIVEN) for run in (PLAIN[0], PLAIN[6]))
    found = compare(other, one)
    own = GIVEN.gold[GIVEN.units_of("test")]
    assert found.after == pytest.approx((PLAIN[0].predicted("test") == own).mean())
    assert ((one.margin > 0) == (one.correct == 1)).all()
    with pytest.raises(DataError, match="failed and has no outcomes: out of memory"):
        outcomes_of(failed(GIVEN, "ia3", 0, "out of memory"), GIVEN)


@pytest.mark.filterwarnings("error")
def test_a_single_test_unit_has_no_interval_and_no_p() -> None:
    given = AdaptProblem.of_examples(list("abcd"), list("xyxy"), ["train", "train", "dev", "test"])
    out = np.log(np.array([[0.7, 0.3]], np.float32))
    found = compared(
        [result(given, name, seed, out, out) for name in ("full", "lora") for seed in (0, 1)], given
    )
    assert "Examples (accuracy, 1 test sentence): no difference shown" in found.verdict
    assert "the widest is full − lora = 0.000; more than one test sentence is needed." in found.verdict
    assert {row.p for row in found.rows} == {None}
    assert found.panels


def test_a_label_that_train_lacks_counts_as_wrong_and_is_named() -> None:
    given = AdaptProblem.of_examples(
        [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]], [["x", "y"], ["y", "x"], ["x", "y"], ["x", "z"]],
        ["train", "train", "dev", "test"],
    )  # fmt: skip
    with np.errstate(divide="ignore"):  # a run gives no probability to a label that it never saw
        out = np.log(np.array([[0.8, 0.2, 0.0], [0.2, 0.8, 0.0]], np.float32))
    found = compared([result(given, "full", 0, out, out)], given)
    assert found.rows[0].value == 0.5
    row = find(found, metric="recall", group="task=examples, label=z (unseen in train)")
    assert (row.value, row.n) == (0.0, 1)
    ece = next(row for row in found.rows if row.metric == "ece")
    assert ece.value == pytest.approx(0.3)  # sure of 0.8 in both, right in one


def test_what_cannot_be_compared_is_refused_in_one_line() -> None:
    with pytest.raises(DataError, match="no runs to compare"):
        compared([], GIVEN)
    with pytest.raises(DataError, match="'full' has two runs of one seed"):
        compared([PLAIN[0], PLAIN[0]], GIVEN)
    with pytest.raises(DataError, match="one model; got results of demo:minilm, other"):
        compared([PLAIN[0], replace(PLAIN[3], model="other")], GIVEN)
    with pytest.raises(DataError, match=r"'full-0': dev outputs .* not those of the problem"):
        compared(PLAIN, problem(seed=1))
    with pytest.raises(DataError, match="not those of the problem"):
        compared(PLAIN, problem(n_test=100))
    with pytest.raises(ConfigError, match="did you mean 'lora'"):
        BOTH.confusion("lor")


def test_a_bill_is_that_of_a_run_that_was_billed_and_ended() -> None:
    unbilled, whole = bill(1.0, 100, alone=False), bill(9.0, 100)
    small = runs(GIVEN, "full", 0.8, fraction=0.1, n_train=10, bill=unbilled)
    broken = failed(GIVEN, "lora", 0, "the loss is nan", bill=unbilled)
    found = compared([*runs(GIVEN, "full", 0.93, bill=whole), *small, broken], GIVEN)
    times = {
        (row.method, row.group.split(",")[1].strip()): row
        for row in found.rows
        if row.metric == "cpu_seconds_train"
    }
    assert times["full", "fraction=1"].value == 9.0
    assert (
        times["full", "fraction=0.1"].value is None
    )  # it did not read its own texts, and had others beside it
    assert times["lora", "fraction=1"].value is None
    assert "lora with" in found.summary
    assert "it has no score." in found.summary
    assert "no other strategy has a score" in found.verdict


def test_trials_are_told_once_and_the_chosen_one_by_its_number() -> None:
    """A trial of few steps has other epochs than the runs, and belongs to no smaller share."""
    own = GIVEN.units_of("dev")
    trials = [
        replace(one, purpose="trial", trial=number, settings={"rate": rate, "epochs": 1})
        for number, rate in enumerate((1e-3, 3e-3))
        for one in runs(GIVEN, "full", 0.9, [0])
    ]
    chosen: dict[str, Any] = {"trial": 1, "settings": {"rate": 3e-3, "epochs": 5}}
    small = runs(GIVEN, "full", 0.8, fraction=0.1, n_train=10, **chosen)
    rows = [
        row for row in compared([*trials, *runs(GIVEN, "full", 0.9, **chosen), *small], GIVEN).rows
        if "setting=" in row.group
    ]  # fmt: skip
    assert [row.group.rpartition("=")[2] for row in rows] == ["no", "yes"]
    assert {row.n for row in rows} == {len(own)}
    assert all("fraction=1," in row.group for row in rows)


def test_no_error_at_all_is_bounded_over_seeds_too() -> None:
    found = compared([*runs(GIVEN, "full", 1.0), *runs(GIVEN, "knn", 0.6)], GIVEN)
    row = find(
        found, method="full", metric="accuracy", group=f"{TASK}, resampled=sentences and seeds", split="test"
    )
    assert row.value == 1.0
    assert row.low is not None
    assert row.low < 1.0
    assert "exact" in row.interval
