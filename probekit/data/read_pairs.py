"""Pairs of one's own: a table (TSV) or JSON lines with the columns good and bad."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from probekit.data.json_text import read_json_lines, text_at
from probekit.data.lines import Paths, common_name, expand, read_lines, stem
from probekit.data.suite import Item, Suite, pair_suite, sentence_pair, target_pair
from probekit.errors import DataError

OWN = ("good", "bad", "before", "after", "id", "cluster", "source")


def read_pairs(paths: Paths, *, name: str = "") -> Suite:
    """Pairs from TSV (with a header) or JSONL; columns ``good`` and ``bad``, and these where they are there:

    ``id``; ``cluster`` (what intervals resample); ``source`` (what an encoder reads); ``before`` and ``after``, with
    which good and bad are target words in place and only they are compared. All other columns are groups
    (phenomenon, attractors, ...). Raises DataError with file:line.

    >>> _ = Path("mine.tsv").write_text("good\\tbad\\tphenomenon\\nShe left.\\tHer left.\\tcase\\n")
    >>> from probekit.data.read_pairs import read_pairs
    >>> read_pairs("mine.tsv").items[0].groups
    {'phenomenon': 'case'}
    """
    files = expand(paths)
    items = []
    kinds: dict[bool, str] = {}
    for path in files:
        rows = read_json_lines(path) if path.suffix == ".jsonl" else _table(path)
        for number, (place, row) in enumerate(rows, 1):
            in_place = "before" in row or "after" in row
            kinds.setdefault(in_place, place)
            if len(kinds) > 1:
                raise DataError(f"{place}: 'before' and 'after' stand in some rows and not in all ({kinds})")
            items.append(_item(row, place, f"{stem(path)}-{number}", in_place))
    if not items:
        raise DataError(f"{files[0]}: no pairs")
    return pair_suite(name or common_name(files), items, "target" if True in kinds else "sentence")


def _item(row: Mapping[str, object], place: str, identifier: str, in_place: bool) -> Item:
    good, bad = text_at(row, "good", place).strip(), text_at(row, "bad", place).strip()
    source = text_at(row, "source", place, empty=True) if "source" in row else ""
    cluster = str(row.get("cluster", ""))
    groups = {}
    for key, value in row.items():
        if key in OWN:
            continue
        if not isinstance(value, str | int | float):
            raise DataError(f"{place}: the group {key!r} must be a text or a number, got {value!r:.60}")
        groups[key] = str(value)
    if in_place:
        before, after = (
            text_at(row, key, place, empty=True) if key in row else "" for key in ("before", "after")
        )
        conditions = target_pair(before, good, bad, after, source)
    else:
        conditions = sentence_pair(good, bad, source)
    return Item(str(row.get("id", "")) or identifier, conditions, cluster, groups, place)


def _table(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    header, *lines = read_lines(path)
    columns = [column.strip() for column in header.split("\t")]
    for wanted in ("good", "bad"):
        if wanted not in columns:
            raise DataError(f"{path}:1: column {wanted!r} is missing from the header ({', '.join(columns)})")
    if len(set(columns)) != len(columns):
        raise DataError(f"{path}:1: two columns have one name ({', '.join(columns)})")
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != len(columns):
            raise DataError(f"{path}:{number}: {len(fields)} fields, and the header has {len(columns)}")
        yield f"{path}:{number}", dict(zip(columns, fields, strict=True))
