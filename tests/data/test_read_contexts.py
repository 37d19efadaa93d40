"""Contexts of a word with senses: marked words alone are labelled, copies are one sentence, misfits are told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from probekit.data.read_contexts import COLUMNS, SENSE, SENSE_COLUMNS, read_contexts
from probekit.errors import DataError

ROWS = [
    ("a", "1", "1", "play", "VERB", "They play chess"),
    ("b", "1", "1", "play", "VERB", "They play chess"),
    ("b", "2", "0", "Play", "VERB", "Play the play"),
    ("b", "2", "2", "play", "NOUN", "Play the play"),
]


def write(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Path:
    path.write_text("\n".join("\t".join(row) for row in [header, *rows]) + "\n")
    return path


def test_occurrences_alone_are_labelled(tmp_path: Path) -> None:
    table = write(tmp_path / "play.tsv", COLUMNS, ROWS)
    senses = write(
        tmp_path / "senses.tsv", SENSE_COLUMNS, [("b", "1", "1", "game"), ("b", "2", "2", "drama")]
    )
    corpus = read_contexts(table, senses=senses)
    assert [s.text for s in corpus] == [
        "They play chess",
        "Play the play",
    ]  # the copy is gone, its sense is kept
    assert corpus[0].columns == {"upos": ("_", "VERB", "_"), "sense": ("_", "game", "_")}
    assert corpus[1].columns["sense"] == ("_", "_", "drama")
    units = SENSE.units(corpus)
    assert list(zip(units.types, units.labels, strict=True)) == [("play", "game"), ("play", "drama")]
    assert units.left_out == {"no value for sense": 1}  # the first word of the second sentence has none
    assert corpus[0].attributes == {"source": "a", "source_id": "1"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a", "1", "3", "play", "VERB", "They play chess"), "play.tsv:2: token_index '3' in a sentence of 3 words"),
        (("a", "1", "0", "play", "VERB", "They play chess"), "word 0 of the sentence is 'They', and the form 'play'"),
        (("a", "1", "-1", "play", "VERB", "They play chess"), "token_index '-1'"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit(tmp_path: Path, row: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_contexts(write(tmp_path / "play.tsv", COLUMNS, [row]))


def test_senses_that_do_not_fit(tmp_path: Path) -> None:
    table = write(tmp_path / "play.tsv", COLUMNS, ROWS)
    with pytest.raises(DataError, match="has no such occurrence"):
        read_contexts(table, senses=write(tmp_path / "s.tsv", SENSE_COLUMNS, [("z", "1", "1", "game")]))
    twice = [("a", "1", "1", "game"), ("a", "1", "1", "music")]
    with pytest.raises(DataError, match=r"s\.tsv:3: 'a 1 1' has two senses"):
        read_contexts(table, senses=write(tmp_path / "s.tsv", SENSE_COLUMNS, twice))
    with pytest.raises(DataError, match="no table of senses 'pley'; did you mean 'play'"):
        read_contexts(table, senses="pley")
    with pytest.raises(DataError, match="no column 'token_index'"):
        read_contexts(write(tmp_path / "x.tsv", ("source", "id"), [("a", "1")]))
    with pytest.raises(DataError, match="a header and no rows"):
        read_contexts(write(tmp_path / "x.tsv", COLUMNS, []))
    with pytest.raises(DataError, match=r"x\.tsv:2: 2 columns where 6 were expected"):
        read_contexts(write(tmp_path / "x.tsv", COLUMNS, [("a", "1")]))


@pytest.mark.real
def test_the_senses_of_play_fit_the_contexts(shared_data: Path) -> None:
    corpus = read_contexts(shared_data / "play_contexts/play_contexts.tsv", senses="play")
    units = SENSE.units(corpus)
    assert len(units) == 242
    assert Counter(units.labels)["drama"] == 24
    assert {word.lower() for word in units.types} <= {"play", "plays", "played", "playing", "playin"}


@pytest.mark.real
def test_the_senses_of_play_agree_with_wic(shared_data: Path) -> None:
    """Of WiC's pairs in which both occurrences have a sense, 37 of 40 are as WiC says: T one sense, F two."""
    lines = (shared_data / "play_contexts/play_contexts.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines[1:] if line.startswith("WiC")]
    corpus = read_contexts(shared_data / "play_contexts/play_contexts.tsv", senses="play")
    by_text = {s.text: s.columns["sense"] for s in corpus}
    agree = []
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        senses = [by_text[row[6]][int(row[2])] for row in (one, other)]
        if "_" not in senses:
            agree.append((senses[0] == senses[1]) == (one[5] == "T"))
    assert (len(agree), sum(agree)) == (40, 37)
