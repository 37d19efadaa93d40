"""Anchors: which way round a suite is meant, checked whenever it is loaded.

A comparison that is flipped by mistake gives a weak model a high score and a good one a low score, and nothing else
looks wrong. So every suite carries texts with surprisals given by hand, and says whether its prediction holds of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from probekit.data.formula import Formula, Region, parse_formula
from probekit.data.suite import Anchor, Condition, Item, Kind, Prediction, Suite
from probekit.errors import ConfigError, did_you_mean

ACCEPTABLE = parse_formula("(*;%0%) > (*;%1%)")
"""Of sentences with labels: the one labelled 0 (not acceptable) is the more surprising."""


def check_anchors(suite: Suite) -> int:
    """Apply the predictions to the anchors' hand-given scores; the number of anchors, or ConfigError at a mismatch.

    >>> from probekit.data.anchors import check_anchors
    >>> check_anchors(pk.load_suite("simple-agreement"))
    2
    """
    return check_scores(suite.name, suite.anchors, suite.predictions, suite.kind)


def check_scores(
    name: str, anchors: Sequence[Anchor], predictions: Sequence[Prediction], kind: Kind | None
) -> int:
    """As `check_anchors`, of what is known of a suite before its items are read."""
    for number, anchor in enumerate(anchors, 1):
        where = f"suite {name!r}, anchor {number}"
        for earlier, other in enumerate(anchors[: number - 1], 1):
            if (other.texts, other.prediction) == (anchor.texts, anchor.prediction) and (
                other.expect != anchor.expect
            ):
                raise ConfigError(
                    f"{where}: the texts are those of anchor {earlier}, which expects the opposite; a reversed anchor"
                    " has its texts exchanged too"
                )
        formula = anchor_formula(anchor, predictions, kind, where)

        def bits(region: Region, condition: str, anchor: Anchor = anchor, where: str = where) -> float:
            key = f"{region};{condition}"
            if key not in anchor.scores:
                raise ConfigError(f"{where}: scores lack {key!r}, which the prediction needs")
            return anchor.scores[key]

        if formula.judge(bits).holds != anchor.expect:
            said = "must hold and does not" if anchor.expect else "must not hold and does"
            raise ConfigError(
                f"{where}: {formula} {said}, given its scores (bits); the comparison is flipped, or the scores are"
            )
    return len(anchors)


def anchor_formula(
    anchor: Anchor, predictions: Sequence[Prediction], kind: Kind | None, where: str
) -> Formula:
    """The formula that an anchor is about: the one it names, or the suite's first."""
    if kind == "acceptability":
        return ACCEPTABLE
    by_name = {prediction.name: prediction.formula for prediction in predictions}
    if anchor.prediction:
        if anchor.prediction not in by_name:
            hint = did_you_mean(anchor.prediction, by_name)
            raise ConfigError(f"{where}: no prediction {anchor.prediction!r}; {hint}")
        return by_name[anchor.prediction]
    if not by_name:
        raise ConfigError(f"{where}: the suite predicts nothing")
    return next(iter(by_name.values()))


def anchor_item(anchor: Anchor, kind: Kind, number: int = 1) -> Item:
    """The texts of an anchor as an item, so that a model can score it."""
    conditions = tuple(marked_condition(name, text, kind) for name, text in anchor.texts.items())
    return Item(f"anchor-{number}", conditions)


def marked_condition(name: str, text: str, kind: Kind, source: str = "") -> Condition:
    """A condition from a text in which bars between spaces part the regions: ``The keys | are | here``."""
    if kind in ("sentence", "acceptability"):
        return Condition.of_text(name, text, source)
    return Condition.of_parts(name, re.split(r"(?:^|(?<=\s))\|(?=\s|$)", text), source)
