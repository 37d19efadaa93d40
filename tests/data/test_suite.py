"""Suites: regions in texts, what is checked, what the hash depends on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.data.formula import parse_formula
from probekit.data.suite import Condition, Item, Prediction, Suite, pair_suite, sentence_pair, target_pair
from probekit.errors import DataError


def region_item(identifier: str, phenomenon: str = "", **texts: list[str]) -> Item:
    conditions = tuple(Condition.of_parts(name, parts) for name, parts in texts.items())
    return Item(identifier, conditions, "", {"phenomenon": phenomenon} if phenomenon else {}, "f.json:3")


def region_suite(items: list[Item], *predictions: Prediction) -> Suite:
    return Suite("mine", tuple(items), predictions, "regions")


def test_parts_are_joined_by_single_spaces() -> None:
    condition = Condition.of_parts("c", ["", " As the man ", "", "left", ",", ""])
    assert condition.text == "As the man left ,"
    assert condition.regions == ((0, 0), (0, 10), (10, 10), (11, 15), (16, 17), (17, 17))
    assert [condition.text[slice(*condition.span(r))] for r in (2, 4, "*")] == [
        "As the man",
        "left",
        "As the man left ,",
    ]


@given(st.lists(st.text(alphabet="ab ,", max_size=6), max_size=6))
def test_regions_cut_out_their_parts(parts: list[str]) -> None:
    condition = Condition.of_parts("c", parts)
    assert [condition.text[a:b] for a, b in condition.regions] == [part.strip() for part in parts]
    assert condition.text == " ".join(part.strip() for part in parts if part.strip())


@pytest.mark.parametrize(
    ("before", "target", "after", "regions"),
    [
        ("Tina, ", "Debbie", " got wet.", ["Tina,", "Debbie", "got wet."]),
        ("(", "is", ") ", ["(", "is", ")"]),
        ("", "Is", " it", ["", "Is", "it"]),
        ("She ", "runs", "", ["She", "runs", ""]),
    ],
)
def test_slots_keep_the_running_text(before: str, target: str, after: str, regions: list[str]) -> None:
    condition = Condition.of_slot("c", before, target, after)
    assert condition.text == (before + target + after).strip()
    assert [condition.text[a:b] for a, b in condition.regions] == regions


def test_needs_and_predictions_of_phenomena() -> None:
    items = [region_item("1", "x", a=["p", "q"], b=["p", "r"]), region_item("2", "y", c=["p"])]
    suite = region_suite(
        items,
        Prediction("first", parse_formula("(2;%a%) > (2;%b%)"), "x"),
        Prediction("second", parse_formula("(*;%c%) > 1"), "y"),
    )
    assert suite.phenomena == ("x", "y")
    assert suite.needs_of(items[0]) == ((2, "a"), (2, "b"))
    assert suite.needs_of(items[1]) == (("*", "c"),)
    assert [p.name for p in suite.predictions_of(items[1])] == ["second"]
    assert items[0]["b"].text == "p r"
    with pytest.raises(KeyError):
        items[0]["c"]


ABOVE = Prediction("p", parse_formula("(3;%a%) > (2;%b%)"))


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "suite 'mine' has no items"),
        (
            [region_item("7", a=["x", "y"], b=["x", "y"])],
            "f.json:3: item '7', condition 'a': region 3 is missing; the prediction needs it, and"
            " the text has 2 regions",
        ),
        (
            [region_item("7", a=["x", "y", "z"], bee=["x", "y"])],
            "f.json:3: item '7': the prediction names condition 'b', which the item lacks; known: a, bee",
        ),
        (
            [region_item("1", a=["x", "y", "z"], b=["x", "y"]), region_item("2", a=["x", "y", "z"])],
            "f.json:3: item '2': condition 'b' is missing; f.json:3: item '1' has a, b",
        ),
        (
            [
                region_item("1", a=["x", "y", "z"], b=["x", "y"]),
                region_item("1", a=["x", "y", "z"], b=["", "y"]),
            ],
            "f.json:3: item '1': this id is also that of f.json:3: item '1'; ids are unique",
        ),
        (
            [Item("1", (Condition.of_text("a", "x"), Condition.of_text("a", "y")))],
            "item '1': two conditions have one name: a, a",
        ),
        (
            [Item("1", (Condition("a", "abc", ((0, 2), (1, 3))),))],
            "item '1', condition 'a', region 2: characters 1 to 3 do not follow the region before it within the 3"
            " characters of the text",
        ),
    ],
)
def test_what_does_not_go_together(items: list[Item], said: str) -> None:
    with pytest.raises(DataError) as caught:
        region_suite(items, ABOVE)
    assert str(caught.value) == said


def test_kinds_have_their_conditions() -> None:
    pair = Item("1", sentence_pair("a b", "a c"))
    for bad, kind in (
        (Item("1", (Condition.of_text("good", "x"),)), "sentence"),
        (Item("1", sentence_pair("a", "b")), "target"),
        (Item("1", target_pair("a", "b", "c", "d")), "sentence"),
        (Item("1", (Condition.of_text("sentence", "x"),)), "acceptability"),
    ):
        with pytest.raises(DataError, match="kind"):
            replace(pair_suite("s", [pair], "sentence"), items=(bad,), kind=kind)
    with pytest.raises(DataError, match="predicts nothing"):
        Suite("s", (pair,), (), "sentence")
    with pytest.raises(DataError, match="no item is about 'sngular'; did you mean 'singular'"):
        Suite(
            "s",
            (replace(pair, groups={"phenomenon": "singular"}),),
            (Prediction("p", parse_formula("1<2"), "sngular"),),
            "sentence",
        )
    with pytest.raises(DataError, match="two predictions have the name 'p'"):
        region_suite([region_item("1", a=["x"])], *[Prediction("p", parse_formula("1<2"))] * 2)


def test_equal_sentences_stay() -> None:
    assert len(pair_suite("s", [Item("1", sentence_pair("same", "same"))], "sentence")) == 1


def test_hash_is_about_content() -> None:
    suite = pair_suite("s", [Item("1", sentence_pair("a b", "a c"))], "sentence")
    same = replace(suite, name="other", licence="x", items=(replace(suite.items[0], place="f:1"),))
    assert (same.hash, hash(same)) == (suite.hash, hash(suite))
    for other in (
        replace(suite, items=(Item("1", sentence_pair("a b", "a d")),)),
        replace(suite, items=(replace(suite.items[0], cluster="x"),)),
        replace(suite, items=(replace(suite.items[0], groups={"attractors": "1"}),)),
        replace(suite, predictions=(Prediction("good over bad", parse_formula("(*;%bad%) < (*;%good%)")),)),
    ):
        assert other.hash != suite.hash
