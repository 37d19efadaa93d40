"""Numbers, HTML, CSV and LaTeX say what is true and nothing else."""

from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.results.export import csv_text, latex_table, to_csv, to_jsonl, to_latex
from probekit.results.formats import format_cell, format_p, format_score
from probekit.results.fragment import Fragment
from probekit.results.html import escape, table, visible
from probekit.results.measurement import Measurement

ATTACK = '</script><img src=x onerror="alert(1)">'


@given(st.floats(-1, 1))
def test_a_rounded_score_never_says_zero_or_one_unless_it_is(value: float) -> None:
    text = format_score(value)
    assert (text == "0.000") == (value == 0)
    assert (text == "1.000") == (value == 1)
    assert (text == "-1.000") == (value == -1)
    if text[0] not in "<>":
        assert math.isclose(float(text), value, abs_tol=5e-4 + 1e-12)
    else:
        bound = float(text[1:])
        assert value > bound if text[0] == ">" else value < bound


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (1.0000002, "1.000"),  # the rounding of single precision
        (1.00001, ">1.000"),
        (-1.00001, "<-1.000"),
        (-3.25, "-3.250"),
        (-0.0, "0.000"),
    ],
)
def test_scores_beyond(value: float | None, text: str) -> None:
    assert format_score(value) == text


def test_p_and_cells() -> None:
    assert format_p(0.9999) == ">0.999"
    assert format_p(0.0) == "<0.001"
    assert format_cell("excluded", "score") == "excluded"
    assert format_cell(None, "int") == "–"


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    safe = escape(text)
    assert not set("<>\"'") & set(safe)
    safe.encode("utf-8")
    assert not any(ord(char) < 32 and char not in "\t\n" for char in safe)


def test_tables_are_escaped() -> None:
    made = table([ATTACK], [[ATTACK]])
    assert "<img" not in made.html
    assert made._repr_html_() == made.__html__() == str(made) == made.html
    assert isinstance(made, Fragment)
    assert visible("\x1b[31mred\x00") == "␛[31mred␀"


def test_formulas_are_defused_and_numbers_are_not() -> None:
    words = ["=cmd()", "+1+cmd", "-x", "@sum", "\tx", "-1", "+1.5", "a=b", ""]
    read = list(csv.reader(io.StringIO(csv_text(["=w", "n"], [[word, -1.5] for word in words]))))
    assert read[0] == ["'=w", "n"]
    assert [row[0] for row in read[1:]] == [
        "'=cmd()",
        "'+1+cmd",
        "'-x",
        "'@sum",
        "'\tx",
        "-1",
        "+1.5",
        "a=b",
        "",
    ]
    assert {row[1] for row in read[1:]} == {"-1.5"}


def test_exports_hold_every_row() -> None:
    rows = [
        Measurement(
            metric="accuracy", model="a_b", layer=str(i), value=0.1 * i, low=0.0, high=0.9, n=10, interval="i"
        )
        for i in range(3)
    ]
    read = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert [float(row["value"]) for row in read] == [row.value for row in rows]
    assert len(to_jsonl(rows).splitlines()) == 3
    latex = to_latex(rows)
    assert latex.count(r"\\") == 4
    assert r"model a\_b" in latex
    assert to_csv([]).count("\n") == 1
    assert r"\toprule" in to_latex([])


def test_latex_is_escaped() -> None:
    made = latex_table(["50%"], [[r"\input{x}_$&#~^"]], ["text"])
    assert r"50\%" in made
    assert r"\textbackslash{}input\{x\}\_\$\&\#\textasciitilde{}\textasciicircum{} \\" in made
