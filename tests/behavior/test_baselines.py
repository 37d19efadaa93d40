"""Co-occurrence and random weights as baselines: fitted to what was given, read again, or null with the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from probekit.behavior.baselines import NO_TEXT, baseline_answers, training_texts
from probekit.behavior.judge import judge
from probekit.data.suite import Item, Suite, pair_suite, target_pair
from probekit.errors import DataError
from probekit.models import Model, load_model
from tests.tiny_models import tiny_lm_folder

TEXTS = ["the dogs run at night"] * 6 + ["a dog runs at night"] * 6 + ["dogs bark"]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(str(tiny_lm_folder("gpt2")), device="cpu")


def suite() -> Suite:
    items = [
        Item("near", target_pair("the dogs", "run", "bark", "at night"), groups={"number": "Plur"}),
        Item("far", target_pair("a dog near the dogs", "runs", "run", "at night"), groups={"number": "Sing"}),
    ]
    return pair_suite("t", items, "target")


def test_an_ngram_model_knows_what_stands_together_and_nothing_else(model: Model) -> None:
    judged = judge(model, suite(), baseline_text=TEXTS, twins=1, order=3, resamples=50)
    right = {
        system.control: dict(zip(("near", "far"), system.right, strict=True)) for system in judged.controls
    }
    assert right["ngram"] == {"near": 1.0, "far": 0.0}  # the nearest noun is plural
    assert set(right) == {"ngram", "unigram", "random-twin", "majority"}
    rows = {row.control: row for row in judged.rows if row.metric == "accuracy" and not row.group}
    assert "3-gram" in rows["ngram"].method
    assert "unigram" in rows["unigram"].method
    assert rows["random-twin"].model_kind == "random"
    assert rows["random-twin"].seeds == (("twin", 0),)
    assert "random twins" in judged.summary
    assert all(row.value is not None for row in rows.values())
    assert "n-gram" in judged.summary


def test_without_text_the_rows_are_null_with_the_reason(model: Model) -> None:
    judged = judge(model, suite(), resamples=50)
    for control in ("unigram", "ngram"):
        [row] = [row for row in judged.rows if row.control == control]
        assert (row.value, row.reason) == (None, NO_TEXT)


def test_a_self_trained_model_reads_its_own_text_again(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    own = replace(model, kind="self-trained")
    from probekit.models.training import text

    monkeypatch.setattr(text, "training_text", lambda folder: TEXTS if folder == own.name else [])
    assert training_texts(own) == TEXTS
    found, nulls = baseline_answers(own, suite())
    assert [answers.role for answers in found] == ["unigram", "ngram"]
    assert nulls == {}

    def gone(folder: str) -> list[str]:
        raise DataError("the text has changed")

    monkeypatch.setattr(text, "training_text", gone)
    assert baseline_answers(own, suite()) == ([], dict.fromkeys(("unigram", "ngram"), "the text has changed"))


def test_names_choose_and_given_answers_are_those_of_the_plain_scorer(model: Model) -> None:
    from probekit.models.ngram import NgramScorer, fit_ngram

    [found], _ = baseline_answers(model, suite(), TEXTS, names=("ngram",), order=2)
    scorer = NgramScorer(model, fit_ngram(model, TEXTS, 2))
    from probekit.behavior.answers import answer_suite

    np.testing.assert_array_equal(found.bits, answer_suite(scorer, suite()).bits)
    assert baseline_answers(model, suite(), TEXTS, names=()) == ([], {})


def test_text_without_a_piece_is_an_error(model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one piece"):
        baseline_answers(model, suite(), [""])


def test_twins_are_drawn_apart_and_said_to_be_random(model: Model) -> None:
    judged = judge(model, suite(), baselines=(), twins=2, resamples=50)
    twins = [system for system in judged.controls if system.control == "random-twin"]
    assert [twin.seeds for twin in twins] == [(), (("twin", 0),), (("twin", 1),)]
    bits = [twin.verdicts.answers.bits for twin in twins[1:] if twin.verdicts is not None]
    assert (bits[0] != bits[1]).all()
