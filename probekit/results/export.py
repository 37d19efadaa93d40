"""Measurements for other programs: CSV for spreadsheets, JSON lines for scripts, LaTeX for papers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from probekit.results.files import canonical_json
from probekit.results.formats import format_cell, format_interval
from probekit.results.html import visible
from probekit.results.measurement import Measurement

LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
        "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
        ">": r"\textgreater{}", "\n": " ", "–": "--", '"': "''",
    }
)  # fmt: skip
DESCRIBING = (
    "corpus",
    "model",
    "model_kind",
    "layer",
    "site",
    "method",
    "control",
    "group",
    "split",
    "unit",
    "metric",
)


def to_csv(rows: Sequence[Measurement]) -> str:
    """One line per measurement under a line of field names; numbers unrounded, missing ones empty.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    names = [field.name for field in fields(Measurement)]
    lines = []
    for row in rows:
        cells = row.to_dict() | {"seeds": " ".join(f"{name}={seed}" for name, seed in row.seeds)}
        lines.append([cells[name] for name in names])
    return csv_text(names, lines)


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Any table as CSV, formulas defused.

    >>> print(csv_text(["word", "value"], [["=cmd()", -0.5]]), end="")
    word,value
    '=cmd(),-0.5
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_defuse(name) for name in columns])
    writer.writerows([[_defuse(value) for value in row] for row in rows])
    return file.getvalue()


def to_jsonl(rows: Sequence[Measurement]) -> str:
    """One JSON object per line, as in the run folder."""
    return "".join(canonical_json(row.to_dict()).decode() + "\n" for row in rows)


def to_latex(rows: Sequence[Measurement]) -> str:
    """A booktabs table of value, interval and n; what all rows have in common is said in the caption."""
    varying = [name for name in DESCRIBING if len({getattr(row, name) for row in rows}) > 1]
    fixed = [f"{name} {getattr(rows[0], name)}" for name in DESCRIBING if rows and name not in varying]
    fixed = [text for text in fixed if not text.endswith(" ")]
    columns = [*varying, "value", "95% interval", "n"]
    lines = [
        [*(getattr(row, name) for name in varying), row.value, format_interval(row.low, row.high), row.n]
        for row in rows
    ]
    formats = ["text"] * len(varying) + ["score", "text", "int"]
    intervals = sorted({row.interval for row in rows if row.interval})
    caption = "; ".join(fixed) + (f". Intervals: {', '.join(intervals)}" if intervals else "") + "."
    return latex_table([name.replace("_", " ") for name in columns], lines, formats, caption)


def latex_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], formats: Sequence[str], caption: str = ""
) -> str:
    """Any table in LaTeX with booktabs; everything escaped."""
    align = "".join("l" if how == "text" else "r" for how in formats)
    head = " & ".join(latex_escape(name) for name in columns)
    lines = [
        " & ".join(latex_escape(format_cell(value, how)) for value, how in zip(row, formats, strict=True))
        + r" \\"
        for row in rows
    ]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \begin{{tabular}}{{{align}}}",
            r"    \toprule",
            rf"    {head} \\",
            r"    \midrule",
            *(f"    {line}" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            *([rf"  \caption{{{latex_escape(caption)}}}"] if caption else []),
            r"\end{table}",
            "",
        ]
    )


def latex_escape(text: object) -> str:
    """The text as LaTeX prints it.

    >>> print(latex_escape("50% of_$x"))
    50\\% of\\_\\$x
    """
    return visible(text).translate(LATEX)


def _defuse(value: Any) -> Any:
    if value is None or not isinstance(value, str) or not value or value[0] not in "=+-@\t\r":
        return value
    try:
        float(value)
    except ValueError:
        return "'" + value
    return value
