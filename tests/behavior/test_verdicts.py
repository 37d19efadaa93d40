"""Strictness, ties, margins, and what is left out with its reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.behavior.answers import Answers, answer_suite
from probekit.behavior.questions import ask_suite
from probekit.behavior.verdicts import give_verdicts, outcomes_of
from probekit.data.formula import parse_formula
from probekit.data.suite import Item, Prediction, Suite, pair_suite, sentence_pair
from probekit.errors import DataError
from tests.behavior.stand_ins import Told, acceptability, listed, pairs, regions

BITS = st.floats(0, 50).map(lambda x: round(x, 1))


def judged(suite: Suite, scorer: Told):  # type: ignore[no-untyped-def]
    questions = ask_suite(suite)
    verdicts = give_verdicts(suite, questions, answer_suite(scorer, suite))
    return verdicts, outcomes_of(suite, questions, verdicts)


def test_right_wrong_and_tie_with_margins_in_bits() -> None:
    suite, scorer = pairs((1.0, 3.0), (3.0, 1.5), (2.0, 2.0))
    verdicts, outcomes = judged(suite, scorer)
    assert outcomes.labels == ("right", "wrong", "tie")
    assert outcomes.predicted.tolist() == [0, 1, 2]
    assert outcomes.gold.tolist() == [0, 0, 0]
    np.testing.assert_allclose(outcomes.margin, [2.0, -1.5, 0.0])
    assert outcomes.correct.mean() == 1 / 3  # not 1/2 (tie as half), not 2/3 (tie as right)
    assert verdicts.left_out == {}


def test_prefixes_are_allowed_to_cancel_only_where_every_formula_lets_them() -> None:
    suite, scorer = pairs((1.0, 3.0))
    judged(suite, scorer)
    assert scorer.shared == [True]
    held = regions("(1;%a%) < (1;%b%)", {"a": ["x"], "b": ["v"]}, ("bound", "(*;%a%) < 20"))
    told = Told(lambda text, part: 1.0)
    judged(held, told)
    assert told.shared == [False]


def test_items_left_out_are_counted_by_reason_and_the_first_five_named() -> None:
    suite, scorer = pairs(*[(1.0, 2.0)] * 9)
    scorer.reason = lambda text: "too long" if text.startswith("bad") and text[-1] in "12345678" else ""
    verdicts, outcomes = judged(suite, scorer)
    assert verdicts.left_out == {"too long": 8}
    assert verdicts.examples(ask_suite(suite)) == {"too long": ("i1", "i2", "i3", "i4", "i5")}
    assert len(outcomes) == 1
    assert outcomes.n_left_out == 8


def test_identical_pairs_are_outside_n() -> None:
    items = [Item("same", sentence_pair("a b", "a b")), Item("other", sentence_pair("a b", "a c"))]
    suite = pair_suite("p", items, "sentence")
    verdicts, outcomes = judged(suite, listed({"a b": 1.0, "a c": 2.0}))
    assert verdicts.left_out == {"identical": 1}
    assert outcomes.ids == ("other",)
    assert outcomes.correct.tolist() == [1.0]


def test_a_number_that_is_missing_without_a_reason_is_still_not_judged() -> None:
    suite, scorer = pairs((1.0, 2.0), (float("nan"), 2.0))
    verdicts, _ = judged(suite, scorer)
    assert verdicts.left_out == {"not scored": 1}


def test_only_the_prediction_that_lacks_a_number_is_left_out() -> None:
    suite = regions(
        "(1;%a%) < (1;%b%)", {"a": ["x"], "b": ["v"], "c": ["w"]}, ("second", "(1;%a%) < (1;%c%)")
    )
    scorer = listed(
        {"x": 1.0, "v": 2.0, "w": 3.0}, reason=lambda text: "unknown piece" if text == "w" else ""
    )
    verdicts, outcomes = judged(suite, scorer)
    assert outcomes.ids == ("one|held",)
    assert verdicts.left_out == {"unknown piece": 1}


def test_a_conjunction_has_the_margin_of_its_weaker_part() -> None:
    suite = regions("[(1;%a%) < (1;%b%)] & [(1;%a%) < (1;%c%)]", {"a": ["x"], "b": ["v"], "c": ["w"]})
    _, outcomes = judged(suite, listed({"x": 1.0, "v": 6.0, "w": 3.0}))
    assert (outcomes.predicted.tolist(), outcomes.margin.tolist()) == ([0], [2.0])
    _, outcomes = judged(suite, listed({"x": 1.0, "v": 6.0, "w": 1.0}))
    assert outcomes.predicted.tolist() == [2]


def test_clusters_are_what_items_say_and_an_item_alone_is_its_own() -> None:
    groups = [{"cluster": "t"}, {"cluster": "t"}, {}, {}]
    suite, scorer = pairs(*[(1.0, 2.0)] * 4, groups=groups)
    _, outcomes = judged(suite, scorer)
    assert outcomes.cluster.tolist() == [0, 0, 1, 2]


def test_acceptability_keeps_labels_and_mean_log_probability() -> None:
    suite, scorer = acceptability((6.0, 2, "1"), (8.0, 4, "0"))
    _, outcomes = judged(suite, scorer)
    assert outcomes.kind == "number"
    assert outcomes.gold.tolist() == [1.0, 0.0]
    assert outcomes.predicted.tolist() == [-3.0, -2.0]


def test_answers_are_saved_and_belong_to_one_suite(tmp_path) -> None:  # type: ignore[no-untyped-def]
    suite, scorer = pairs((1.0, 3.0), (3.0, 1.5))
    scorer.reason = lambda text: "too long" if text == "bad 1" else ""
    answers = answer_suite(scorer, suite, role="ngram", model_kind="self-trained")
    answers.save(tmp_path / "one.two")
    back = Answers.load(tmp_path / "one.two")
    np.testing.assert_array_equal(back.bits, answers.bits)
    np.testing.assert_array_equal(back.n_pieces, answers.n_pieces)
    assert (back.reasons, back.role, back.rule, back.model_kind) == (
        ("", "too long"),
        "ngram",
        "as told",
        "self-trained",
    )
    other, _ = pairs((1.0, 3.0), (3.0, 1.5), groups=[{}, {"phenomenon": "x"}])
    with pytest.raises(DataError, match="judge it again"):
        give_verdicts(other, ask_suite(other), back)


def test_a_scorer_that_answers_too_little_is_refused() -> None:
    suite, scorer = pairs((1.0, 3.0))
    short = Told(scorer.bits)
    short.answer = lambda ask: Told(scorer.bits).answer(type(ask)(ask.text, ()))  # type: ignore[method-assign]
    with pytest.raises(DataError, match="did not answer every span"):
        answer_suite(short, suite)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(BITS, BITS), min_size=1, max_size=12))
def test_exchanging_good_and_bad_negates_margins_and_renaming_changes_nothing(
    bits: list[tuple[float, float]],
) -> None:
    suite, scorer = pairs(*bits)
    _, there = judged(suite, scorer)
    swapped, swapped_scorer = pairs(*[(bad, good) for good, bad in bits])
    _, back = judged(swapped, swapped_scorer)
    np.testing.assert_array_equal(there.margin, -back.margin)
    np.testing.assert_array_equal(there.predicted == 2, back.predicted == 2)

    def renamed(item: Item) -> Item:
        good, bad = item.conditions
        return Item(item.id, (_named(bad, "y"), _named(good, "x")))

    other = Suite(
        "renamed",
        tuple(renamed(item) for item in suite.items),
        (Prediction("p", parse_formula("(*;%y%) > (*;%x%)")),),
        "regions",
    )
    _, again = judged(other, scorer)
    np.testing.assert_array_equal(again.predicted, there.predicted)
    np.testing.assert_array_equal(again.margin, there.margin)


def _named(condition, name: str):  # type: ignore[no-untyped-def]
    return type(condition)(name, condition.text, condition.regions, condition.source)
