"""What is said of an erasure, from cells made by hand: nothing used, something left, a control that costs as much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.behavior.answers import Answers
from probekit.behavior.questions import ask_suite
from probekit.data.splits import stable_hash
from probekit.experiment.erase_cells import CellResult, EraseCell, Posed
from probekit.experiment.erased import Erased, assemble
from probekit.experiment.plan import ErasePlan, ModelPlan
from probekit.probing.problem import ProbeProblem
from probekit.results.measurement import About, Measurement

LAYERS = ("0", "1", "2")
UNITS = 60


@pytest.fixture(scope="module")
def suite() -> pk.Suite:
    made = pk.agreement_suite(items=15, attractors=(0, 1), constructions=("simple", "pp"), name="small")
    # every item a cluster of its own, so that the halves are of items
    return replace(made, items=tuple(replace(item, cluster="") for item in made.items))


@pytest.fixture
def posed(tmp_path: Path) -> Posed:
    """Words of three splits, half of them of each label."""
    n = 3 * UNITS
    none = np.zeros((0, n), np.int32)
    problem = ProbeProblem(
        task="number", unit="word", kind="classes", metric="accuracy", labels=("Plur", "Sing"), n_train_labels=2,
        ids=tuple(f"s{i}:1" for i in range(n)), rows=np.arange(n), gold=np.arange(n, dtype=np.int32) % 2,
        split=np.repeat(np.arange(3, dtype=np.int8), UNITS), cluster=np.arange(n, dtype=np.int32),
        overlap=np.zeros(n, bool), word_type=none, shuffled=none, majority=None, word_identity=None, control_seeds=(),
    )  # fmt: skip
    problem.save(tmp_path / "number.problem")
    return Posed("number", str(tmp_path / "number.problem"), "")


class Maker:
    """Cells as workers would have left them."""

    def __init__(self, suite: pk.Suite, posed: Posed, methods: list[str]) -> None:
        self.suite, self.posed = suite, posed
        self.questions = ask_suite(suite)
        self.analysis = ErasePlan(
            kind="erase", concepts=["number"], methods=methods, suites=["small"], bootstrap=200,
            probes=["linear", "mlp"],
        )  # fmt: skip
        self.test = np.array([stable_hash("half", item.id) % 2 for item in suite.items], bool)
        self.results: list[CellResult] = []

    def answers(self, right: np.ndarray) -> Answers:
        """Answers that are right on exactly these cases."""
        bits = np.zeros(self.questions.n_spans)
        for case, good in zip(self.questions.cases, right, strict=True):
            bits[case.spans[2, "good"]], bits[case.spans[2, "bad"]] = (1.0, 2.0) if good else (2.0, 1.0)
        n = self.questions.n_asks
        return Answers(
            "m",
            "by hand",
            "causal",
            self.suite.hash,
            bits,
            np.ones(len(bits), np.int64),
            np.zeros(n, np.int32),
        )

    def codes(self, share: float) -> dict[str, np.ndarray]:
        """Predictions of both probes that are right for this share of the units of a split."""
        gold = np.arange(UNITS) % 2
        said = np.where(np.arange(UNITS) < share * UNITS, gold, 1 - gold).astype(np.int32)[None]
        return {f"number|{probe}|{split}": said for probe in ("linear", "mlp") for split in ("dev", "test")}

    def add(
        self, part: str, layer: str = "", series: str = "leace", role: str = "", draw: int | None = None,
        right: np.ndarray | None = None, probe: float | dict[str, float] | None = None, rank: int = 1,
    ) -> None:  # fmt: skip
        name = f"{layer}.{series}.{role}.{draw}.{part}".replace(" ", "-")
        posed = replace(self.posed, task="kind") if role == "control-concept" else self.posed
        cell = EraseCell(
            name, name, part, ModelPlan(name="m"), "", self.analysis, posed=posed if part != "unedited" else None,
            layer=layer, series=series, role=role, method=series.split()[0], draw=draw,
        )  # fmt: skip
        arrays: dict[str, np.ndarray] = {}
        if isinstance(probe, dict):
            for kind, share in probe.items():
                arrays |= {key: codes for key, codes in self.codes(share).items() if f"|{kind}|" in key}
        elif probe is not None:
            arrays = self.codes(probe)
        words = {"rank": rank, "share": 0.1, "change": 0.1, "moved": 0.1} if part == "erase" else {}
        answers = () if right is None else (self.answers(right),)
        self.results.append(CellResult(cell, arrays, words, answers))

    def done(self) -> Erased:
        return assemble("number", self.results, [self.suite], self.analysis, About(corpus="c", model="m"))


def made(
    suite: pk.Suite, posed: Posed, lost: dict[str, float], *, left: float = 0.5, encoded: float = 0.95,
    control: dict[str, float] | None = None,
) -> Erased:  # fmt: skip
    """An erasure that makes the first items of each half wrong, a share of them for each layer."""
    maker = Maker(suite, posed, ["leace", "random"])
    n = len(suite.items)
    place = np.zeros(n)
    for half in (maker.test, ~maker.test):
        place[half] = np.arange(half.sum()) / half.sum()
    maker.add("unedited", right=np.ones(n, bool))
    for layer in LAYERS:
        maker.add("probe", layer, probe=encoded if layer == "0" else 0.95)
        maker.add("erase", layer, right=place >= lost[layer], probe={"linear": 0.5, "mlp": left})
        for draw in range(2):  # of two draws one is wrong on a tenth: half of that on average
            maker.add(
                "erase", layer, "random 1", "random-erasure", draw, right=place >= 0.1 * draw, probe=0.95
            )
        if control is not None:
            maker.add("erase", layer, "leace", "control-concept", right=place >= control[layer], probe=0.95)
    return maker.done()


def row(erased: Erased, metric: str, **fields: object) -> Measurement:
    found = [
        one
        for one in erased.rows
        if one.metric == metric
        and not one.seeds
        and all(getattr(one, k) == v for k, v in ({"split": "test"} | fields).items())
    ]
    assert len(found) == 1, (metric, fields, len(found))
    return found[0]


def test_used_is_what_a_random_erasure_keeps_and_the_layer_is_chosen_on_the_other_half(
    suite: pk.Suite, posed: Posed
) -> None:
    erased = made(suite, posed, {"0": 0.1, "1": 0.3, "2": 0.6})
    random = row(erased, "accuracy", layer="2", control="random-erasure", group="concept=number")
    after = row(erased, "accuracy", layer="2", control="", group="concept=number")
    assert random.value == pytest.approx(0.95, abs=0.02)  # the mean of the draws, not the first
    assert after.value == pytest.approx(0.4, abs=0.03)
    used = row(erased, "used_at_chosen_layer")
    assert used.layer == "2"
    assert used.value == pytest.approx(random.value - after.value)
    assert used.low < used.value < used.high
    assert (used.family_size, used.reference) == (3, "control=random-erasure")
    lost = row(erased, "accuracy_lost", layer="2", control="")
    assert lost.value == pytest.approx(1 - after.value)
    encoded = row(erased, "encoded", layer="2", group="concept=number probe=linear")
    assert encoded.value == pytest.approx(0.45)
    assert (
        row(erased, "encoded_after", layer="2", control="", group="concept=number probe=linear").value == 0.0
    )
    assert "It also costs at layer 1 (" in erased.summary
    assert "At layer 0 (" in erased.summary
    assert "no use is shown" in erased.summary
    assert "still" not in erased.summary
    assert "(rank 1) at layer 2, the layer chosen on the other half" in erased.summary


def test_groups_of_the_suite_have_rows(suite: pk.Suite, posed: Posed) -> None:
    erased = made(suite, posed, {"0": 0.1, "1": 0.3, "2": 0.6})
    both = [
        row(erased, "accuracy", layer="2", control="", group=f"concept=number attractors={n}") for n in (0, 1)
    ]
    whole = row(erased, "accuracy", layer="2", control="", group="concept=number")
    assert sum(one.n for one in both) == whole.n
    assert sum(one.n * one.value for one in both) == pytest.approx(whole.n * whole.value)


def test_where_nothing_is_used_that_is_said(suite: pk.Suite, posed: Posed) -> None:
    erased = made(suite, posed, dict.fromkeys(LAYERS, 0.05))
    assert "no layer is shown to use number" in erased.summary
    assert "also costs" not in erased.summary
    assert "But" not in erased.summary, "nothing was lost that could be laid to something else"
    assert "little to lose" not in erased.summary


def test_a_rise_is_told_as_use_against_what_is_right(suite: pk.Suite, posed: Posed) -> None:
    maker = Maker(suite, posed, ["leace", "random"])
    n = len(suite.items)
    wrong = np.zeros(n, bool)
    maker.add("unedited", right=wrong)
    maker.add("probe", "0", probe=0.95)
    maker.add("erase", "0", right=np.arange(n) % 4 < 2, probe=0.5)
    maker.add("erase", "0", "random 1", "random-erasure", 0, right=wrong, probe=0.95)
    said = maker.done().summary
    assert "Accuracy rises: what the model does here hangs on number, and goes against what is right." in said
    assert "no layer is shown" not in said


def test_a_model_that_is_right_by_chance_has_little_to_lose(suite: pk.Suite, posed: Posed) -> None:
    maker = Maker(suite, posed, ["leace", "random"])
    half = np.arange(len(suite.items)) % 4 < 2
    maker.add("unedited", right=half)
    maker.add("probe", "0", probe=0.95)
    maker.add("erase", "0", right=half, probe=0.5)
    maker.add("erase", "0", "random 1", "random-erasure", 0, right=half, probe=0.95)
    assert "not told from one half: there is little to lose" in maker.done().summary


def test_what_an_mlp_still_finds_is_said(suite: pk.Suite, posed: Posed) -> None:
    erased = made(suite, posed, {"0": 0.1, "1": 0.3, "2": 0.6}, left=0.9)
    assert "an MLP probe is still 0.400" in erased.summary
    assert "(and above it at 2 more)" in erased.summary


def test_a_control_concept_that_costs_as_much_takes_the_claim_back(suite: pk.Suite, posed: Posed) -> None:
    much = {"0": 0.1, "1": 0.3, "2": 0.6}
    erased = made(suite, posed, much, control={"0": 0.0, "1": 0.0, "2": 0.6})
    against = row(erased, "used", layer="2", control="", reference="control=control-concept leace of kind")
    assert against.value == 0.0
    assert "But not clearly more than LEACE of kind does" in erased.summary
    assert "no layer is shown to use number" in erased.summary
    assert "It also costs at layer 1" in erased.summary


def test_a_loss_where_no_probe_finds_the_concept_is_not_laid_to_it(suite: pk.Suite, posed: Posed) -> None:
    erased = made(suite, posed, {"0": 0.4, "1": 0.3, "2": 0.6}, encoded=0.5)
    assert "no probe finds number there, so something else was taken away" in erased.summary
    assert "It also costs at layer 1 (" in erased.summary
    assert row(erased, "used", layer="0", control="", reference="control=random-erasure").value > 0.3


def test_an_eraser_of_rank_0_is_compared_with_doing_nothing(suite: pk.Suite, posed: Posed) -> None:
    maker = Maker(suite, posed, ["inlp", "random"])
    n = len(suite.items)
    maker.add("unedited", right=np.ones(n, bool))
    maker.add("probe", "0", probe=0.5)
    maker.add("erase", "0", "inlp", right=np.ones(n, bool), probe=0.5, rank=0)
    erased = maker.done()
    used = row(erased, "used", layer="0")
    assert (used.value, used.p) == (0.0, 1.0)


def test_pictures_and_table(suite: pk.Suite, posed: Posed) -> None:
    erased = made(suite, posed, {"0": 0.1, "1": 0.3, "2": 0.6}, control=dict.fromkeys(LAYERS, 0.0))
    figure = next(panel for panel in erased.panels if panel.name.endswith("-used"))
    assert [one["style"] for one in figure.labels["series"]] == ["task", "baseline", "difference", "control"]
    np.testing.assert_allclose(figure.arrays["value"][0], 0.45)
    np.testing.assert_allclose(figure.arrays["value"][1], 0.0)
    table = next(panel for panel in erased.panels if panel.kind == "table")
    assert [line[0] for line in table.labels["rows"]] == [*LAYERS, *LAYERS]
    after, random = (table.labels["columns"].index(name) for name in ("linear after", "linear after random"))
    assert [(line[after], line[random]) for line in table.labels["rows"]][: len(LAYERS)] == [
        (pytest.approx(0.5, abs=0.02), pytest.approx(0.95, abs=0.02))
    ] * len(LAYERS)
    assert len(erased.table()) == len(erased.rows)
    assert "<table>" in erased._repr_html_()
    assert "number" in repr(erased)
    assert len(erased.outcomes) == 1 + 3 + 6 + 3


def test_random_erasures_of_several_ranks_are_one_line_for_each_eraser(suite: pk.Suite, posed: Posed) -> None:
    maker = Maker(suite, posed, ["inlp", "leace", "random"])
    n = len(suite.items)
    maker.add("unedited", right=np.ones(n, bool))
    for rank, layer in enumerate(LAYERS, start=1):
        maker.add("probe", layer, probe=0.95)
        maker.add("erase", layer, "inlp", right=np.zeros(n, bool), probe=0.5, rank=rank)
        maker.add("erase", layer, "leace", right=np.zeros(n, bool), probe=0.5)
        for size in {1, rank}:
            right = np.arange(n) % 2 == 0 if size == 1 else np.ones(n, bool)
            maker.add("erase", layer, f"random {size}", "random-erasure", 0, right=right, rank=size)
    figure = next(panel for panel in maker.done().panels if panel.name.endswith("-accuracy"))
    names = [one["name"] for one in figure.labels["series"]]
    wanted = ["random erasure of the rank of INLP", "random erasure of the rank of LEACE"]
    assert names == ["INLP of number", "LEACE of number", *wanted]
    np.testing.assert_allclose(figure.arrays["value"][2, 1:], 1.0)
    assert (figure.arrays["value"][3] < 0.7).all()


def test_items_that_the_model_was_not_judged_on_are_told(suite: pk.Suite, posed: Posed) -> None:
    maker = Maker(suite, posed, ["leace"])
    n = len(suite.items)
    maker.add("unedited", right=np.ones(n, bool))
    maker.add("probe", "0", probe=0.95)
    maker.add("erase", "0", right=np.ones(n, bool), probe=0.5)
    first = maker.questions.cases[int(np.flatnonzero(maker.test)[0])]
    for k, result in enumerate(maker.results):
        if result.answers:
            bits = result.answers[0].bits.copy()
            bits[[first.spans[2, "good"], first.spans[2, "bad"]]] = np.nan
            reason = np.arange(maker.questions.n_asks) // 2 == first.item
            answers = replace(
                result.answers[0], bits=bits, reason=reason.astype(np.int32), reasons=("", "too long")
            )
            maker.results[k] = replace(result, answers=(answers,))
    judged = int(maker.test.sum()) - 1
    assert f"({judged} items of the test half, 1 more left out) it is right in" in maker.done().summary


def test_the_best_layer_of_a_probe_is_chosen_on_dev(suite: pk.Suite, posed: Posed) -> None:
    maker = Maker(suite, posed, ["leace"])
    maker.add("unedited", right=np.ones(len(suite.items), bool))
    for layer, dev, test in (("0", 0.9, 0.7), ("1", 0.8, 0.95)):
        maker.add("probe", layer, probe=test)
        arrays = maker.results[-1].arrays
        arrays.update({key: codes for key, codes in maker.codes(dev).items() if key.endswith("|dev")})
        maker.add("erase", layer, right=np.ones(len(suite.items), bool), probe=0.5)
    assert "best at layer 0: 0.70" in maker.done().summary
