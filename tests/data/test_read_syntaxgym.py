"""SyntaxGym: regions joined, several files as one suite, what is refused."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from probekit.data.read_suite import load_suite
from probekit.data.read_syntaxgym import read_syntaxgym
from probekit.errors import DataError


def regions(*contents: str) -> list[dict[str, Any]]:
    return [{"region_number": k, "content": text} for k, text in enumerate(contents, 1)]


DOCUMENT: dict[str, Any] = {
    "meta": {"name": "gap", "metric": "sum"},
    "region_meta": {"1": "start", "2": "object", "3": "end"},
    "predictions": [
        {"type": "formula", "formula": "(2;%full%) > (3;%empty%)"},
        {"type": "formula", "formula": "[(3;%full%) = (3;%empty%)] | 1 < 2"},
    ],
    "items": [
        {
            "item_number": 4,
            "conditions": [
                {"condition_name": "full", "regions": regions("I saw", " the car ", ", then left .")},
                {"condition_name": "empty", "regions": regions("I saw", "", ", then left .")},
            ],
        }
    ],
}


def write(folder: Path, name: str = "gap.json", **changes: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps({**deepcopy(DOCUMENT), **changes}))
    return path


def test_regions_are_joined(tmp_path: Path) -> None:
    suite = read_syntaxgym(write(tmp_path))
    full, empty = suite.items[0].conditions
    assert (full.text, empty.text) == ("I saw the car , then left .", "I saw , then left .")
    assert [empty.text[a:b] for a, b in empty.regions] == ["I saw", "", ", then left ."]
    assert full.span(2) == (6, 13)
    assert suite.region_names == ("start", "object", "end")
    assert [(p.name, p.phenomenon) for p in suite.predictions] == [("gap 1", "gap"), ("gap 2", "gap")]
    assert (suite.items[0].id, suite.kind) == ("gap-4", "regions")


def test_files_are_phenomena(tmp_path: Path) -> None:
    write(tmp_path)
    one = {"type": "formula", "formula": "(*;%full%) > 3"}
    write(tmp_path, "whole.json", predictions=[one], region_meta={"1": "other"})
    suite = load_suite(tmp_path)
    assert suite.phenomena == ("gap", "whole")
    assert [p.name for p in suite.predictions] == ["gap 1", "gap 2", "whole"]
    assert suite.needs_of(suite.items[1]) == (("*", "full"),)
    assert suite.region_names == ()


@pytest.mark.parametrize("metric", ["sum", ["mean", "sum"], "all"])
def test_sums_are_what_is_scored(tmp_path: Path, metric: object) -> None:
    assert len(read_syntaxgym(write(tmp_path, meta={"metric": metric}))) == 1


@pytest.mark.parametrize("metric", ["mean", "median", "range", "max", "min", ["mean", "max"]])
def test_other_metrics_are_refused(tmp_path: Path, metric: object) -> None:
    with pytest.raises(DataError, match=r"gap.json: meta.metric is .*set it to 'sum'"):
        read_syntaxgym(write(tmp_path, meta={"metric": metric}))


def item_with(**conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    records = [{"condition_name": name, "regions": of} for name, of in conditions.items()]
    return [{"item_number": 9, "conditions": records}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"items": []}, "gap.json: 'items' must be a list of objects; got []"),
        ({"predictions": 3}, "gap.json: 'predictions' must be a list of objects; got 3"),
        (
            {"predictions": [{"type": "rank", "formula": "1<2"}]},
            "gap.json: prediction 1: type 'rank' is unknown",
        ),
        ({"predictions": [{"formula": "(1;%full%) >"}]}, "gap.json: prediction 1: formula: a score"),
        (
            {"items": item_with(full=regions("a", "b", "c"), empty=regions("a", "b"))},
            "gap.json: item 'gap-9', condition 'empty': region 3 is missing",
        ),
        ({"items": item_with(full=regions("a", "b", "c"))}, "names condition 'empty', which the item lacks"),
        (
            {"items": item_with(full=regions("a")[:0])},
            "gap.json: item 9, condition 'full': 'regions' must be",
        ),
        (
            {"items": item_with(full=[{"region_number": 2, "content": "a"}])},
            "gap.json: item 9, condition 'full': region 1 expected, got 2",
        ),
        (
            {"items": item_with(full=[{"region_number": 1}])},
            "item 9, condition 'full', region 1: 'content' must be a text; it is missing",
        ),
    ],
)
def test_mistakes(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_syntaxgym(write(tmp_path, **changes))
    assert said in str(caught.value)


def test_no_json(tmp_path: Path) -> None:
    path = tmp_path / "gap.json"
    path.write_text('{\n "meta": {},\n "items": [oh]\n}')
    with pytest.raises(DataError, match=r"gap.json:3: not JSON"):
        read_syntaxgym(path)
