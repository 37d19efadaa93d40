"""What a judgement says: rows against numbers counted by hand, controls, differences, panels, saved parts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from probekit.behavior.answers import Answers, answer_suite
from probekit.behavior.judge import Judgement, assemble, judge
from probekit.data.suite import Item, pair_suite, sentence_pair
from probekit.errors import ConfigError
from probekit.maths.mcnemar import mcnemar_exact
from probekit.results.measurement import About, Measurement
from tests.behavior.stand_ins import Told, acceptability, agreement, listed, pairs, regions

NONE = {"baselines": (), "resamples": 200}


def row(judged: Judgement, metric: str = "accuracy", **fields: object) -> Measurement:
    """The one row that these fields describe; fields not named are empty."""
    wanted = {"group": "", "control": "", "layer": "", "reference": "", "seeds": (), **fields}
    found = [
        r for r in judged.rows if r.metric == metric and all(getattr(r, k) == v for k, v in wanted.items())
    ]
    assert len(found) == 1, (metric, wanted, [(r.group, r.control, r.reference) for r in judged.rows])
    return found[0]


def test_accuracy_counts_ties_as_not_right_and_leaves_the_left_out_outside() -> None:
    suite, scorer = pairs((1.0, 3.0), (3.0, 1.5), (2.0, 2.0), (1.0, 9.0))
    scorer.reason = lambda text: "too long" if text.endswith("3") else ""
    judged = judge(scorer, suite, **NONE)
    one = row(judged)
    assert (one.value, one.n, one.n_left_out, one.unit) == (1 / 3, 3, 1, "item")
    assert row(judged, "ties").value == 1.0
    assert row(judged, "left_out", group="reason=too long").value == 1.0
    assert judged.left_out_examples == {"too long": ("i3",)}
    assert "as told" in one.method
    assert "texts: as given" in one.method
    assert one.interval == "cluster bootstrap over items, 200 resamples, 95% percentile"


def test_a_perfect_score_has_exact_bounds_over_clusters() -> None:
    groups = [{"cluster": f"c{k // 2}"} for k in range(20)]
    suite, scorer = pairs(*[(1.0, 2.0)] * 20, groups=groups)
    one = row(judge(scorer, suite, **NONE))
    assert (one.value, one.high) == (1.0, 1.0)
    assert one.low == pytest.approx(0.025 ** (1 / 10))  # ten clusters, not twenty items
    assert one.interval == "exact binomial over clusters of items, 95%: every item was answered alike"


def test_intervals_resample_clusters_not_items() -> None:
    bits = [(1.0, 2.0)] * 50 + [(2.0, 1.0)] * 50
    alone, scorer = pairs(*bits)
    narrow = row(judge(scorer, alone, **NONE))
    groups = [{"cluster": f"c{k // 10}"} for k in range(100)]
    together, scorer = pairs(*bits, groups=groups)
    wide = row(judge(scorer, together, **NONE))
    assert narrow.value == wide.value == 0.5
    assert narrow.high - narrow.low == pytest.approx(4 * 0.05, abs=0.04)
    assert wide.high - wide.low == pytest.approx(4 * 0.5 / np.sqrt(10), abs=0.1)


def test_macro_is_the_mean_over_phenomena_and_micro_over_items() -> None:
    groups = [{"phenomenon": "small"}] * 2 + [{"phenomenon": "large"}] * 8
    suite, scorer = pairs(*[(1.0, 2.0)] * 2, *[(2.0, 1.0)] * 8, groups=groups)
    judged = judge(scorer, suite, **NONE)
    assert row(judged).value == 0.2
    assert row(judged, "macro_accuracy", group="mean over phenomena").value == 0.5
    assert row(judged, group="phenomenon=small").value == 1.0
    assert row(judged, group="phenomenon=large").n == 8


def test_attractors_are_crossed_with_nonce_and_sorted_by_size() -> None:
    cells = {("0", "natural"): (9, 1), ("2", "natural"): (6, 4), ("10", "natural"): (5, 5),
             ("0", "nonce"): (8, 2), ("2", "nonce"): (5, 5), ("10", "nonce"): (3, 7)}  # fmt: skip
    suite, scorer = agreement(cells)
    judged = judge(scorer, suite, **NONE)
    for (attractors, nonce), (right, wrong) in cells.items():
        one = row(judged, group=f"attractors={attractors} nonce={nonce}")
        assert one.value == right / (right + wrong)
    assert row(judged, group="attractors=2").value == 11 / 20
    names = [r.group for r in judged.rows if r.metric == "accuracy" and r.group.startswith("attractors=")]
    assert names.index("attractors=2") < names.index("attractors=10")
    gap = row(judged, "accuracy_difference", group="nonce=natural", reference="nonce=nonce")
    assert gap.value == pytest.approx(20 / 30 - 16 / 30)
    assert gap.interval.startswith("unpaired")
    assert gap.low < gap.value < gap.high
    gap = row(judged, "accuracy_difference", group="attractors=10 nonce=natural", reference="nonce=nonce")
    assert gap.value == pytest.approx(0.2)


def test_distances_are_binned() -> None:
    groups = [{"distance": str(d)} for d in (1, 4, 5, 25)]
    suite, scorer = pairs(*[(1.0, 2.0)] * 4, groups=groups)
    judged = judge(scorer, suite, **NONE)
    found = [r.group for r in judged.rows if r.group.startswith("distance=") and r.metric == "accuracy"]
    assert found == ["distance=1", "distance=4-5", "distance=21+"]


def test_differences_from_a_baseline_are_paired_and_tested_exactly() -> None:
    bits = [(1.0, 2.0)] * 30 + [(2.0, 1.0)] * 10
    suite, scorer = pairs(*bits)
    other = Told(
        lambda text, part: 0.0 if text.startswith("good") == (int(text.split()[1]) >= 20) else 1.0,
        name="rival",
    )
    other.reason = lambda text: "too long" if text.endswith(" 0") else ""
    judged = judge(scorer, suite, baselines=(other,), resamples=200)
    # the rival is right on 20..39, the model on 0..29: over items 1..39, b = 19, c = 10
    one = row(judged, "accuracy_difference", reference="control=rival")
    assert one.value == pytest.approx((19 - 10) / 39)
    assert (one.n, one.n_left_out) == (39, 1)
    assert one.p == pytest.approx(mcnemar_exact(19, 10))
    assert one.interval.startswith("paired cluster bootstrap")
    assert one.low < one.value < one.high
    assert row(judged, control="rival").value == pytest.approx(20 / 39)


def test_where_items_come_in_clusters_whole_clusters_are_flipped_and_mcnemar_stands_apart() -> None:
    groups = [{"cluster": f"c{k // 10}"} for k in range(40)]
    suite, scorer = pairs(*[(1.0, 2.0)] * 40, groups=groups)
    rival = Told(lambda text, part: float(text.startswith("bad") and int(text.split()[1]) < 20), name="rival")
    judged = judge(scorer, suite, baselines=(rival,), resamples=200)
    one = row(judged, "accuracy_difference", reference="control=rival")
    assert one.p == pytest.approx(0.5, abs=0.03)  # two clusters differ, so flips agree half of the time
    assert "sign flips by clusters of items" in one.interval
    exact = row(judged, "mcnemar_p", reference="control=rival")
    assert exact.value == pytest.approx(2 / 2**20)  # as if twenty items were twenty witnesses
    assert "takes items as independent" in exact.interval
    assert "rival" not in judged.summary  # a scorer that was given stands in rows and figures
    assert "difference" not in judged.summary


def test_p_values_of_a_family_are_corrected_by_holm() -> None:
    suite, scorer = pairs(*[(1.0, 2.0)] * 12)
    worse = [Told(lambda text, part, k=k: float(text.startswith("bad") and int(text.split()[1]) < k), name=f"b{k}")
             for k in (6, 12)]  # fmt: skip
    judged = judge(scorer, suite, baselines=worse, resamples=200)
    found = [row(judged, "accuracy_difference", reference=f"control=b{k}") for k in (6, 12)]
    assert [one.family_size for one in found] == [2, 2]
    assert found[0].p == pytest.approx(2 / 2**6)  # six items on which only the model is right
    assert found[0].p_adjusted == pytest.approx(2 * found[0].p)
    assert found[1].p == 1.0


def test_majority_number_is_right_where_the_frequent_number_is_gold() -> None:
    groups = [{"number": "Sing"}] * 3 + [{"number": "Plur"}] * 2
    suite, scorer = pairs(*[(1.0, 2.0)] * 5, groups=groups)
    judged = judge(scorer, suite, baselines=("majority",), resamples=200)
    one = row(judged, control="majority")
    assert one.value == 0.6
    assert "Sing" in one.method
    plain, scorer = pairs((1.0, 2.0))
    none = row(judge(scorer, plain, baselines=("majority",), resamples=200), control="majority")
    assert (none.value, none.reason) == (None, "the items state no number")


def test_twins_stand_as_their_mean_and_each_by_itself() -> None:
    suite, scorer = pairs(*[(1.0, 2.0)] * 4)
    twins = [Told(lambda text, part, k=k: float(text.startswith("bad") and int(text[-1]) < k), name=f"twin-{k}")
             for k in (1, 2)]  # fmt: skip
    judged = judge(scorer, suite, baselines=(), twins=twins, resamples=200)
    assert row(judged, control="random-twin").value == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert row(judged, control="random-twin", seeds=(("twin", 1),)).value == 0.5
    difference = row(judged, "accuracy_difference", reference="control=random-twin")
    assert difference.value == pytest.approx(1 - 0.375)
    assert difference.p is None  # shares of twins are not simply right or wrong
    assert row(judged, "accuracy_difference", reference="control=random-twin twin=0").p == pytest.approx(0.25)
    assert row(judged, control="random-twin").model_kind == "random"


def test_what_there_is_none_of_is_null_with_the_reason() -> None:
    suite, scorer = pairs((1.0, 2.0))
    judged = judge(scorer, suite, resamples=200)
    for control in ("unigram", "ngram", "majority", "random-twin"):
        one = row(judged, control=control)
        assert one.value is None
        assert one.reason


def test_everything_left_out_is_null_not_zero() -> None:
    groups = [
        {"phenomenon": f"p{k}", "attractors": str(k), "nonce": kind}
        for k, kind in enumerate(("nonce", "natural"))
    ]
    suite, scorer = pairs((1.0, 2.0), (2.0, 1.0), groups=groups)
    scorer.reason = lambda text: "unknown piece"
    judged = judge(scorer, suite, resamples=200)
    one = row(judged)
    assert (one.value, one.n, one.n_left_out, one.reason) == (None, 0, 2, "every item was left out")
    assert judged.accuracy is None
    assert "could be judged on no item" in judged.summary
    assert judged.panels


def test_several_predictions_are_rows_of_their_own() -> None:
    suite = regions("(1;%a%) < (1;%b%)", {"a": ["x"], "b": ["v"]}, ("other", "(1;%b%) < (1;%a%)"))
    judged = judge(listed({"x": 1.0, "v": 2.0}), suite, **NONE)
    assert row(judged).value == 0.5
    assert row(judged, group="prediction=held").value == 1.0
    assert row(judged, group="prediction=other").value == 0.0
    assert row(judged, group="every prediction of an item").value == 0.0
    assert row(judged, group="every prediction of an item").n == 1
    assert "2 predictions about 1 items" in judged.summary


def test_acceptability_is_ranked_by_sum_and_by_mean() -> None:
    # the long acceptable sentence has the lower sum and the higher mean
    suite, scorer = acceptability((12.0, 6, "1"), (2.0, 1, "1"), (9.0, 3, "0"), (8.0, 2, "0"))
    judged = judge(scorer, suite, resamples=200)
    assert row(judged, "auc", group="score=sum log-probability").value == 0.5
    assert row(judged, "auc", group="score=mean log-probability").value == 1.0
    assert "AUC" in judged.summary
    assert not [r for r in judged.rows if r.metric == "accuracy"]
    assert judged.panels


def test_a_judgement_is_made_again_from_saved_answers(tmp_path) -> None:  # type: ignore[no-untyped-def]
    suite, scorer = agreement({("0", "natural"): (9, 1), ("1", "natural"): (6, 4)})
    rival = Told(lambda text, part: 1.0, name="rival")
    about = About(run="r", model="m", model_kind="self-trained")
    judged = judge(scorer, suite, baselines=(rival, "majority"), about=about, resamples=200)
    for number, answers in enumerate((judged.answers, judged.controls[0].verdicts.answers)):
        answers.save(tmp_path / str(number))
    one, two = (Answers.load(tmp_path / str(number)) for number in (0, 1))
    nulls = {"random-twin": "no random twin was asked for"}
    again = assemble(suite, one, controls=[two], about=about, nulls=nulls, resamples=200)

    def bare(rows):  # type: ignore[no-untyped-def]
        return [json.dumps(r.to_dict() | {"seconds": None}) for r in rows]

    assert bare(again.rows) == bare(judged.rows)


def test_panels_show_attractors_forest_examples_and_never_markup() -> None:
    items = []
    for k in range(30):
        groups = {"attractors": str(k % 3), "phenomenon": "<i>" if k % 2 else "p"}
        items.append(Item(f"<b>{k}</b>", sentence_pair(f"<script>g{k}", f"<script>b{k}"), groups=groups))
    suite = pair_suite("marked <up>", items, "sentence")
    scorer = Told(lambda text, part: float(len(text) % 3), name="a/b <c>")
    judged = judge(scorer, suite, baselines=(), resamples=200)
    kinds = {panel.name.rpartition("-")[2]: panel.kind for panel in judged.panels}
    assert kinds["attractors"] == "curve"
    assert kinds["phenomenon"] == "forest"
    assert kinds["examples"] == kinds["table"] == "table"
    html = judged._repr_html_()
    assert "<script>" not in html
    assert "<i>" not in html


def test_natural_and_nonce_are_drawn_apart_and_the_model_s_two_curves_together() -> None:
    cells = {(a, kind): (6, 4) for a in ("0", "1") for kind in ("natural", "nonce")}
    suite, scorer = agreement(cells)
    judged = judge(scorer, suite, baselines=("majority",), resamples=50)
    curves = {panel.name.partition("by-hand-")[2]: panel for panel in judged.panels if panel.kind == "curve"}
    assert {"attractors", "attractors-natural", "attractors-nonce"} <= set(curves)
    names = [series["name"] for series in curves["attractors"].labels["series"]]
    assert names == ["told, natural", "told, nonce"]
    assert [series["style"] for series in curves["attractors-nonce"].labels["series"]] == ["task", "baseline"]
    assert curves["attractors-nonce"].arrays["value"][0].tolist() == [0.6, 0.6]


def test_worst_items_are_those_with_the_lowest_margin() -> None:
    suite, scorer = pairs((5.0, 1.0), (1.0, 5.0), (1.0, 2.0), (3.0, 2.0))
    judged = judge(scorer, suite, **NONE)
    table = next(panel for panel in judged.panels if panel.name.endswith("examples"))
    assert [line[1] for line in table.labels["rows"]] == ["i0", "i3", "i1", "i2"]
    assert table.labels["rows"][0][3] == "-4.00"
    frame = judged.items()
    assert frame["outcome"].tolist() == ["wrong", "right", "right", "wrong"]


def test_the_summary_says_the_rule_the_ties_and_chance() -> None:
    suite, scorer = pairs((1.0, 2.0), (2.0, 2.0))
    text = judge(scorer, suite, **NONE).summary
    assert "0.500" in text
    assert "Ties, which count as not right: 1." in text
    assert "chance is 0.5" in text
    assert text.endswith("Scoring: as told; texts: as given.")
    held = regions("[(1;%a%) < (1;%b%)] & [(1;%a%) < 3]", {"a": ["x"], "b": ["v"]})
    assert "chance" not in judge(listed({"x": 1.0, "v": 2.0}), held, **NONE).summary


def test_unknown_names_and_layers_without_a_model_are_refused() -> None:
    suite, scorer = pairs((1.0, 2.0))
    with pytest.raises(ConfigError, match="did you mean 'ngram'"):
        judge(scorer, suite, baselines=("ngrams",))
    with pytest.raises(ConfigError, match="needs a model"):
        judge(scorer, suite, baselines=(), layers="all")


def test_the_same_answers_give_the_same_rows_whatever_else_is_judged() -> None:
    suite, scorer = agreement({("0", "natural"): (9, 1), ("1", "natural"): (6, 4)})
    alone = judge(scorer, suite, **NONE)
    beside = judge(scorer, suite, baselines=(Told(lambda text, part: 1.0, name="rival"),), resamples=200)
    for group in ("", "attractors=0", "attractors=1"):
        one, two = row(alone, group=group), row(beside, group=group)
        assert (one.value, one.low, one.high) == (two.value, two.low, two.high)
    assert isinstance(answer_suite(scorer, suite), Answers)
