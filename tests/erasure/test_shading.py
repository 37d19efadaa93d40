"""Shaded words: text stays text, signs have colours, and the legend says what a number means."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np

from probekit.data.sentence import Sentence
from probekit.erasure.importance import Importance, TextImportance
from probekit.erasure.shading import LOWERS, RAISES, TEXTS, shaded


class Tags(HTMLParser):
    """Which tags there are, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def found(text: str, importance: list[float], why: list[str] | None = None, unit: str = "nats") -> Importance:
    sentence = Sentence.from_text("1", text)
    why = why or [""] * len(importance)
    values = np.array(importance)
    one = TextImportance.erased(sentence, 1.0, 1.0 - values, why)
    return Importance((one,), "deleted", "p of </p><img>", unit, model="<m>")


def test_words_are_text_whatever_they_look_like() -> None:
    text = "<script>alert(1)</script> a&b \"q\" 'x' \x1b[31m"
    page = shaded(
        found(text, [1.0, -1.0, 0.0, float("nan"), 0.5], ["", "", "", "<b onmouseover='x'>", ""], '"><i>')
    )
    read = Tags(page)
    assert set(read.tags) <= {"div", "p", "span", "small"}
    assert "<script>alert(1)</script> a&b \"q\" 'x' ␛[31m" in read.text
    assert found(text, [1.0, -1.0, 0.0, 0.0, 0.5])._repr_html_().startswith("<div>")


def test_depth_and_colour_follow_size_and_sign() -> None:
    page = shaded(found("big half minus zero", [2.0, 1.0, -2.0, 0.0]))
    depth = {
        word: (colour, float(alpha))
        for colour, alpha, word in re.findall(
            r"rgba\(([\d, ]+), ([\d.]+)\); padding: \.15em\" title=[^>]*>(\w+)<", page
        )
    }
    assert depth["big"] == (RAISES, 0.6)
    assert depth["half"] == (RAISES, 0.3)
    assert depth["minus"] == (LOWERS, 0.6)
    assert depth["zero"][1] == 0
    assert "+2 nats" in page


def test_words_not_left_out_say_why() -> None:
    page = shaded(found("the keys", [float("nan"), 1.0], ["what is predicted", ""]))
    assert 'dotted" title="what is predicted">the</span>' in page
    assert "Underlined with dots: not left out." in page


def test_the_running_text_is_kept_and_shared_letters_shown_once() -> None:
    sentence = Sentence("1", ("de", "le", "chat"), "du  chat !", ((0, 2), (0, 2), (4, 8)))
    one = TextImportance.erased(sentence, 1.0, np.zeros(3), ["", "", ""])
    read = Tags(shaded(Importance((one,), "deleted", "p", "nats")))
    assert "du  chat !" in read.text


def test_many_texts_are_cut_with_their_number() -> None:
    one = found("a b", [1.0, 0.5])
    page = shaded(Importance(one.texts * (TEXTS + 3), "deleted", "p", "nats"))
    assert "... and 3 more texts" in page
    assert page.count("line-height") == TEXTS
