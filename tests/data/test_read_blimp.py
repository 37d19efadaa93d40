"""BLiMP: groups, equal pairs, mistakes by file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.data.read_blimp import read_blimp
from probekit.errors import DataError


def line(good: str, bad: str, pair: str, **more: str) -> str:
    return json.dumps({"sentence_good": good, "sentence_bad": bad, "pairID": pair, **more})


def test_pairs(tmp_path: Path) -> None:
    path = tmp_path / "case_1.jsonl"
    path.write_text(
        "\n".join(
            [
                line(
                    "She left.", "Her left.", "0", UID="case", field="syntax", linguistics_term="case_marking"
                ),
                "",
                line("Same.", "Same.", "1", UID="case"),
            ]
        )
    )
    suite = read_blimp(path)
    assert (suite.kind, suite.name, suite.phenomena) == ("sentence", "case_1", ("case",))
    first, second = suite.items
    assert (first.id, first.place) == ("case-0", f"{path}:1")
    assert first.groups == {"phenomenon": "case", "field": "syntax", "linguistics_term": "case_marking"}
    assert [c.text for c in first.conditions] == ["She left.", "Her left."]
    assert second["good"].text == second["bad"].text  # kept; judging leaves it out
    assert second.place == f"{path}:3"
    assert str(suite.predictions[0].formula) == "(*;%bad%) > (*;%good%)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{oh", ":2: not JSON (Expecting property name enclosed in double quotes, character 2)"),
        ('["a"]', ":2: a JSON object expected, got '[\"a\"]'"),
        (json.dumps({"sentence_good": "a"}), ":2: 'sentence_bad' must be a text; it is missing"),
        (line("a", " ", "1"), ":2: 'sentence_bad' is empty"),
        (json.dumps({"sentence_good": 3, "sentence_bad": "b"}), ":2: 'sentence_good' must be a text; got 3"),
        (line("a", "b", "0", UID="u"), ": item 'u-0': this id is also that of"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(line("a", "b", "0", UID="u") + "\n" + text + "\n")
    with pytest.raises(DataError) as caught:
        read_blimp(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}:2")
