"""What is appended, and to which region it belongs."""

from __future__ import annotations

from probekit.data.formula import parse_formula
from probekit.data.suite import Condition, Item, Prediction, Suite, pair_suite, sentence_pair, target_pair
from probekit.data.text_rule import apply_text_rule


def test_sentences_grow_with_their_region() -> None:
    suite = pair_suite("s", [Item("1", sentence_pair("the boy runs", "the boy run ."))], "sentence")
    ruled = apply_text_rule(suite, " .", True)
    assert [(c.text, c.regions) for c in ruled.items[0].conditions] == [
        ("The boy runs .", ((0, 14),)),
        ("The boy run .", ((0, 13),)),  # it ends so already
    ]
    assert ruled.text_rule == "first letter capital; ' .' appended"
    assert ruled.hash != suite.hash


def test_the_target_stays_where_it_is() -> None:
    suite = pair_suite("s", [Item("1", target_pair("the boy", "runs", "run", ""))], "target")
    good = apply_text_rule(suite, ".").items[0]["good"]
    assert [good.text[slice(*good.span(r))] for r in (1, 2, 3)] == ["the boy", "runs", "."]


def test_regions_keep_their_ends() -> None:
    prediction = Prediction("p", parse_formula("(2;%c%) > 1"))
    suite = Suite("s", (Item("1", (Condition.of_parts("c", ["a", "b"]),)),), (prediction,), "regions")
    condition = apply_text_rule(suite, " !").items[0]["c"]
    assert (condition.text, condition.span(2), condition.span("*")) == ("a b !", (2, 3), (0, 5))


def test_nothing_asked_nothing_done() -> None:
    suite = pair_suite("s", [Item("1", sentence_pair("ßa", "b"))], "sentence")
    assert apply_text_rule(suite) is suite
    assert suite.text_rule == "as given"
    assert apply_text_rule(suite, capital=True).items[0]["good"].text == "ßa"  # its capital is two letters
