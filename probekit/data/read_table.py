"""Tables with named columns: tab-separated, CSV, or one JSON object a line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.data.corpus import Corpus
from probekit.data.lines import Paths, common_name, expand, read_lines, read_text_file, split_of, stem
from probekit.data.sentence import Sentence
from probekit.errors import DataError, did_you_mean

Row = tuple[int, dict[str, str]]
"""Line number, and the values by column."""


def read_table(
    paths: Paths,
    *,
    text: str = "text",
    label: str | None = None,
    id: str | None = None,
    document: str | None = None,
    split_column: str | None = None,
    header: Sequence[str] | None = None,
    quoting: bool | None = None,
    split: str | None = None,
    name: str = "",
    licence: str = "",
) -> Corpus:
    """One sentence per row; `text`, `label`, `id`, `document` and `split_column` name columns.

    The label is also kept as attribute ``label``, and every other column as an attribute under its own name; words
    are what whitespace separates and the text stays exact. ``.jsonl`` files hold JSON objects, ``.csv`` commas,
    all others tabs. `header` names the columns of files whose first line is data already. `quoting` (double quotes
    around fields) is on for CSV and off for tabs unless said.

    Raises DataError with file:line for a missing column, a row of another width, broken JSON, a lone surrogate.

    >>> _ = Path("reviews.tsv").write_text("part\\treview\\tstars\\ntrain\\ta fine film\\t5\\n")
    >>> read_table("reviews.tsv", text="review", label="stars", split_column="part")[0].attributes
    {'stars': '5', 'label': '5'}
    """
    files = expand(paths)
    sentences = []
    for path in files:
        rows = _json_rows(path) if path.suffix.lower() == ".jsonl" else _rows(path, header, quoting)
        for number, (line, row) in enumerate(rows, 1):
            place = f"{path}:{line}"
            for column in (text, label, id, document, split_column):
                if column is not None and column not in row:
                    raise DataError(f"{place}: no column {column!r}; {did_you_mean(column, row)}")
            attributes = {
                key: value for key, value in row.items() if key not in (text, id, document, split_column)
            }
            if label is not None:
                attributes["label"] = row[label]
            sentences.append(
                Sentence.from_text(
                    row[id] if id else f"{stem(path)}-{number}",
                    row[text],
                    attributes=attributes,
                    split=row[split_column] if split_column else split_of(path, split),
                    document=row[document] if document else "",
                    place=place,
                )
            )
    if not sentences:
        raise DataError(f"{files[0]}: a header and no rows")
    return Corpus(sentences, name or common_name(files), [p.name for p in files], licence)


def _rows(path: Path, header: Sequence[str] | None, quoting: bool | None) -> Iterator[Row]:
    is_csv = path.suffix.lower() == ".csv"
    if is_csv if quoting is None else quoting:
        cells = _quoted(path, "," if is_csv else "\t")
    else:
        cells = ((n, line.split("," if is_csv else "\t")) for n, line in enumerate(read_lines(path), 1))
    for line, row in cells:
        if not any(row):
            continue
        if header is None:
            header = row
            if len(set(row)) < len(row):
                raise DataError(f"{path}:{line}: two columns of the header have one name: {row}")
            continue
        if len(row) != len(header):
            raise DataError(
                f"{path}:{line}: {len(row)} columns where {len(header)} were expected: {str(row)[:80]}"
            )
        yield line, dict(zip(header, row, strict=True))


def _quoted(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    text = read_text_file(path)
    if not text.strip():
        raise DataError(f"{path}: the file is empty")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as problem:
        raise DataError(f"{path}:{line}: {problem}") from None


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as problem:
            said = (
                f"{problem.msg} at {problem.pos + 1}"
                if isinstance(problem, json.JSONDecodeError)
                else problem
            )
            raise DataError(f"{path}:{number}: not JSON: {said}") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: a JSON object expected, got {line[:40]!r}")
        values = {key: _said(value) for key, value in row.items() if value is not None}
        for text in (*values, *values.values()):
            try:
                text.encode()
            except UnicodeEncodeError as problem:
                where = next(repr(key) for key, value in values.items() if text in (key, value))
                raise DataError(
                    f"{path}:{number}: {where} has half a character (surrogate U+{ord(text[problem.start]):04X})"
                    f" at {problem.start + 1}; write the whole character"
                ) from None
        yield number, values


def _said(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
