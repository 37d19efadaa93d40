"""The items of a judged suite one by one, and which of them were worst and best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.questions import Case, Questions
from probekit.behavior.systems import System
from probekit.behavior.verdicts import LABELS
from probekit.data.suite import Suite

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

LONGEST = 240
"""Characters of a text that a table shows."""


def items_table(suite: Suite, questions: Questions, model: System) -> pandas.DataFrame:
    """One row per item (and prediction): id, groups, outcome, margin in bits, why left out, the texts compared."""
    import pandas

    keys = sorted({key for item in suite.items for key in item.groups})
    verdicts = model.verdicts
    assert verdicts is not None
    records = []
    for number, case in enumerate(questions.cases):
        item = suite.items[case.item]
        code = int(verdicts.code[number])
        records.append(
            {
                "id": case.id,
                **{key: item.groups.get(key, "") for key in keys},
                "prediction": suite.predictions[case.prediction].name if case.prediction >= 0 else "",
                "outcome": LABELS[code] if code >= 0 else "",
                "margin": float(verdicts.margin[number]),
                "left_out": verdicts.reason[number],
                **{condition.name: condition.text for condition in item.conditions},
            }
        )
    return pandas.DataFrame.from_records(records)


def extremes(model: System, number: int) -> tuple[Array, Array]:
    """The cases with the lowest and with the highest margin, worst first and best first; no case in both."""
    assert model.verdicts is not None
    margin = model.verdicts.margin
    judged = np.flatnonzero(~np.isnan(margin))
    order = judged[np.argsort(margin[judged], kind="stable")]
    half = len(order) // 2
    return order[: min(number, len(order) - half)], order[::-1][: min(number, half)]


def spoken_texts(suite: Suite, case: Case) -> str:
    """The texts that a case compares, each with its condition, shortened in the middle where they are long."""
    item = suite.items[case.item]
    needed = {condition for _, condition in suite.predictions[case.prediction].formula.needs}
    shown = [one for one in item.conditions if one.name in needed]
    room = max(40, LONGEST // max(1, len(shown)))
    return " | ".join(f"{one.name}: {_shorten(one.text, room)}" for one in shown)


def _shorten(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    half = (room - 3) // 2
    return f"{text[:half]} ... {text[-half:]}"
