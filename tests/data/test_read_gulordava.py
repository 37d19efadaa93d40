"""Gulordava: sentences rebuilt from prefix, form and rest; pairs by their keys, in any order."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_gulordava import read_gulordava
from probekit.errors import DataError

HEADER = "pattern constr_id sent_id correct_number form class type prefix n_attr punct freq len_context len_prefix sent"
GOOD = 'L 3 0 sing is correct original|The <unk> of it|1 False 9 4 4|The key of it is , "" they "" say , here . <eos>'
BAD = GOOD.replace("is correct", "are wrong")
NONCE = "L 3 1 plur fall correct generated|The cats|0 False 9 1 2|The cats went home <eos>"
NONCE_BAD = NONCE.replace("fall correct", "falls wrong")


def row(text: str) -> str:
    before, prefix, middle, sentence = text.split("|")
    fields = [*before.split(), prefix, *middle.split()]
    return "\t".join([*fields, f'"{sentence}"' if '"' in sentence else sentence])


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "generated.tab"
    path.write_text("\n".join(["\t".join(header.split()), *map(row, rows)]) + "\n")
    return path


def test_sentences_are_rebuilt(tmp_path: Path) -> None:
    suite = read_gulordava(write(tmp_path, NONCE_BAD, GOOD, NONCE, BAD))
    nonce, natural = suite.items
    good, bad = natural.conditions
    # the word that `prefix` lacks comes from `sent`, quotes are undone, <eos> goes
    assert good.text == 'The key of it is , " they " say , here .'
    assert bad.text == 'The key of it are , " they " say , here .'
    assert [bad.text[a:b] for a, b in bad.regions] == ["The key of it", "are", ', " they " say , here .']
    # the verb of `sent` is another one
    assert [c.text for c in nonce.conditions] == ["The cats fall home", "The cats falls home"]
    assert natural.groups == {
        "nonce": "natural",
        "attractors": "1",
        "distance": "3",
        "number": "Sing",
        "construction": "L",
    }
    assert (nonce.groups["nonce"], nonce.groups["number"], nonce.groups["distance"]) == ("nonce", "Plur", "0")
    assert natural.cluster == nonce.cluster == "L 3"  # one original and what was made of it
    assert (natural.id, natural.place) == ("generated-L-3-0", f"{tmp_path}/generated.tab:3")
    assert suite.kind == "target"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([GOOD], ":2: this row has no partner"),
        ([GOOD, BAD, GOOD], ":4: a second 'correct' row of this pair; the first is line 2"),
        ([GOOD.replace("correct", "right"), BAD], ":2: 'class' is 'right'"),
        ([GOOD, BAD.replace("here", "there")], ":3: 'sent' or 'len_prefix' differs from line 2"),
        ([s.replace("4 4|", "4 x|") for s in (GOOD, BAD)], ":2: 'len_prefix' must be a number, got 'x'"),
        (
            [s.replace("4 4|", "4 13|") for s in (GOOD, BAD)],
            ":2: 'len_prefix' is 13, and the sentence has 13 words",
        ),
        (
            [s.replace("sing", "dual") for s in (GOOD, BAD)],
            ":2: 'correct_number' is 'dual'; 'sing' or 'plur' expected",
        ),
        ([GOOD, BAD.replace(" 9 4", " 9")], ":3: 13 fields, and the header has 14"),
    ],
)
def test_mistakes(tmp_path: Path, rows: list[str], said: str) -> None:
    path = write(tmp_path, *rows)
    with pytest.raises(DataError) as caught:
        read_gulordava(path)
    assert str(caught.value).startswith(f"{path}{said}")


def test_columns_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"generated.tab:1: column 'n_attr' is missing"):
        read_gulordava(write(tmp_path, GOOD, header=HEADER.replace("n_attr", "attractors")))
