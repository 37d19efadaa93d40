"""Who is compared on a suite: the model, its baselines, its twins, and the model at every layer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.answers import Answers
from probekit.behavior.questions import Questions
from probekit.behavior.verdicts import RIGHT, TIE, Verdicts, give_verdicts
from probekit.data.suite import Suite

Array = NDArray[Any]

MAJORITY_RULE = "predicts the number that is more frequent in the suite, whatever the sentence"
TWIN_MEAN = "mean of the random twins"


@dataclass(frozen=True, eq=False, repr=False)
class System:
    """One that was judged on the cases of a suite.

    Attributes
    ----------
    control : "" for the model, else "unigram", "ngram", "majority", "random-twin", or a given scorer's name
    right : float64 (cases,): 1 right, 0 not; shares for a mean of twins; NaN where left out
    ties : how many of the cases that are not right are ties
    verdicts : one per answerer; empty for the majority baseline
    """

    control: str
    right: Array
    ties: int
    rule: str
    layer: str = ""
    seeds: tuple[tuple[str, int], ...] = ()
    name: str = ""
    model_kind: str = "pretrained"
    verdicts: Verdicts | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    seconds: float | None = None

    @property
    def single(self) -> bool:
        """Whether each case was simply right or not, so that exact tests apply."""
        return bool(np.isin(self.right[~np.isnan(self.right)], (0.0, 1.0)).all()) and self.name != TWIN_MEAN


def system_of(verdicts: Verdicts, *, seeds: tuple[tuple[str, int], ...] = ()) -> System:
    """The system behind some verdicts."""
    answers = verdicts.answers
    right = np.where(verdicts.code >= 0, verdicts.code == RIGHT, np.nan)
    return System(
        control=answers.name if answers.role == "given" else answers.role,
        right=right,
        ties=int((verdicts.code == TIE).sum()),
        rule=answers.rule,
        layer=answers.layer,
        seeds=seeds,
        name=answers.name,
        model_kind=answers.model_kind,
        verdicts=verdicts,
        left_out=verdicts.left_out,
        seconds=answers.seconds,
    )


def gather(
    suite: Suite,
    questions: Questions,
    answers: Answers,
    controls: Sequence[Answers] = (),
    layers: Sequence[Answers] = (),
) -> tuple[System, list[System], list[System]]:
    """The model, its controls (the twins one by one after their mean), and the model at every layer."""
    model = system_of(give_verdicts(suite, questions, answers))
    judged = [give_verdicts(suite, questions, one) for one in controls]
    systems = [system_of(one) for one in judged if one.answers.role != "random-twin"]
    twins = [one for one in judged if one.answers.role == "random-twin"]
    each = [system_of(one, seeds=(("twin", _seed(one, number)),)) for number, one in enumerate(twins)]
    if each:
        systems.append(_mean_of_twins(each))
    if len(each) > 1:
        systems += each
    lens = [system_of(give_verdicts(suite, questions, one)) for one in layers]
    return model, systems, lens


def _seed(verdicts: Verdicts, number: int) -> int:
    """The seed that a twin's name tells, else its number."""
    found = re.search(r"#twin-(\d+)$", verdicts.answers.name)
    return int(found[1]) if found else number


def _mean_of_twins(each: Sequence[System]) -> System:
    """What the twins do on average, over the cases that all of them answered; one twin stands for itself."""
    if len(each) == 1:
        return each[0]
    right = np.stack([one.right for one in each]).mean(axis=0)  # NaN where any is left out
    return System(
        control="random-twin",
        right=right,
        ties=sum(one.ties for one in each),
        rule=each[0].rule,
        name=TWIN_MEAN,
        model_kind="random",
        left_out=each[0].left_out,
    )


def majority_number(suite: Suite, questions: Questions, model: System) -> System | str:
    """The baseline that always chooses the more frequent number of the target, or the reason why there is none.

    It is counted over the cases on which the model was judged and is right where the item's number is the more
    frequent one; a draw goes to the first by name.
    """
    if suite.kind not in ("sentence", "target"):
        return f"majority number is defined for pairs, and this suite's kind is {suite.kind!r}"
    numbers = [suite.items[case.item].groups.get("number", "") for case in questions.cases]
    if not any(numbers):
        return "the items state no number"
    judged = ~np.isnan(model.right)
    known = [number for number, here in zip(numbers, judged, strict=True) if number and here]
    if not known:
        return "no item with a number was judged"
    frequent = min(sorted(set(known)), key=lambda number: -known.count(number))
    right = np.array(
        [float(n == frequent) if n and here else np.nan for n, here in zip(numbers, judged, strict=True)]
    )
    return System("majority", right, 0, f"{MAJORITY_RULE} ({frequent})", name="majority number")
