"""Number agreement in natural and nonce sentences: the .tab files of colorlessgreenRNNs."""

from __future__ import annotations

import csv
from pathlib import Path

from probekit.data.lines import Paths, common_name, expand, read_lines
from probekit.data.suite import Item, Suite, pair_suite, target_pair
from probekit.errors import DataError

COLUMNS = (
    "pattern", "constr_id", "sent_id", "correct_number", "form", "class", "type", "n_attr", "len_context",
    "len_prefix", "sent",
)  # fmt: skip
NUMBERS = {"sing": "Sing", "plur": "Plur"}
NONCE = {"original": "natural", "generated": "nonce"}
END = "<eos>"


def read_gulordava(paths: Paths, *, name: str = "") -> Suite:
    """Pairs of a right and a wrong verb form in place, from rows that agree in pattern, constr_id and sent_id.

    The sentence is rebuilt: the ``len_prefix`` words before the verb and the words after it are those of the column
    ``sent`` (whose word at that place is often another verb, and which has the words that ``prefix`` writes
    ``<unk>``), the verb is the column ``form``, and ``<eos>`` goes. Groups: nonce, attractors (``n_attr``), distance
    (words between subject and verb: ``len_context`` - 1), number (of the right form), construction (``pattern``). A
    sentence and the nonce sentences made from it are one cluster.
    Gulordava, Bojanowski, Grave, Linzen and Baroni 2018, "Colorless green recurrent networks dream hierarchically",
    NAACL. Raises DataError with file:line.
    """
    files = expand(paths)
    items = []
    for path in files:
        pairs: dict[tuple[str, str, str], dict[str, tuple[int, dict[str, str]]]] = {}
        for line, row in _rows(path):
            pair = pairs.setdefault((row["pattern"], row["constr_id"], row["sent_id"]), {})
            if row["class"] not in ("correct", "wrong"):
                raise DataError(f"{path}:{line}: 'class' is {row['class']!r}; 'correct' or 'wrong' expected")
            if row["class"] in pair:
                raise DataError(
                    f"{path}:{line}: a second {row['class']!r} row of this pair; the first is line"
                    f" {pair[row['class']][0]}"
                )
            pair[row["class"]] = line, row
        items += [_item(path, key, pair) for key, pair in pairs.items()]
    return pair_suite(name or common_name(files), items, "target")


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    reader = csv.reader(read_lines(path), delimiter="\t")
    header: list[str] = []
    rows = []
    for fields in reader:
        place = f"{path}:{reader.line_num}"
        if not header:
            header = fields
            missing = [column for column in COLUMNS if column not in header]
            if missing:
                raise DataError(f"{place}: column {missing[0]!r} is missing from the header")
            continue
        if len(fields) != len(header):
            raise DataError(f"{place}: {len(fields)} fields, and the header has {len(header)}")
        rows.append((reader.line_num, dict(zip(header, fields, strict=True))))
    return rows


def _item(path: Path, key: tuple[str, str, str], pair: dict[str, tuple[int, dict[str, str]]]) -> Item:
    line, row = pair.get("correct") or pair["wrong"]
    place = f"{path}:{line}"
    if len(pair) != 2:
        raise DataError(f"{place}: this row has no partner with the same pattern, constr_id and sent_id")
    wrong = pair["wrong"][1]
    if wrong["sent"] != row["sent"] or wrong["len_prefix"] != row["len_prefix"]:
        raise DataError(f"{path}:{pair['wrong'][0]}: 'sent' or 'len_prefix' differs from line {line}")
    for column in ("n_attr", "len_context", "len_prefix"):
        if not row[column].isdecimal():
            raise DataError(f"{place}: {column!r} must be a number, got {row[column]!r}")
    for column, known in (("correct_number", NUMBERS), ("type", NONCE)):
        if row[column] not in known:
            raise DataError(
                f"{place}: {column!r} is {row[column]!r}; {' or '.join(map(repr, known))} expected"
            )
    words, at = row["sent"].split(), int(row["len_prefix"])
    words = words[:-1] if words and words[-1] == END else words
    if at >= len(words):
        raise DataError(f"{place}: 'len_prefix' is {at}, and the sentence has {len(words)} words")
    if not row["form"].strip() or not wrong["form"].strip():
        raise DataError(f"{place}: 'form' is empty")
    groups = {
        "nonce": NONCE[row["type"]],
        "attractors": row["n_attr"],
        "distance": str(max(int(row["len_context"]) - 1, 0)),
        "number": NUMBERS[row["correct_number"]],
        "construction": row["pattern"],
    }
    conditions = target_pair(
        " ".join(words[:at]), row["form"].strip(), wrong["form"].strip(), " ".join(words[at + 1 :])
    )
    pattern, construction, sentence = key
    cluster = f"{pattern} {construction}"
    return Item(f"{path.stem}-{pattern}-{construction}-{sentence}", conditions, cluster, groups, place)
