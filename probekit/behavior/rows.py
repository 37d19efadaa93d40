"""From verdicts to rows: accuracy of everyone in every group, differences from the baselines, what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.groups import Grouping, grouping
from probekit.behavior.questions import Questions
from probekit.behavior.systems import System
from probekit.behavior.tally import Tally, tally
from probekit.behavior.verdicts import clusters
from probekit.data.suite import Suite
from probekit.maths.exact import all_or_none_interval
from probekit.maths.mcnemar import mcnemar_exact
from probekit.maths.resampling import Interval, holm, mean_interval
from probekit.maths.sign_flips import sign_flip_p
from probekit.results.measurement import About, Measurement

Array = NDArray[Any]

MCNEMAR = "; p: exact McNemar test over items, two-sided"
SIGN_FLIPS = "; p: sign flips by {clusters}, two-sided"
EXACT = "exact binomial over {clusters}, 95%: every item was answered alike"
UNPAIRED = "unpaired "
PAIRED = "paired "


def make_rows(
    suite: Suite,
    questions: Questions,
    model: System,
    controls: Sequence[System],
    layers: Sequence[System],
    nulls: Mapping[str, str],
    about: About,
    *,
    resamples: int = 1000,
) -> list[Measurement]:
    """Every row of a judgement of predictions; see docs/behavior.md for what each says."""
    maker = _Rows(suite, questions, model, controls, layers, about, resamples)
    return [
        *maker.accuracies(),
        *maker.nulls(nulls),
        *maker.against_baselines(),
        *maker.natural_against_nonce(),
        *maker.whole_items(),
        *maker.left_out(),
    ]


def base_row(suite: Suite, model: System, about: About) -> Measurement:
    """What all rows of a judgement share."""
    return Measurement(
        metric="accuracy",
        run=about.run,
        question=about.question,
        corpus=about.corpus or suite.name,
        model=about.model or model.name,
        model_kind=about.model_kind,
        site="",
        split="",
        unit="item",
    )


def spoken_rule(suite: Suite, rule: str) -> str:
    """How scores came about, as every row states it: the scorer's rule and the form of the texts."""
    return f"{rule}; texts: {suite.text_rule}"


def spoken_interval(suite: Suite, resamples: int) -> str:
    """How intervals were made, in the words a row carries."""
    return f"cluster bootstrap over {spoken_clusters(suite)}, {resamples} resamples, 95% percentile"


def spoken_clusters(suite: Suite) -> str:
    """What is resampled: items, or the templates (clusters) they come from."""
    return "clusters of items" if any(item.cluster for item in suite.items) else "items"


