"""From bits to what was right: every prediction of every item, strictly, with its margin and what was left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.answers import Answers
from probekit.behavior.questions import Case, Questions, score_of
from probekit.data.suite import Suite
from probekit.results.outcomes import Outcomes

Array = NDArray[Any]

LABELS = ("right", "wrong", "tie")
RIGHT, WRONG, TIE = range(3)
NOT_SCORED = "not scored"
NAMED = 5
"""Cases named per reason for being left out."""


@dataclass(frozen=True, eq=False, repr=False)
class Verdicts:
    """What became of every case of a suite under one scorer's answers.

    Attributes
    ----------
    code : int8 (cases,): 0 right, 1 wrong, 2 tie, -1 left out; all -1 for an acceptability suite
    margin : float64 (cases,): bits by which the prediction holds; NaN where left out
    left_out : reason -> number of cases; `examples` names the first five of each
    """

    answers: Answers
    code: Array
    margin: Array
    reason: tuple[str, ...]

    @property
    def left_out(self) -> dict[str, int]:
        """How many cases could not be judged, by reason."""
        return dict(sorted(Counter(reason for reason in self.reason if reason).items()))

    def examples(self, questions: Questions) -> dict[str, tuple[str, ...]]:
        """The first cases that were left out, by reason."""
        found: dict[str, list[str]] = {}
        for case, reason in zip(questions.cases, self.reason, strict=True):
            if reason and len(found.setdefault(reason, [])) < NAMED:
                found[reason].append(case.id)
        return {reason: tuple(ids) for reason, ids in sorted(found.items())}

    @property
    def kept(self) -> Array:
        """int64: the cases that were judged."""
        return np.flatnonzero(self.code >= 0)


def give_verdicts(suite: Suite, questions: Questions, answers: Answers) -> Verdicts:
    """Apply every formula to the bits it needs.

    A prediction holds strictly; a comparison of equal numbers is a tie, which is not right. A case with a number
    missing is left out, with the reason of the text that lacks it.
    """
    answers.check(suite, questions)
    n = len(questions.cases)
    code, margin = np.full(n, -1, np.int8), np.full(n, np.nan)
    reasons: list[str] = []
    bits = answers.bits.tolist()
    for number, case in enumerate(questions.cases):
        reason = why_left_out(case, answers)
        reasons.append(reason)
        if reason or suite.kind == "acceptability":
            continue
        verdict = suite.predictions[case.prediction].formula.judge(score_of(case, bits))
        margin[number] = verdict.margin
        code[number] = RIGHT if verdict.holds else TIE if verdict.tie else WRONG
    return Verdicts(answers, code, margin, tuple(reasons))


def why_left_out(case: Case, answers: Answers) -> str:
    """The first reason for which a case cannot be judged; "" where it can."""
    if case.left_out:
        return case.left_out
    for ask in case.asks:
        if answers.reason[ask]:
            return answers.reasons[int(answers.reason[ask])]
    if any(span >= 0 and np.isnan(answers.bits[span]) for span in case.spans.values()):
        return NOT_SCORED
    return ""


def clusters(suite: Suite, questions: Questions) -> Array:
    """What intervals resample, int32 (cases,): the item's cluster, or the item itself where it names none."""
    number: dict[tuple[bool, str], int] = {}
    names = [(bool(item.cluster), item.cluster or item.id) for item in suite.items]
    codes = np.array([number.setdefault(name, len(number)) for name in names], dtype=np.int32)
    return codes[[case.item for case in questions.cases]]


def outcomes_of(suite: Suite, questions: Questions, verdicts: Verdicts) -> Outcomes:
    """What happened to every case that was judged; margins in bits.

    For an acceptability suite gold is the label (0 or 1) and the prediction is the mean log2-probability per
    piece: numbers, to be compared by their ranks.
    """
    cluster = clusters(suite, questions)
    if suite.kind == "acceptability":
        _, mean, label, kept = acceptability(suite, questions, verdicts)
        ids = tuple(questions.cases[i].id for i in kept)
        return Outcomes(ids, cluster[kept], label, mean, left_out=verdicts.left_out)
    kept = verdicts.kept
    return Outcomes(
        ids=tuple(questions.cases[i].id for i in kept),
        cluster=cluster[kept],
        gold=np.zeros(len(kept), np.int32),
        predicted=verdicts.code[kept],
        margin=verdicts.margin[kept],
        labels=LABELS,
        left_out=verdicts.left_out,
    )


def acceptability(
    suite: Suite, questions: Questions, verdicts: Verdicts
) -> tuple[Array, Array, Array, Array]:
    """Sum and mean per piece of log2-probability, the label, and the number, of every sentence that was scored."""
    kept = np.array([i for i, reason in enumerate(verdicts.reason) if not reason], dtype=np.int64)
    spans = np.array([next(iter(questions.cases[i].spans.values())) for i in kept], dtype=np.int64)
    bits, pieces = verdicts.answers.bits[spans], verdicts.answers.n_pieces[spans]
    labels = [float(suite.items[questions.cases[i].item].groups["label"]) for i in kept]
    return -bits, -bits / np.maximum(pieces, 1), np.array(labels), kept
