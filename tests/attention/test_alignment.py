"""What is said of heads: rows, tests, choice, sentence, pictures; from results made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probekit.attention.alignment import HeadAlignment, LinkResult
from probekit.attention.head_null import MaximumNull
from probekit.experiment import attend_cells
from probekit.maths.resampling import paired_difference
from probekit.report.plot import plot
from probekit.results.measurement import About

PLACES = (("1", 0), ("1", 1), ("2", 0), ("2", 1))
N = 40


def result(name: str, direction: str, right: int, offset: int, **more: Any) -> LinkResult:
    """A chosen head that gets the first `right` of 40 links, an offset that gets the last `offset`; two links a
    sentence; two twins with 4 and 8 right."""
    numbers = np.arange(N)
    fields: dict[str, Any] = {
        "name": name, "direction": direction, "dev_accuracy": np.array([0.1, 0.2, 0.7, 0.7]),
        "dev_offset_accuracy": 0.3, "n_dev": 50, "chosen": 2, "offset": -2, "cluster": numbers // 2,
        "head_hits": numbers < right, "offset_hits": numbers >= N - offset,
        "twin_hits": np.stack([numbers < 4, numbers < 8]), "twin_chosen": (0, 1),
        "null": MaximumNull(0.7, np.linspace(0.2, 0.4, 99), 0.01), "n_left_out": (3, 2),
    }  # fmt: skip
    return LinkResult(**{**fields, **more})


def alignment(*results: LinkResult, **more: Any) -> HeadAlignment:
    fields: dict[str, Any] = {
        "results": results, "place": PLACES, "splits": ("dev", "test"), "offsets": (-2, -1, 1), "permutations": 99,
        "resamples": 200, "seed": 0, "ties": 3, "silent": 2, "looks": 400, "words_left_out": {},
        "about": About(corpus="c", model="m", site="heads"),
    }  # fmt: skip
    return HeadAlignment(**{**fields, **more})


@pytest.fixture(scope="module")
def found() -> HeadAlignment:
    weak = MaximumNull(0.3, np.linspace(0.2, 0.4, 99), 0.5)
    return alignment(
        result("nsubj", "dependent", 32, 8),
        result("nsubj", "head", 14, 12, dev_offset_accuracy=0.65),
        result("obj", "dependent", 32, 8, null=weak),
        result("det", "dependent", 4, 36),
        result("punct", "dependent", 40, 0, twin_hits=np.ones((1, N), bool), twin_chosen=(0,)),
    )


def test_significant_needs_the_offset_the_sign_and_chance(found: HeadAlignment) -> None:
    assert found.significant.tolist() == [True, False, False, False, True]
    assert found.tests["offset holm"][3] < 0.05  # det: as sure, the other way round
    assert found.beyond_twins.tolist() == [True, False, True, False, False]


def test_rows_say_what_was_measured(found: HeadAlignment) -> None:
    own = [row for row in found.rows if row.group.startswith("relation=nsubj direction=dependent")]
    said = [
        (row.split, row.metric, row.control, row.reference, row.layer, row.group.split("dependent")[1])
        for row in own
    ]
    assert said == [
        ("test", "accuracy", "", "", "2", " head=0"),
        ("test", "accuracy", "fixed-offset", "", "", " offset=-2"),
        ("test", "accuracy_difference", "", "fixed-offset", "2", " head=0 offset=-2"),
        ("test", "accuracy", "random-twin", "", "", ""),
        ("test", "accuracy_difference", "", "random-twin", "2", " head=0"),
        ("dev", "highest_accuracy", "", "permutation", "2", " head=0"),
        ("dev", "highest_accuracy", "permutation", "", "", ""),
    ]
    assert [row.value for row in own] == pytest.approx([0.8, 0.2, 0.6, 0.15, 0.65, 0.7, 0.3])
    assert [row.n for row in own] == [40] * 5 + [50] * 2
    assert [row.n_left_out for row in own] == [2] * 5 + [3] * 2
    assert {row.family_size for row in own if row.p is not None} == {5}


def test_the_difference_is_paired_and_by_sentence(found: HeadAlignment) -> None:
    one = found.results[0]
    row = found.rows[2]
    expected = paired_difference(
        one.head_hits.astype(float), one.offset_hits.astype(float), one.cluster, resamples=200
    )
    assert (row.value, row.low, row.high) == pytest.approx(expected[:3])
    assert row.p == pytest.approx(expected.p, abs=0.003)
    assert row.p_adjusted is not None
    assert row.p_adjusted >= 3 * (row.p or 0)


def test_all_right_is_not_certain(found: HeadAlignment) -> None:
    row = next(row for row in found.rows if row.group.startswith("relation=punct"))
    assert row.value == 1.0
    assert row.low == pytest.approx(0.025 ** (1 / 20))  # twenty sentences without a failure
    assert row.interval.startswith("exact binomial")


def test_heads_to_ablate_are_the_best_of_dev(found: HeadAlignment) -> None:
    assert found.heads("nsubj", "dependent", n=3) == (("2", 0), ("2", 1), ("1", 1))
    assert found.result("nsubj").direction == "dependent"  # it gains more on its offset in dev
    assert found.every_head().shape == (20, 7)
    assert found.comparisons == 20


def test_the_sentence_counts_and_names_the_largest_gain(found: HeadAlignment) -> None:
    assert found.summary.startswith("4 heads of m were compared with 5 sets of links (20 accuracies on dev)")
    assert "2 of 5 beat the best fixed offset" in found.summary
    assert "1 of these is also above each of 2 random twins" in found.summary
    assert "head 2.0 follows punct, from the dependent to its head, in 1.000" in found.summary


def test_no_head_is_said_plainly() -> None:
    none = alignment(result("det", "dependent", 4, 36), not_scored=(("x", "head", "no word of test is x"),))
    assert "No head beats the baselines" in none.summary
    assert none.summary.endswith("1 more could not be scored: no word of test is x.")
    assert not any("followers" in panel.name for panel in none.panels)
    assert none.rows[-1].reason == "no word of test is x"


@pytest.mark.parametrize("permutations", [1, 19])
def test_so_few_permutations_that_nothing_can_be_shown_are_told(permutations: int) -> None:
    smallest = MaximumNull(0.7, np.full(permutations, 0.2), 1 / (permutations + 1))
    one = alignment(result("punct", "dependent", 40, 4, null=smallest), permutations=permutations)
    assert not one.significant.any()
    assert "No head beats" not in one.summary
    assert "too few to show anything" in one.summary
    assert "make at least 20" in one.summary
    [told] = [found["told"] for found in attend_cells._aligned(one, 1).facts["found"]]
    assert "too few to show anything" in told
    assert "not above" not in told


def test_twenty_permutations_can_show_something() -> None:
    smallest = MaximumNull(0.7, np.full(20, 0.2), 1 / 21)
    one = alignment(result("punct", "dependent", 40, 4, null=smallest), permutations=20)
    assert one.significant.all()
    assert "too few" not in one.summary


def test_without_twins_nothing_is_said_of_them() -> None:
    bare = result("det", "dependent", 36, 4, twin_hits=np.zeros((0, N), bool), twin_chosen=())
    one = alignment(bare)
    assert "twin" not in one.summary
    assert {row.control for row in one.rows} == {"", "fixed-offset", "permutation"}
    assert one.beyond_twins.tolist() == [False]
    assert all("twin" not in series["name"] for series in one.panels[1].labels["series"])


def test_pictures_hold_the_numbers_and_can_be_drawn(found: HeadAlignment) -> None:
    panels = {panel.name: panel for panel in found.panels}
    assert list(panels) == [
        f"m-heads-links-{part}"
        for part in (
            "summary", "dependent-forest", "dependent-layers", "head-forest", "head-layers", "map", "followers",
            "table",
        )
    ]  # fmt: skip
    forest = panels["m-heads-links-dependent-forest"]
    assert forest.labels["rows"] == ["punct * (2.0)", "nsubj * (2.0)", "obj (2.0)", "det (2.0)"]
    assert forest.arrays["value"][:, 1] == pytest.approx([0.8, 0.2, 0.15])
    assert panels["m-heads-links-dependent-layers"].arrays["value"][0].tolist() == [0.2, 0.7]
    assert np.allclose(panels["m-heads-links-map"].arrays["value"], [[-0.2, -0.1], [0.4, 0.4]])
    assert panels["m-heads-links-followers"].labels["rows"] == [
        ["2.0", 2, "nsubj (dependent), punct (dependent)"]
    ]
    table = panels["m-heads-links-table"]
    assert table.labels["rows"][0][:4] == ["nsubj", "dependent", "2.0", 0.8]
    assert "In 0.8 % of 400 looks two words were attended to most" in table.caption
    for panel in found.panels:
        if panel.kind in ("forest", "heatmap"):
            plot(panel)
    assert "<p>4 heads of m" in found._repr_html_()


def test_text_of_a_model_stays_text() -> None:
    one = alignment(result("det", "dependent", 36, 4), about=About(model="<img src=x>"))
    assert "<img" not in one._repr_html_()


def test_one_twin_is_one_and_a_notebook_sees_a_small_table() -> None:
    one = alignment(result("punct", "dependent", 40, 4, twin_hits=np.zeros((1, N), bool), twin_chosen=(0,)))
    assert "also above one random twin" in one.summary
    assert ", one random twin in 0.000" in one.summary
    twin = next(row for row in one.rows if row.control == "random-twin")
    assert "one random twin with a head of its own" in twin.method
    shown = one._repr_html_()
    assert shown.count("<tr>") == 2
    assert "NaN" not in shown