class _Rows:
    def __init__(
        self,
        suite: Suite,
        questions: Questions,
        model: System,
        controls: Sequence[System],
        layers: Sequence[System],
        about: About,
        resamples: int,
    ) -> None:
        self.suite, self.model, self.layers = suite, model, layers
        self.systems = [model, *controls, *layers]
        self.controls = list(controls)
        self.about = about
        self.questions, self.resamples = questions, resamples
        self.cluster = clusters(suite, questions)
        self.clustered = len(np.unique(self.cluster)) < len(self.cluster)
        self.test = SIGN_FLIPS.format(clusters=spoken_clusters(suite)) if self.clustered else MCNEMAR
        self.groupings = grouping(suite, questions)
        self.how = spoken_interval(suite, resamples)
        self.base = base_row(suite, model, about)
        columns = [system.right for system in self.systems]
        columns += [model.right - control.right for control in controls]  # NaN unless both were judged
        shares = [True] * len(self.systems) + [False] * len(controls)
        self.tally: Tally = tally(columns, shares, self.groupings, self.cluster, resamples=resamples)

    def groups(self) -> Iterator[tuple[Grouping, str, int]]:
        """Every group with its division, its name, and its place in the tally."""
        for start, one in zip(self.tally.starts, self.groupings, strict=False):
            for number, name in enumerate(one.names):
                yield one, name, int(start) + number

    def row(self, system: System, **fields: Any) -> Measurement:
        twin = system.control == "random-twin"
        return replace(
            self.base,
            layer=system.layer,
            method=spoken_rule(self.suite, system.rule),
            control=system.control,
            model_kind="random" if twin else self.base.model_kind,
            seeds=system.seeds,
            **fields,
        )

    def accuracies(self) -> Iterator[Measurement]:
        for column, system in enumerate(self.systems):
            for one, name, group in self.groups():
                n = int(self.tally.n[column, group])
                row = self.row(system, group=name, n=n, n_left_out=self._absent(column, one, name))
                if not n:
                    yield replace(row, reason="every item was left out")
                    continue
                seconds = system.seconds if not name else None
                yield replace(self._bounded(row, self.tally.interval(column, group)), seconds=seconds)
                if not name:
                    yield replace(row, metric="ties", value=float(system.ties), reason="")
            yield from self._macro(column, system)

    def _macro(self, column: int, system: System) -> Iterator[Measurement]:
        for number, one in enumerate(self.groupings):
            if one.key != "phenomenon":
                continue
            start = int(self.tally.starts[number])
            bounds, n_groups = self.tally.macro(column, slice(start, start + len(one.names)))
            n = int(self.tally.n[column, 0])
            row = self.row(
                system, metric="macro_accuracy", group="mean over phenomena", n=n,
                n_left_out=self._absent(column, self.groupings[0], ""),
            )  # fmt: skip
            if n_groups:
                yield self._bounded(row, bounds)
            else:
                yield replace(row, reason="every item was left out")

    def nulls(self, nulls: Mapping[str, str]) -> Iterator[Measurement]:
        """Baselines that there are none of, with the reason."""
        for control, reason in nulls.items():
            yield replace(self.base, control=control, value=None, reason=reason)

    def against_baselines(self) -> Iterator[Measurement]:
        """The model minus each baseline on the items that both were judged on: overall, then by phenomenon."""
        for key in ("", "phenomenon"):
            found = [(one, name, group) for one, name, group in self.groups() if one.key == key]
            family = [
                (number, control, one, name, group)
                for number, control in enumerate(self.controls)
                for one, name, group in found
            ]
            p = np.array([self._p(control, one, name) for _, control, one, name, _ in family])
            for (number, control, one, name, group), one_p, adjusted in zip(family, p, holm(p), strict=True):
                column = len(self.systems) + number
                n = int(self.tally.n[column, group])
                row = replace(
                    self.row(self.model),
                    metric="accuracy_difference",
                    group=name,
                    reference=self._reference(control),
                    n=n,
                    n_left_out=int(self._members(one, name).sum()) - n,
                )
                if not n:
                    yield replace(row, reason="no item was judged by both")
                    continue
                row = self._bounded(row, self.tally.interval(column, group), PAIRED)
                if np.isnan(one_p):
                    yield row
                else:
                    yield replace(
                        row, p=float(one_p), p_adjusted=float(adjusted), family_size=int((~np.isnan(p)).sum()),
                        interval=row.interval + self.test,
                    )  # fmt: skip
                exact = self._mcnemar(control, one, name)
                if self.clustered and not name and not np.isnan(exact):
                    yield replace(row, metric="mcnemar_p", value=exact, low=None, high=None,
                                  interval="exact McNemar test, which takes items as independent")  # fmt: skip

    def natural_against_nonce(self) -> Iterator[Measurement]:
        """Accuracy on natural items minus that on nonce items, for everyone."""
        place = {
            name: group for one, name, group in self.groups() if one.key in ("nonce", "attractors nonce")
        }
        pairs: list[tuple[str, int, int]] = [
            (name.replace("nonce=natural", "").strip(), group, place[twin])
            for name, group in place.items()
            if "nonce=natural" in name and (twin := name.replace("nonce=natural", "nonce=nonce")) in place
        ]
        for column, system in enumerate(self.systems):
            for name, group, other in pairs:
                n = int(self.tally.n[column, [group, other]].sum())
                row = self.row(
                    system, metric="accuracy_difference", group=f"{name} nonce=natural".strip(), n=n,
                    reference="nonce=nonce",
                )  # fmt: skip
                yield self._bounded(row, self.tally.difference(column, group, other), UNPAIRED)

    def whole_items(self) -> Iterator[Measurement]:
        """The share of items of which every prediction holds, where items have several."""
        item = np.array([case.item for case in self.questions.cases])
        found, first, number = np.unique(item, return_index=True, return_inverse=True)
        if len(found) == len(item):
            return
        judged = ~np.isnan(self.model.right)
        whole = np.bincount(number, weights=judged) == np.bincount(number)
        held = np.bincount(number, weights=np.nan_to_num(self.model.right)) == np.bincount(number)
        row = self.row(self.model, group="every prediction of an item", n=int(whole.sum()),
                       n_left_out=int((~whole).sum()))  # fmt: skip
        if not whole.any():
            yield replace(row, reason="every item was left out")
            return
        cluster = self.cluster[first][whole]
        right = held[whole].astype(np.float64)
        bounds = mean_interval(right, cluster, resamples=self.resamples)
        if bounds.value in (0.0, 1.0):
            bounds = all_or_none_interval(bounds.value, len(np.unique(cluster)))
        yield self._bounded(row, bounds)

    def left_out(self) -> Iterator[Measurement]:
        """How many items the model could not be judged on, by reason."""
        for reason, number in self.model.left_out.items():
            yield self.row(
                self.model, metric="left_out", group=f"reason={reason}", value=float(number),
                n=int((~np.isnan(self.model.right)).sum()), n_left_out=number,
            )  # fmt: skip

    def _bounded(self, row: Measurement, bounds: Interval, paired: str = "") -> Measurement:
        made = paired + self.how if np.isfinite(bounds.low) else ""
        if made and not paired and bounds.value in (0.0, 1.0):
            made = EXACT.format(clusters=spoken_clusters(self.suite))
        return replace(row, value=bounds.value, low=bounds.low, high=bounds.high, interval=made, reason="")

    def _reference(self, control: System) -> str:
        """How a baseline is named as a reference; of several twins with their seeds."""
        several = sum(other.control == control.control for other in self.controls) > 1
        return " ".join([f"control={control.control}", *(f"{k}={v}" for k, v in control.seeds if several)])

    def _members(self, one: Grouping, name: str) -> Array:
        members: Array = one.code == one.names.index(name)
        return members

    def _absent(self, column: int, one: Grouping, name: str) -> int:
        """Cases of a group that a system was not judged on."""
        return int((self._members(one, name) & np.isnan(self.systems[column].right)).sum())

    def _p(self, control: System, one: Grouping, name: str) -> float:
        """The exact McNemar test where every case is a cluster by itself, else sign flips of whole clusters."""
        if not self.clustered:
            return self._mcnemar(control, one, name)
        difference = np.where(self._members(one, name), self.model.right - control.right, np.nan)
        both = ~np.isnan(difference)
        return (
            float(sign_flip_p(difference[both][None], self.cluster[both])[0]) if both.any() else float("nan")
        )

    def _mcnemar(self, control: System, one: Grouping, name: str) -> float:
        inside = self._members(one, name)
        a, b = self.model.right[inside], control.right[inside]
        both = ~np.isnan(a) & ~np.isnan(b)
        if not control.single or not both.any():
            return float("nan")
        a, b = a[both] > 0, b[both] > 0
        return float(mcnemar_exact(int((a & ~b).sum()), int((~a & b).sum())))
