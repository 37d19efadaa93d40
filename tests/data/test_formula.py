"""Formulas: SyntaxGym's own cases, precedence, round trip, ties and margins, mistakes with their place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.data.formula import Formula, Node, Number, Operation, Region, Score, parse_formula
from probekit.errors import DataError


def nothing(region: Region, condition: str) -> float:
    raise AssertionError("no score is needed")


def table(**known: float) -> object:
    """Scores by name: a5 is region 5 of condition a; a is the whole text of a."""

    def bits(region: Region, condition: str) -> float:
        return known[condition if region == "*" else f"{condition}{region}"]

    return bits


@pytest.mark.parametrize(
    "text",
    [
        "5 - 4 - 3 < 0",  # false where the third term is missed, and where it is taken from the right
        "5+4=9-1+1",  # 7 where plus binds more tightly than minus
        "5-(3+2)=0",
        "(5-3)+2=4",
        "(5-3)+((2+1)-(2+2))=1",
        "[5-3]+[[2+1]-[2+2]]=1",
        "((((1)))) < [[2]]",
        "-3 < +2",
        "5--3 = 8",
        ".5 + 1e1 = 10.5",
        "1<2 & 2<3 & 3<4",
        "2<1 | 1<2",
        "[1<2 | 2<1] & 1<2",
        "1<2 | [2<1 & 2<1]",
        "(1<2)&(3>2)",
    ],
)
def test_cases_that_hold(text: str) -> None:
    assert parse_formula(text).judge(nothing).holds


@pytest.mark.parametrize(
    "text", ["5-4-3>0", "1<2 & 2<1", "2<1 | 3<1", "[1<2 | 1<2] & 2<1", "1 < 1", "1 = 1.1"]
)
def test_cases_that_do_not_hold(text: str) -> None:
    assert not parse_formula(text).judge(nothing).holds


def test_formulas_of_published_suites() -> None:
    filler = parse_formula("[(6;%what_no-gap%)>(6;%that_no-gap%)] & [(7;%what_gap%)<(7;%that_gap%)]")
    assert filler.needs == {(6, "what_no-gap"), (6, "that_no-gap"), (7, "what_gap"), (7, "that_gap")}
    cleft = parse_formula(
        "[(6;%np_mismatch%)-(6;%np_match%)]+[[(5;%vp_mismatch%)+(6;%vp_mismatch%)]-[(5;%vp_match%)+(6;%vp_match%)]]>0"
    )
    scores = {(6, "np_mismatch"): 5, (6, "np_match"): 7, (5, "vp_mismatch"): 4, (6, "vp_mismatch"): 3,
              (5, "vp_match"): 1, (6, "vp_match"): 2}  # fmt: skip
    assert cleft.judge(lambda r, c: scores[int(r), c]).margin == (5 - 7) + ((4 + 3) - (1 + 2))
    whole = parse_formula("(*;%a%) < (*;%b%)")
    assert whole.needs == {("*", "a"), ("*", "b")}
    assert whole.judge(table(a=1.0, b=3.5)).margin == 2.5  # type: ignore[arg-type]
    assert parse_formula(" ( 12 ; % a b % ) < 1 ").needs == {(12, "a b")}


def test_margins_and_ties() -> None:
    pair = parse_formula("(*;%bad%) > (*;%good%)")
    assert pair.judge(table(good=2.0, bad=5.0)).margin == 3  # type: ignore[arg-type]
    tie = pair.judge(table(good=2.0, bad=2.0))  # type: ignore[arg-type]
    assert (tie.holds, tie.tie, tie.margin) == (False, True, 0)
    wrong = pair.judge(table(good=3.0, bad=2.0))  # type: ignore[arg-type]
    assert (wrong.holds, wrong.tie, wrong.margin) == (False, False, -1)
    assert parse_formula("1<4 & 5<6").judge(nothing).margin == 1
    assert parse_formula("1<4 | 5<6").judge(nothing).margin == 3
    assert parse_formula("1<1 & 5<6").judge(nothing).tie
    assert not parse_formula("1<1 & 6<5").judge(nothing).tie  # it fails by more than a tie
    assert not parse_formula("1<1 | 5<6").judge(nothing).tie  # it holds
    equal = parse_formula("3 = 5").judge(nothing)
    assert (equal.holds, equal.tie, equal.margin) == (False, False, -2)


def test_equality_has_the_tolerance_of_syntaxgym() -> None:
    assert parse_formula("10 = 10.001").judge(nothing).holds  # 0.001 + 0.00001 x 10.001
    assert not parse_formula("10 = 10.002").judge(nothing).holds
    assert parse_formula("1000 = 1000.01").judge(nothing).holds


def test_what_is_not_scored_makes_nothing_hold() -> None:
    verdict = parse_formula("(*;%a%) < 3 | 1 < 2").judge(lambda r, c: math.nan)
    assert (verdict.holds, verdict.tie) == (False, False)
    assert math.isnan(verdict.margin)
    assert math.isnan(parse_formula("(*;%a%) > (*;%b%)").judge(lambda r, c: math.inf).margin)


@pytest.mark.parametrize(
    ("text", "cancels"),
    [
        ("(*;%bad%) > (*;%good%)", True),
        ("(*;%a%) - (*;%b%) > 3", True),
        ("(*;%a%) - [(*;%b%) - (*;%c%)] > (*;%d%)", True),
        ("(*;%a%) - (*;%b%) > (*;%c%) - (*;%d%)", True),
        ("(*;%a%) < 20", False),
        ("(*;%a%) + (*;%b%) > (*;%c%)", False),
        ("[(*;%a%) > (*;%b%)] & [(*;%a%) < 20]", False),
        ("(2;%bad%) > (2;%good%)", False),  # a region may begin within what is shared
        ("(*;%a%) + (2;%a%) > (*;%b%) + (2;%b%)", False),
    ],
)
def test_when_a_shared_prefix_cancels(text: str, cancels: bool) -> None:
    assert parse_formula(text).shared_prefix_cancels is cancels


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 1, "a score, a number or a bracket expected, got the end"),
        ("5", 2, "'<', '>' or '=' is missing"),
        ("5 <", 4, "got the end"),
        ("(6;%a) < 3", 3, "';' cannot be read"),
        ("(0;%a%) < 1", 1, "counted from 1"),
        ("(1;%%) < 1", 1, "no name"),
        ("1 < 2 < 3", 7, "cannot be chained"),
        ("[1 < 2) & 3 < 4", 7, "']' expected, got ')'"),
        ("1<2 & 3<4 | 5<6", 11, "needs brackets"),
        ("1 & 2 < 3", 3, "joins comparisons"),
        ("1 < 2 & 3", 9, "joins comparisons"),
        ("(1<2) + 3 < 4", 7, "for numbers"),
        ("(1<2) < 3", 7, "compares numbers"),
        ("1 < 2 3", 7, "got '3'"),
        ("1 * 2 < 3", 3, "'*' cannot be read"),
        ("1e999 < 3", 1, "too large"),
        ("(" * 200 + "1<2" + ")" * 200, 101, "more than 100 brackets"),
        ("1+" * 600 + "1<2", 501, "more than 500 parts"),
        ("__import__('os') < 1", 1, "cannot be read"),
    ],
)
def test_mistakes_show_their_place(text: str, position: int, said: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_formula(text)
    first, shown, caret = str(caught.value).split("\n")
    assert said in first
    assert f"at character {position}" in first
    assert shown == "  " + text
    assert caret.index("^") == position + 1


leaves = st.one_of(
    st.builds(Score, st.one_of(st.just("*"), st.integers(1, 9)), st.sampled_from(["a", "b_c", "no-gap"])),
    st.builds(Number, st.floats(0, 1e6) | st.integers(0, 99).map(float)),
    st.builds(Number, st.floats(-50, 0)),
)
sums = st.recursive(
    leaves, lambda inner: st.builds(Operation, st.sampled_from("+-"), inner, inner), max_leaves=6
)
comparisons = st.builds(Operation, st.sampled_from("<>="), sums, sums)
formulas = st.recursive(
    comparisons, lambda inner: st.builds(Operation, st.sampled_from("&|"), inner, inner), max_leaves=4
)


@given(formulas)
def test_what_is_written_is_read_back(root: Operation) -> None:
    formula = Formula(root)
    assert parse_formula(str(formula)) == formula
    assert parse_formula(str(formula).replace("[", "( ").replace("]", " )")) == formula


def slow(node: Node, bits: dict[tuple[Region, str], float]) -> float | bool:
    """The meaning, written down again without a thought of margins."""
    if isinstance(node, Score):
        return bits[node.region, node.condition]
    if isinstance(node, Number):
        return node.value
    a, b = slow(node.left, bits), slow(node.right, bits)
    signs = {
        "+": a + b,
        "-": a - b,
        "<": a < b,
        ">": a > b,
        "&": bool(a) and bool(b),
        "|": bool(a) or bool(b),
    }
    return signs[node.sign] if node.sign != "=" else abs(a - b) <= 0.001 + 1e-5 * abs(b)


@given(formulas, st.randoms(use_true_random=False))
def test_verdicts_are_those_of_a_slow_twin(root: Operation, random: object) -> None:
    formula = Formula(root)
    bits = {need: float(random.randint(0, 8)) for need in sorted(formula.needs, key=str)}  # type: ignore[attr-defined]
    verdict = formula.judge(lambda region, condition: bits[region, condition])
    assert verdict.holds == slow(root, bits)
    if verdict.margin > 0:
        assert verdict.holds
    if verdict.tie:
        assert not verdict.holds


@given(st.lists(st.tuples(st.sampled_from("+-"), st.integers(0, 9)), min_size=1, max_size=8))
def test_sums_go_from_left_to_right(terms: list[tuple[str, int]]) -> None:
    text, value = "0", 0
    for sign, number in terms:
        text += f" {sign} {number}"
        value += number if sign == "+" else -number
    assert parse_formula(f"{text} = {value}").judge(nothing).holds
    assert parse_formula(f"{text} < {value + 1}").judge(nothing).margin == 1
