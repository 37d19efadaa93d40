"""Suites by name and by path: the header of a published suite goes with its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.data.read_suite import list_suites, load_suite, state_suite
from probekit.errors import ConfigError, DataError

PUBLISHED = {
    "blimp", "cola-acceptability", "dpr", "goldberg", "gulordava", "linzen", "marvin-linzen", "syntaxgym",
}  # fmt: skip


def blimp(folder: Path, name: str = "case.jsonl") -> Path:
    path = folder / name
    path.write_text(
        '{"sentence_good": "She left.", "sentence_bad": "Her left.", "UID": "case", "pairID": "0"}\n'
    )
    return path


def test_every_published_suite_has_a_file() -> None:
    assert {name for name in list_suites() if state_suite(name).table.format} == PUBLISHED
    for name in PUBLISHED:
        table = state_suite(name).table
        assert table.source
        assert table.licence
        assert table.cite


def test_own_suites_are_balanced() -> None:
    suite = load_suite("simple-agreement")
    assert len(suite) == 36
    assert [sum(i.groups["attractors"] == n for i in suite) for n in "012"] == [12, 12, 12]
    assert [sum(i.groups["number"] == n for i in suite) for n in ("Sing", "Plur")] == [18, 18]
    reflexives = load_suite("reflexives")
    assert [sum(i.groups["number"] == n for i in reflexives) for n in ("Sing", "Plur")] == [12, 12]
    for item in (*suite, *reflexives):
        good, bad = item["good"], item["bad"]
        assert good.text[slice(*good.span(1))] == bad.text[slice(*bad.span(1))]
        assert good.text[slice(*good.span(3))] == bad.text[slice(*bad.span(3))]
        singular = good.text[slice(*good.span(2))].endswith(("s", "self"))
        plural = good.text[slice(*good.span(2))].endswith("selves")
        assert (singular and not plural) == (item.groups["number"] == "Sing")


def test_names_and_paths(tmp_path: Path) -> None:
    path = blimp(tmp_path)
    by_name = load_suite("blimp", data=path)
    by_path = load_suite(path)
    by_folder = load_suite(tmp_path)
    by_glob = load_suite(str(tmp_path / "*.jsonl"))
    assert by_name.hash == by_path.hash == by_folder.hash == by_glob.hash
    assert [s.name for s in (by_name, by_path, by_folder)] == ["blimp", "case", tmp_path.name]
    assert {s.licence for s in (by_name, by_path, by_glob)} == {by_name.licence}
    assert len(by_path.anchors) == 2
    assert by_path.cite.startswith("Warstadt")
    odd = blimp(tmp_path, "odd.txt")
    assert load_suite(odd, format="blimp").hash == by_path.hash


def test_own_pairs_have_no_header(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("good\tbad\nShe left.\tHer left.\n")
    suite = load_suite(path)
    assert (suite.question, suite.anchors) == ("", ())


def test_anchors_of_other_files_do_not_count(tmp_path: Path) -> None:
    names = ("match_sing", "mismatch_sing", "match_plural", "mismatch_plural")
    regions = [{"region_number": k, "content": "x"} for k in range(1, 8)]
    document = {
        "predictions": [
            {
                "formula": "[(6;%match_sing%) < (6;%mismatch_sing%)] & [(6;%match_plural%) < (6;%mismatch_plural%)]"
            }
        ],
        "region_meta": {},
        "items": [{"conditions": [{"condition_name": name, "regions": regions} for name in names]}],
    }
    (tmp_path / "number_prep.json").write_text(json.dumps(document))
    assert len(load_suite(tmp_path).anchors) == 2
    document["predictions"] = [
        {"formula": "[(6;%match_sing%) > (6;%mismatch_sing%)] & [(6;%match_plural%) > (6;%mismatch_plural%)]"}
    ]
    (tmp_path / "number_prep.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=r"anchor 1: .* must hold and does not"):
        load_suite(tmp_path)  # a published file with its comparison flipped
    (tmp_path / "number_prep.json").rename(tmp_path / "other.json")
    assert load_suite(tmp_path).anchors == ()


@pytest.mark.parametrize(
    ("source", "more", "said"),
    [
        ("blmp", {}, "no suite 'blmp'; did you mean 'blimp'?"),
        ("blimp", {}, "suite 'blimp' needs its data, which are not part of this package: get them from"),
        ("blimp", {"format": "pairs"}, "suite 'blimp' has the format 'blimp', not 'pairs'"),
        ("blimp", {"format": "par"}, "unknown format 'par'; did you mean 'pairs'"),
        ("reflexives", {"data": "x"}, "suite 'reflexives' has items of its own; it takes no data"),
        ("nowhere.toml", {}, "nowhere.toml: no such suite file"),
        ("nothing", {"data": "x.tsv"}, "no suite 'nothing'"),
    ],
)
def test_mistakes(source: str, more: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_suite(source, **more)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_data_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_suite(tmp_path / "nothing.tsv")
    with pytest.raises(DataError, match="no such file"):
        load_suite("blimp", data=tmp_path / "nothing.jsonl")
    with pytest.raises(ConfigError, match="no suite"):
        state_suite(tmp_path / "nothing.tsv")
