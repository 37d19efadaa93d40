"""Facts of the published suites, which the readers must reproduce."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from probekit.data.read_suite import load_suite
from probekit.data.suite import Suite

pytestmark = pytest.mark.real


def counts(suite: Suite, *groups: str) -> Counter[tuple[str, ...]]:
    return Counter(tuple(item.groups.get(group, "") for group in groups) for item in suite)


def identical(suite: Suite) -> int:
    return sum(item["good"].text == item["bad"].text for item in suite)


def test_blimp(shared_data: Path) -> None:
    suite = load_suite("blimp", data=shared_data / "blimp_sample")
    assert set(counts(suite, "phenomenon").values()) == {200}
    assert (len(suite), len(suite.phenomena)) == (13_400, 67)
    assert len(counts(suite, "linguistics_term")) == 13
    assert identical(suite) == 1  # of the 7 in the full set


def test_gulordava(shared_data: Path) -> None:
    suite = load_suite(shared_data / "gulordava")
    assert counts(suite, "nonce") == {("natural",): 41, ("nonce",): 369}
    nonce = {key[1]: n for key, n in counts(suite, "nonce", "attractors").items() if key[0] == "nonce"}
    assert nonce == {"0": 297, "1": 63, "2": 9}
    assert len({item.cluster for item in suite}) == 41
    assert identical(suite) == 0
    assert not any("<" in c.text for item in suite for c in item.conditions)
    first = suite.items[0]
    assert first["good"].text.startswith("An agreeable insight executed in fifty represents there")
    assert first["bad"].text.startswith("An agreeable insight executed in fifty represent there")


def test_linzen(shared_data: Path) -> None:
    suite = load_suite(shared_data / "linzen")
    assert len(suite) == 7_489
    assert counts(suite, "attractors") == {
        ("0",): 1972,
        ("1",): 1957,
        ("2",): 1943,
        ("3",): 1287,
        ("4",): 330,
    }
    assert counts(suite, "number") == {("Plur",): 4755, ("Sing",): 2730, ("",): 4}
    assert identical(suite) == 4  # "wherein", "lie", "edit", "en"


def test_marvin_linzen(shared_data: Path) -> None:
    suite = load_suite("marvin-linzen", data=shared_data / "marvin_linzen")
    by_file = counts(suite, "phenomenon")
    assert (len(suite), len(by_file)) == (33_586, 22)
    assert by_file[("simple_agrmt",)] == 140
    assert by_file[("obj_rel_across_anim",)] == 2_000
    assert len(counts(suite, "construction")) == 15
    assert identical(suite) == 0
    for file in sorted((shared_data / "marvin_linzen").glob("*.txt")):
        if file.stem != "SOURCE":
            lines = file.read_text().split("\n")
            assert 2 * by_file[(file.stem,)] == sum(line.startswith(("True", "False")) for line in lines)
    sizes = Counter(item.cluster for item in suite)
    assert 2 < len(suite) / len(sizes) < 10
    assert max(sizes.values()) <= 100


def test_syntaxgym(shared_data: Path) -> None:
    suite = load_suite("syntaxgym", data=shared_data / "syntaxgym")
    assert (len(suite), len(suite.phenomena), len(suite.predictions)) == (842, 34, 36)
    assert len(suite.anchors) == 4
    for item in suite:
        for region, condition in suite.needs_of(item):
            start, end = item[condition].span(region)
            assert start < end, "a needed region is empty"
        assert not any("  " in c.text or c.text != c.text.strip() for c in item.conditions)


def test_cola(shared_data: Path) -> None:
    suite = load_suite("cola-acceptability", data=shared_data / "cola")
    assert len(suite) == 9_594
    assert counts(suite, "label") == {("1",): 6_742, ("0",): 2_852}


def test_definite_pronouns(shared_data: Path) -> None:
    suite = load_suite("dpr", data=shared_data / "dpr")
    assert len(suite) == 1_316 + 564
    assert identical(suite) == 0
    ends = [c.text[slice(*c.span(3))] for c in (item["good"] for item in suite)]
    assert sum(not any(map(str.isalnum, end)) for end in ends) == 26  # a full stop alone is scored
