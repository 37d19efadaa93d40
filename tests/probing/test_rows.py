"""Rows: the right numbers, paired and corrected, and "not defined" where a number would mislead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from probekit.estimators.linear import LinearProbe, LinearProbeRegressor
from probekit.probing.layer import probe_layer
from probekit.probing.problem import ProbeProblem
from probekit.probing.sweep import Sweep, assemble
from probekit.results.measurement import About, Measurement
from tests.probing.planted import planted


def sweep_of(numeric: bool = False, **changes: object) -> Sweep:
    problem, acts, twin = planted(numeric=numeric)
    problem = replace(problem, **changes)  # type: ignore[arg-type]
    probe = LinearProbeRegressor() if numeric else LinearProbe()
    results = [probe_layer(probe, problem, acts, layer, twins=[twin, twin]) for layer in acts.layers]
    return assemble(problem, results, About(corpus="planted corpus", model="toy"), resamples=300)


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    return sweep_of()


def find(sweep: Sweep, **wanted: object) -> list[Measurement]:
    return [row for row in sweep.rows if all(getattr(row, key) == value for key, value in wanted.items())]


def one(sweep: Sweep, **wanted: object) -> Measurement:
    [row] = find(sweep, **wanted)
    return row


def test_test_accuracy_is_what_counting_gives(sweep: Sweep) -> None:
    problem, result = sweep.problem, sweep.results[1]
    row = one(
        sweep, layer="1", metric="accuracy", control="", split="test", group="task=planted", reference=""
    )
    gold = problem.gold[problem.of("test")]
    assert row.value == pytest.approx((result.test[0] == gold).mean())
    assert row.low < row.value < row.high
    assert row.n == len(gold)
    assert row.n_left_out == 2
    assert "sentences" in row.interval


def test_selectivity_is_task_minus_mean_control(sweep: Sweep) -> None:
    problem, result = sweep.problem, sweep.results[1]
    row = one(sweep, layer="1", metric="selectivity")
    test = problem.of("test")
    control = np.mean(
        [(p == g).mean() for p, g in zip(result.word_type, problem.word_type[:, test], strict=True)]
    )
    assert row.value == pytest.approx((result.test[0] == problem.gold[test]).mean() - control)
    assert row.reference == "control=word-type"


def test_best_layer_is_chosen_on_dev(sweep: Sweep) -> None:
    assert sweep.best_layer == "2"
    best = one(sweep, group="task=planted best layer, chosen on dev")
    assert best.value == one(sweep, layer="2", metric="accuracy", control="", split="test", group="task=planted",
                             reference="").value  # fmt: skip


def test_family_sizes_and_holm(sweep: Sweep) -> None:
    against = [row for row in sweep.rows if row.reference.startswith("control=")]
    assert {row.family_size for row in against} == {3 * 5}
    between = [row for row in sweep.rows if row.reference.startswith("layer=")]
    assert [(row.layer, row.reference) for row in between] == [
        ("1", "layer=0"),
        ("2", "layer=0"),
        ("2", "layer=1"),
    ]
    for row in against + between:
        assert row.p_adjusted >= row.p
    assert between[1].p_adjusted < 0.01
    noise = one(sweep, layer="0", reference="control=shuffled")
    assert noise.p_adjusted > 0.01
    assert noise.low < 0.05


def test_seed_spread_stands_apart_from_sampling(sweep: Sweep) -> None:
    seeds = [
        row for row in sweep.rows if row.control == "word-type" and row.layer == "1" and "seed" in row.group
    ]
    assert [dict(row.seeds) for row in seeds] == [{"control": 0}, {"control": 1}, {"control": 2}]
    sd = one(sweep, layer="1", control="word-type", metric="accuracy_sd_over_seeds")
    assert sd.value == pytest.approx(np.std([row.value for row in seeds], ddof=1))
    assert sd.low is None


def test_overlap_is_scored_both_ways(sweep: Sweep) -> None:
    problem = sweep.problem
    test = problem.of("test")
    apart = ~problem.overlap[test]
    row = one(sweep, layer="2", group="task=planted text-overlap=excluded")
    assert row.n == apart.sum() < len(test)
    assert row.value == pytest.approx((sweep.results[2].test[0] == problem.gold[test])[apart].mean())


def test_f1_by_label_equals_scikit_learn(sweep: Sweep) -> None:
    problem, result = sweep.problem, sweep.results[1]
    gold = problem.gold[problem.of("test")]
    expected = f1_score(gold, result.test[0], labels=range(4), average=None)
    got = [one(sweep, layer="1", metric="f1", group=f"task=planted label={label}").value for label in "ABCD"]
    assert got == pytest.approx(expected)


def test_without_twins_the_row_is_null_with_a_reason() -> None:
    problem, acts, _ = planted()
    results = [probe_layer(LinearProbe(), problem, acts, layer) for layer in acts.layers]
    sweep = assemble(problem, results, About(), resamples=100)
    row = one(sweep, control="random-twin")
    assert row.value is None
    assert "no random twin" in row.reason


def test_sentences_have_no_selectivity() -> None:
    problem, acts, twin = planted()
    problem = replace(problem, unit="sentence", cluster=np.arange(len(problem.gold), dtype=np.int32))
    results = [probe_layer(LinearProbe(), problem, acts, layer, twins=[twin]) for layer in acts.layers]
    sweep = assemble(problem, results, About(), resamples=100)
    rows = find(sweep, metric="selectivity")
    assert len(rows) == 3
    assert all(row.value is None and "not defined" in row.reason for row in rows)
    assert {row.family_size for row in sweep.rows if row.reference == "control=majority"} == {3 * 4}


def test_labels_unseen_in_train_count_as_wrong() -> None:
    problem, acts, _ = planted()
    gold = problem.gold.copy()
    test = problem.of("test")
    gold[test[:10]] = 4
    other: ProbeProblem = replace(problem, gold=gold, labels=(*problem.labels, "E"))
    results = [probe_layer(LinearProbe(), p, acts, "2") for p in (problem, other)]
    values = [
        one(assemble(p, [r], About(), resamples=100), layer="2", metric="accuracy", control="", split="test",
            group="task=planted").value
        for p, r in zip((problem, other), results, strict=True)
    ]  # fmt: skip
    right = (results[0].test[0] == problem.gold[test])[:10].sum()
    assert values[1] == pytest.approx(values[0] - right / len(test))
    unseen = assemble(other, results[1:], About(), resamples=100)
    assert one(unseen, group="task=planted label=E (unseen in train)").value == 0.0


def test_a_perfect_score_keeps_its_doubt() -> None:
    problem, acts, _ = planted()
    result = probe_layer(LinearProbe(), problem, acts, "2")
    perfect = replace(result, test=problem.gold[problem.of("test")][None])
    sweep = assemble(problem, [perfect], About(), resamples=100)
    row = one(sweep, layer="2", metric="accuracy", control="", split="test", group="task=planted")
    assert (row.value, row.high) == (1.0, 1.0)
    assert 0.9 < row.low < 0.95  # 48 sentences: 0.025 ** (1 / 48)
    assert row.interval.startswith("exact binomial")


def test_numbers_have_r2_and_a_control_of_numbers() -> None:
    sweep = sweep_of(numeric=True)
    row = one(sweep, layer="2", metric="r2", control="", split="test", group="task=planted", reference="")
    assert 0.5 < row.value <= 1.0
    assert one(sweep, layer="2", metric="selectivity").value > 0.3
    assert not find(sweep, metric="f1")
    assert [panel.kind for panel in sweep.panels] == ["sentence", "layer-curve", "layer-curve", "table"]


def test_centre_of_gravity(sweep: Sweep) -> None:
    row = one(sweep, metric="center_of_gravity")
    dev = [sweep.scores.dev[layer].value for layer in ("0", "1", "2")]
    gains = np.maximum(0, np.array(dev) - dev[0])
    assert row.value == pytest.approx((gains * [0, 1, 2]).sum() / gains.sum())
    assert row.split == "dev"
    assert row.low <= row.value <= row.high


def test_panels_and_words(sweep: Sweep) -> None:
    kinds = [panel.kind for panel in sweep.panels]
    assert kinds == ["sentence", "layer-curve", "layer-curve", "table", "heatmap", "confusion"]
    curve = sweep.panels[1]
    assert curve.labels["series"][0]["name"] == "planted"
    assert curve.arrays["value"].shape == (6, 3)
    for part in ("planted corpus", "layer 2 of toy", "chosen on dev among 3", "random twins", "selectivity"):
        assert part in sweep.summary
    assert "<table" in sweep._repr_html_()
    assert len(sweep.table()) == len(sweep.rows)
    outcomes = sweep.outcomes(2)
    assert outcomes.correct.mean() == pytest.approx(sweep.scores.task["2"].value)
