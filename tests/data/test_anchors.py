"""Anchors: the comparison the wrong way round is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from probekit.data.anchors import anchor_item, check_anchors
from probekit.data.formula import parse_formula
from probekit.data.read_suite import list_suites, state_suite
from probekit.data.suite import Anchor, Item, Prediction, Suite, pair_suite, sentence_pair
from probekit.errors import ConfigError

GOOD = Anchor({"good": "he runs", "bad": "he run"}, {"*;good": 3.0, "*;bad": 5.0}, True)
REVERSED = Anchor({"good": "he run", "bad": "he runs"}, {"*;good": 5.0, "*;bad": 3.0}, False)


@pytest.fixture
def suite() -> Suite:
    made = pair_suite("s", [Item("1", sentence_pair("a", "b"))], "sentence")
    return replace(made, anchors=(GOOD, REVERSED))


def test_anchors_hold(suite: Suite) -> None:
    assert check_anchors(suite) == 2


def test_a_flipped_comparison_is_found(suite: Suite) -> None:
    flipped = Prediction("good over bad", parse_formula("(*;%bad%) < (*;%good%)"))
    with pytest.raises(ConfigError, match=r"suite 's', anchor 1: .* must hold and does not.*flipped"):
        check_anchors(replace(suite, predictions=(flipped,)))
    with pytest.raises(ConfigError, match=r"anchor 1: .* must not hold and does"):
        check_anchors(replace(suite, anchors=(replace(REVERSED, scores=GOOD.scores),)))


@pytest.mark.parametrize(
    ("anchor", "said"),
    [
        (replace(GOOD, scores={"*;good": 3.0}), r"anchor 1: scores lack '\*;bad'"),
        (
            replace(GOOD, prediction="god over bad"),
            "no prediction 'god over bad'; did you mean 'good over bad'",
        ),
    ],
)
def test_mistakes(suite: Suite, anchor: Anchor, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_anchors(replace(suite, anchors=(anchor,)))


def test_one_text_cannot_be_both(suite: Suite) -> None:
    same = replace(GOOD, scores=REVERSED.scores, expect=False)
    with pytest.raises(ConfigError, match="anchor 2: the texts are those of anchor 1"):
        check_anchors(replace(suite, anchors=(GOOD, same)))


def test_bars_part_regions() -> None:
    anchor = Anchor({"good": "The keys | are |  | here", "bad": "| a|b | c |"}, {}, True)
    item = anchor_item(anchor, "regions")
    good, bad = item.conditions
    assert (good.text, [good.text[a:b] for a, b in good.regions]) == (
        "The keys are here",
        ["The keys", "are", "", "here"],
    )
    assert [bad.text[a:b] for a, b in bad.regions] == ["", "a|b", "c", ""]
    assert anchor_item(GOOD, "sentence").conditions[0].regions == ((0, 7),)


@pytest.mark.parametrize("name", list_suites())
def test_built_in_suites_have_two_anchors(name: str) -> None:
    stated = state_suite(name)
    assert {anchor.expect for anchor in stated.anchors} == {True, False}
    assert stated.check() == (len(stated.anchors) if stated.predictions is not None else 0)
    assert stated.table.name == name
    for anchor in stated.anchors:
        n = {"sentence": 1, "acceptability": 1, "target": 3}.get(stated.kind)
        for condition in anchor_item(anchor, stated.kind).conditions:
            assert n is None or len(condition.regions) == n
            for key in anchor.scores:
                region, _, named = key.partition(";")
                assert (
                    region == "*"
                    or named != condition.name
                    or condition.text[slice(*condition.span(int(region)))]
                )
