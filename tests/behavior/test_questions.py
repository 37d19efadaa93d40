"""What is asked about a suite: no more than formulas need, nothing twice, nothing of identical pairs."""

from __future__ import annotations

from probekit.behavior.questions import IDENTICAL, NO_TEXT, ask_suite, score_of
from probekit.data.suite import Item, pair_suite, sentence_pair, target_pair
from tests.behavior.stand_ins import acceptability, pairs, regions


def test_a_pair_of_sentences_is_asked_whole_and_its_prefix_cancels() -> None:
    suite, _ = pairs((1.0, 2.0), (3.0, 2.0))
    asked = ask_suite(suite)
    assert [[ask.text for ask in group] for group in asked.groups] == [
        ["good 0", "bad 0"],
        ["good 1", "bad 1"],
    ]
    assert asked.groups[0][0].spans == ((0, 6),)
    assert asked.shared_prefix_cancels
    assert (asked.n_asks, asked.n_spans) == (4, 4)
    assert [case.id for case in asked.cases] == ["i0", "i1"]


def test_of_a_target_pair_only_the_target_is_asked() -> None:
    suite = pair_suite("t", [Item("a", target_pair("the keys", "are", "is", "here"))], "target")
    asked = ask_suite(suite)
    assert [[ask.text[a:b] for a, b in ask.spans] for ask in asked.groups[0]] == [["are"], ["is"]]
    assert not asked.shared_prefix_cancels


def test_regions_that_no_formula_names_are_not_asked_and_empty_ones_are_zero() -> None:
    suite = regions("(3;%a%) + (2;%a%) < (3;%b%) + (2;%b%)", {"a": ["x", "", "y z"], "b": ["x", "w", "v"]})
    asked = ask_suite(suite)
    [case] = asked.cases
    assert [[ask.text[s:e] for s, e in ask.spans] for ask in asked.groups[0]] == [["y z"], ["w", "v"]]
    assert case.spans[2, "a"] == NO_TEXT
    assert score_of(case, [5.0, 6.0, 7.0])(2, "a") == 0.0
    assert score_of(case, [5.0, 6.0, 7.0])(2, "b") == 6.0
    assert score_of(case, [5.0, 6.0, 7.0])(3, "b") == 7.0


def test_a_text_needed_whole_and_by_region_is_read_once() -> None:
    suite = regions("[(*;%a%) < (*;%b%)] & [(1;%a%) < (1;%b%)]", {"a": ["x", "y"], "b": ["v", "w"]})
    spans = [[ask.spans for ask in group] for group in ask_suite(suite).groups]
    assert spans == [[((0, 3), (0, 1)), ((0, 3), (0, 1))]]


def test_several_predictions_name_their_cases() -> None:
    suite = regions("(1;%a%) < (1;%b%)", {"a": ["x"], "b": ["v"]}, ("other", "(1;%b%) < 3"))
    asked = ask_suite(suite)
    assert [case.id for case in asked.cases] == ["one|held", "one|other"]
    assert asked.cases[0].spans[1, "b"] == asked.cases[1].spans[1, "b"]


def test_identical_pairs_are_not_asked() -> None:
    items = [Item("same", sentence_pair("a b", "a b")), Item("not", sentence_pair("a b", "a c"))]
    asked = ask_suite(pair_suite("p", items, "sentence"))
    assert [case.left_out for case in asked.cases] == [IDENTICAL, ""]
    assert [len(group) for group in asked.groups] == [0, 2]


def test_equal_texts_with_another_source_or_another_place_are_not_identical() -> None:
    good, _ = sentence_pair("a b", "a b", "one source")
    _, bad = sentence_pair("a b", "a b", "another")
    assert ask_suite(pair_suite("p", [Item("s", (good, bad))], "sentence")).cases[0].left_out == ""
    # one text read in two places of two conditions
    suite = regions("(1;%a%) < (2;%b%)", {"a": ["x", "x"], "b": ["x", "x"]})
    assert ask_suite(suite).cases[0].left_out == ""


def test_acceptability_asks_every_sentence_once() -> None:
    suite, _ = acceptability((3.0, 2, "1"), (4.0, 2, "0"))
    asked = ask_suite(suite)
    assert [len(group) for group in asked.groups] == [1, 1]
    assert not asked.shared_prefix_cancels
