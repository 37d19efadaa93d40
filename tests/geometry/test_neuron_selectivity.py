"""The best neuron: a planted one is found among hundreds, noise is not; rare labels and constants say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import probekit as pk
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError
from probekit.geometry.selective import NeuronSelectivity
from probekit.maths.ranks import auc
from probekit.report.plot import plot
from tests.geometry.planted import ALWAYS, DEPTH, net_depth, planted_corpus, planted_model
from tests.tiny_models import tiny_model


@pytest.fixture(scope="module")
def depth() -> NeuronSelectivity:
    return pk.neuron_selectivity(
        planted_model(), planted_corpus(), net_depth, twins=2, permutations=99, resamples=200
    )


def test_the_planted_depth_neuron_is_found_among_hundreds(depth: NeuronSelectivity) -> None:
    assert depth.n_neurons == 256
    for one in depth.best:
        assert (one.layer, one.neuron, one.direction) == ("1", DEPTH, 1)
        assert one.reported is not None
        assert one.reported.low > 0.95
        assert one.p == one.p_adjusted == 0.01
        twin = depth.twin_value(one.label)
        assert twin is not None
        assert twin < 0.6
        apart = depth.difference(one.label)
        assert apart is not None
        assert apart.low > 0.3
    assert [one.label for one in depth.best] == ["net_depth", "net_depth given position"]
    assert "1.17 (high)" in depth.summary
    assert "2 of 2" in depth.summary


def test_a_label_finds_its_neuron_and_reports_its_area_on_test() -> None:
    corpus = planted_corpus()

    def kind(sentence: Sentence) -> list[str]:
        return ["open" if w == "(" else "close" if w == ")" else "letter" for w in sentence.words]

    found = pk.neuron_selectivity(planted_model(), corpus, kind, [1], permutations=19, resamples=100, twins=0)
    top = found.of("open")
    assert top.reported is not None
    assert top.reported.value > 0.99
    assert found.ranking(3, "open")["1"]
    assert abs(found.scores["open"][0, ALWAYS]) > 0.49  # it rises by 0.1 where a bracket opens
    acts = pk.extract(planted_model(), corpus, layers=[1], site="mlp")
    for one in found.best:
        rows = [i for i, s in enumerate(acts.index.sentence) if corpus[int(s)].split == "test"]
        labels = [kind(corpus[int(acts.index.sentence[i])])[acts.index.number[i]] == one.label for i in rows]
        score = acts.gather(1, rows)[:, one.neuron].astype(float) * one.direction
        assert one.reported is not None
        assert one.reported.value == pytest.approx(auc(score, np.array(labels, int)), abs=1e-6)


def test_a_label_that_no_neuron_can_know_is_not_found() -> None:
    rng = np.random.default_rng(4)

    def drawn(sentence: Sentence) -> list[str]:
        return [str(draw) for draw in rng.choice(["x", "y"], len(sentence))]

    found = pk.neuron_selectivity(planted_model(), planted_corpus(), drawn, permutations=99, resamples=50)
    for one in found.best:
        assert one.p_adjusted is not None
        assert one.p_adjusted > 0.05
        assert one.chosen is not None
        assert one.chosen > 0.53  # the best of 256 looks good where it was chosen ...
        assert one.reported is not None
        assert abs(one.reported.value - 0.5) < 0.06  # ... and not elsewhere
    assert "0 of 2" in found.summary


def test_rows_panels_and_ranking(depth: NeuronSelectivity) -> None:
    table = depth.table()
    assert (table["split"] == "dev").sum() == 6  # two numbers, the model and two twins
    real = table[(table["control"] == "") & (table["split"] == "dev")]
    assert real["p"].notna().all()
    assert set(table["metric"]) == {
        "spearman", "partial_spearman", "spearman_difference", "partial_spearman_difference",
    }  # fmt: skip
    assert [panel.kind for panel in depth.panels] == ["sentence", "forest", "table"]
    assert len(plot(depth)) == 1
    assert "<table" in depth._repr_html_()
    first = depth.ranking(5, "net_depth")
    assert first["1"][0] == DEPTH
    assert sum(map(len, depth.ranking(7).values())) == 7
    ids = planted_model().tokenizer("a ( b", return_tensors="pt").input_ids
    with pk.edit_all(planted_model(), pk.ablate_neurons(planted_model(), first)):
        assert float(planted_model().states(ids, None, [1], site="mlp")["1"][..., DEPTH].abs().max()) == 0.0
    with pytest.raises(ConfigError, match="did you mean 'net_depth'"):
        depth.ranking(3, "net_dept")
    with pytest.raises(ConfigError, match="from 1 to 256"):
        depth.ranking(0)
    with pytest.raises(ConfigError, match="no label"):
        depth.of("x")


def test_a_rare_label_says_so_and_is_not_scored() -> None:
    def kind(sentence: Sentence) -> list[str]:
        first = sentence.id == "dev-0"
        return [
            "once" if first and i == 0 else "open" if w == "(" else "other"
            for i, w in enumerate(sentence.words)
        ]

    found = pk.neuron_selectivity(
        planted_model(), planted_corpus(), kind, [1], permutations=0, resamples=20, twins=0
    )
    rare = found.of("once")
    assert rare.reported is None
    assert rare.chosen is None
    assert rare.reason.startswith("1 word with it")
    assert "at least 10 of each are needed" in rare.reason
    (row,) = [row for row in found.rows if "label=once" in row.group]
    assert row.value is None
    assert row.reason == rare.reason
    assert found.of("open").p is None  # no permutation was asked for
    assert "p of the maximum" not in found.summary


def test_units_are_drawn_by_whole_sentences(tmp_path: Path) -> None:
    found = pk.neuron_selectivity(
        planted_model(), planted_corpus(), net_depth, [1], most=200, permutations=0, twins=0, resamples=20,
        store=tmp_path,
    )  # fmt: skip
    assert all(150 < n <= 200 for n in found.n)
    assert len(pk.Store(tmp_path).keys()) == 1  # both splits in one pass, kept where that was asked for


def test_a_sentence_task_and_random_states() -> None:
    texts = [("a dog barks", "animal"), ("the keys are here", "thing")]
    sentences = [
        Sentence.from_text(f"{split}-{i}", f"{texts[i % 2][0]} {'abcdefgh'[i % 8]}", split=split,
                           attributes={"label": texts[i % 2][1]})
        for split in ("train", "dev", "test") for i in range(24)
    ]  # fmt: skip
    task = replace(pk.load_task("cola"), name="topic", label="attribute.label", names={}, where="")
    found = pk.neuron_selectivity(tiny_model("bert"), Corpus(sentences), task, permutations=19, resamples=20)
    assert found.unit == "sentence"
    assert found.of("animal").reported is not None
    assert found.of("animal").reported.value == 1.0  # type: ignore[union-attr]


def only(split: str) -> Corpus:
    return Corpus([one for one in planted_corpus() if one.split == split], "one")


def test_what_cannot_be_asked_gets_a_clear_line() -> None:
    model, corpus = planted_model(), planted_corpus()
    for options, line in (
        ({"choose": "test"}, "report on another split"), ({"report": "tset"}, "did you mean 'test'"),
        ({"min_count": 1}, "min_count must be a whole number from 2 on"), ({"most": 1}, "most must be"),
        ({"permutations": -1}, "permutations must be"), ({"given": ["positon"]}, "did you mean 'position'"),
        ({"site": "mpl"}, "did you mean 'mlp'"), ({"layers": [9]}, "has no layer '9'"), ({"twins": -2}, "from 0 on"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=line):
            pk.neuron_selectivity(model, corpus, net_depth, **{"twins": 0, **options})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"no labelled word in 'test' \(train 0, dev [\d,]+, test 0\)"):
        pk.neuron_selectivity(model, only("dev"), net_depth)
    with pytest.raises(DataError, match="every word of 'dev' has the label 'x'"):
        pk.neuron_selectivity(model, corpus, lambda one: ["x"] * len(one))
    with pytest.raises(DataError, match="does not vary over"):
        pk.neuron_selectivity(model, corpus, lambda one: [1] * len(one))
    with pytest.raises(DataError, match="nothing can be scored: a: 1 word with it"):
        pk.neuron_selectivity(
            model, corpus, lambda one: ["a" if i == 0 and one.id[-2:] == "-0" else "b" for i in range(len(one))],
            twins=0,
        )  # fmt: skip
    alone = Corpus([one for one in corpus if one.id in ("dev-1", "test-1")])
    with pytest.raises(DataError, match="all units stand in one sentence"):
        pk.neuron_selectivity(model, alone, net_depth, twins=0)
    with pytest.raises(DataError, match="corpus 'none' has no word to read"):
        pk.neuron_selectivity(model, Corpus([], "none"), net_depth)
    unsplit = Corpus([replace(one, split="") for one in corpus], "brackets")
    with pytest.raises(DataError, match="none of 120 sentences is in a split"):
        pk.neuron_selectivity(model, unsplit, net_depth)
    with pytest.raises(DataError, match="no sentence has the column 'upos'"):
        pk.neuron_selectivity(model, corpus, "upos")


def test_a_number_that_position_tells_is_not_scored_given_position() -> None:
    found = pk.neuron_selectivity(
        planted_model(), planted_corpus(), "position", [1], permutations=0, resamples=20, twins=0
    )
    plain, partial = found.best
    assert plain.reported is not None
    assert partial.reported is None
    assert partial.reason == "position is known from position"


def test_too_few_permutations_say_so_instead_of_counting(depth: NeuronSelectivity) -> None:
    few = replace(depth, permutations=19, best=tuple(replace(b, p=0.05, p_adjusted=0.05) for b in depth.best))
    assert "p cannot fall below 0.050 with 19 permutations" in few.summary
    assert "0 of 2" not in few.summary
    assert "2 of 2 have a neuron" in replace(depth, permutations=20).summary
    assert "with 1 permutation;" in replace(depth, permutations=1).summary
