"""Counts, splits and twins in words, and the table of a notebook."""

from __future__ import annotations

import probekit as pk
from probekit.attention.counted import SHOWN, paragraph_and_table, split_of


def test_the_split_of_a_corpus() -> None:
    corpus = pk.generate_corpus(1, 1, 1)
    assert split_of(corpus) == "all"
    assert split_of(corpus.split("dev")) == "dev"
    assert split_of(pk.Corpus([pk.Sentence.from_text("1", "the cat")])) == ""


def test_a_long_table_says_how_much_is_not_shown_and_text_stays_text() -> None:
    shown = paragraph_and_table("<b>", ["a"], [["<i>"]] * (SHOWN + 2))
    assert "&lt;b&gt;" in shown
    assert shown.count("&lt;i&gt;") == SHOWN
    assert "2 rows more" in shown
    assert "more" not in paragraph_and_table("", ["a"], [["b"]] * SHOWN)
