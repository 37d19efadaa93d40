"""Behaviour without the heads that were found: rows, a figure, a table and a sentence, beside other heads' ablation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.groups import grouping
from probekit.behavior.questions import ask_suite
from probekit.behavior.systems import system_of
from probekit.behavior.verdicts import clusters, give_verdicts, outcomes_of
from probekit.experiment.erased_compare import Ground
from probekit.experiment.other_heads import Heads, spoken
from probekit.results.formats import format_interval, format_p, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.behavior.answers import Answers
    from probekit.data.suite import Suite
    from probekit.results.outcomes import Outcomes

Array = NDArray[Any]
UNABLATED = "unablated"
RANDOM = "random-heads"
LEVEL = 0.05
WAYS = {
    "mean": "replaced by its mean",
    "zero": "set to zero",
    "resample": "replaced by what it was elsewhere",
}


@dataclass(frozen=True)
class Aim:
    """A relation or link, the heads that were found by it, and what was found of them (as a sentence's half)."""

    name: str
    heads: Heads
    told: str = ""


@dataclass(frozen=True, eq=False)
class Without:
    """The answers to every suite with the heads of an aim ablated, and with other heads, draw by draw."""

    aim: Aim
    own: Sequence[Answers]
    others: Sequence[tuple[Heads, Sequence[Answers]]] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Ablated:
    """What suites lose without the heads found: rows (measurements), panels (pictures), outcomes, a sentence.

    Metrics of the rows: ``accuracy``; ``accuracy_lost``, unablated minus ablated; ``used``, the accuracy without other
    heads (mean over draws) minus that without the heads found, on the same items. Families of p values run over aims.
    """

    suites: tuple[Suite, ...]
    unablated: Sequence[Answers]
    without: tuple[Without, ...]
    about: About
    how: str = "mean"
    resamples: int = 1000
    _right: dict[int, Array] = field(default_factory=dict, repr=False)

    @cached_property
    def rows(self) -> list[Measurement]:
        """Every number, suite by suite."""
        return [row for number, suite in enumerate(self.suites) for row in self._of_suite(number, suite)]

    @cached_property
    def panels(self) -> list[Panel]:
        """The sentence; for every suite what is lost without the heads found and without others; a table."""
        name = slug(self.about.model, "without-heads")[:60]
        panels = [Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": self.summary})]
        panels += [self._forest(suite, f"{name}-{slug(suite.name)[:24]}") for suite in self.suites]
        return [*panels, self._table(f"{name}-table")]

    @cached_property
    def summary(self) -> str:
        """What a paper would write: every suite, every aim, with interval and p."""
        return f"{self.about.model}: " + " ".join(self._told(suite) for suite in self.suites)

    @cached_property
    def outcomes(self) -> Mapping[str, Outcomes]:
        """What happened to every item, by what was ablated and the suite."""
        found: dict[str, Outcomes] = {}
        for number, suite in enumerate(self.suites):
            questions = ask_suite(suite)
            said = {
                UNABLATED: self.unablated,
                **{f"without-{slug(one.aim.name)}": one.own for one in self.without},
            }
            for name, answers in said.items():
                verdicts = give_verdicts(suite, questions, answers[number])
                found[f"{name}.{slug(suite.name)}"] = outcomes_of(suite, questions, verdicts)
        return found

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    def __repr__(self) -> str:
        return f"<Ablated {self.about.model}: {len(self.without)} sets of heads, {len(self.rows):,} rows>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        labels = self.panels[-1].labels
        return f"<p>{escape(self.summary)}</p>{table(labels['columns'], labels['rows'], labels['formats'])}"

    def row(
        self, metric: str, suite: Suite, aim: str = "", control: str = "", reference: str = ""
    ) -> Measurement | None:
        """The row of a suite that says this, over all items; None where there is none."""
        group = f"heads of={aim}" if aim else ""
        wanted = (metric, suite.name, group, control, reference)
        for row in self.rows:
            if (row.metric, row.corpus, row.group, row.control, row.reference) == wanted and not row.seeds:
                return row
        return None

    def _of_suite(self, number: int, suite: Suite) -> Iterator[Measurement]:
        questions = ask_suite(suite)
        cluster = clusters(suite, questions)
        clustered = any(item.cluster for item in suite.items)
        spoken_clusters = "clusters of items" if clustered else "items"

        def right(answers: Sequence[Answers]) -> Array:
            known = id(answers[number])
            if known not in self._right:
                self._right[known] = system_of(give_verdicts(suite, questions, answers[number])).right
            return self._right[known]

        whole = right(self.unablated)
        own = {one.aim.name: right(one.own) for one in self.without}
        others = {
            one.aim.name: np.mean([right(answers) for _, answers in one.others], axis=0)
            for one in self.without
            if one.others
        }
        parts = [("", np.ones(len(cluster), dtype=bool))]
        for division in grouping(suite, questions)[1:]:
            parts += [(name, division.code == code) for code, name in enumerate(division.names)]
        for part, inside in parts:
            if not inside.any():
                continue
            ground = Ground(cluster[inside], spoken_clusters, self.resamples)
            base: dict[str, Any] = {"corpus": suite.name, "part": part}
            yield ground.mean(self._row("accuracy", None, **base), whole[inside])
            for one in self.without:
                name = one.aim.name
                yield ground.mean(self._row("accuracy", one, **base), own[name][inside])
                if name in others:
                    yield ground.mean(
                        self._row("accuracy", one, control=RANDOM, **base), others[name][inside]
                    )
                elif not part:
                    reason = "every head of a layer was found, so there are no others to ablate"
                    yield self._row("accuracy", one, control=RANDOM, reason=reason, **base)
                if not part and len(one.others) > 1:
                    for draw, (heads, answers) in enumerate(one.others):
                        row = self._row(
                            "accuracy", one, control=RANDOM, heads=heads, seeds=(("heads", draw),), **base
                        )
                        yield ground.mean(row, right(answers)[inside])
            yield from ground.differences(
                [self._row("accuracy_lost", one, reference=UNABLATED, **base) for one in self.without],
                [(whole[inside], own[one.aim.name][inside]) for one in self.without],
            )
            beside = [one for one in self.without if one.aim.name in others]
            yield from ground.differences(
                [
                    self._row("accuracy_lost", one, control=RANDOM, reference=UNABLATED, **base)
                    for one in beside
                ],
                [(whole[inside], others[one.aim.name][inside]) for one in beside],
            )
            yield from ground.differences(
                [self._row("used", one, reference=f"control={RANDOM}", **base) for one in beside],
                [(others[one.aim.name][inside], own[one.aim.name][inside]) for one in beside],
            )

    def _row(
        self, metric: str, one: Without | None, *, part: str = "", control: str = "", heads: Heads | None = None,
        reason: str = "not measured", **fields: Any,
    ) -> Measurement:  # fmt: skip
        about, method, layer, group = self.about, UNABLATED, "", part
        if one is not None:
            group = f"heads of={one.aim.name}{', ' if part else ''}{part}"
            found = heads or one.aim.heads
            if control and heads is None:
                method = f"other heads, as many in layer {', '.join(found)}; mean of {len(one.others)} draws"
            else:
                method = f"ablation ({self.how}) of {spoken(found)}"
            layer = next(iter(found)) if len(found) == 1 else ""
        given = {
            "run": about.run, "question": about.question, "model": about.model, "model_kind": about.model_kind,
            "site": "heads", "unit": "item", "layer": layer, "method": method, "group": group, "control": control,
            "reason": reason,
        }  # fmt: skip
        return Measurement(metric=metric, **(given | fields))

    def _forest(self, suite: Suite, name: str) -> Panel:
        shown = [f"{one.aim.name}: {spoken(one.aim.heads)}" for one in self.without]
        series: list[dict[str, str]] = [{"name": "heads found", "style": "task"}]
        lines = [
            [self.row("accuracy_lost", suite, one.aim.name, reference=UNABLATED) for one in self.without]
        ]
        if any(one.others for one in self.without):
            series.append({"name": "other heads of the same layers", "style": "control"})
            lines.append(
                [self.row("accuracy_lost", suite, one.aim.name, RANDOM, UNABLATED) for one in self.without]
            )

        def numbers(key: str) -> Array:
            return np.array(
                [
                    [
                        np.nan if row is None or getattr(row, key) is None else getattr(row, key)
                        for row in line
                    ]
                    for line in lines
                ],
                dtype=np.float64,
            )

        return Panel(
            "forest",
            name,
            f"{suite.name}: what {self.about.model} loses without its heads",
            f"Accuracy unablated minus that with a head's output {WAYS[self.how]}, on the same items. Heads as "
            "layer.head, found on dev sentences of the corpus; others: as many of the same layers, mean over draws. "
            "Bars: 95 % intervals over items.",
            {key: numbers(key) for key in ("value", "low", "high")},
            {
                "rows": shown,
                "value_label": "accuracy lost (share of items)",
                "series": series,
                "reference": {"value": 0.0, "name": "nothing"},
            },
        )

    def _table(self, name: str) -> Panel:
        columns = [
            "heads of",
            "heads",
            "suite",
            "unablated",
            "without",
            "without others",
            "used",
            "95 %",
            "p (Holm)",
        ]
        rows: list[list[Any]] = []
        for suite in self.suites:
            whole = self.row("accuracy", suite)
            for one in self.without:
                used = self._used(suite, one)
                found = [
                    whole,
                    self.row("accuracy", suite, one.aim.name),
                    self.row("accuracy", suite, one.aim.name, RANDOM),
                    used,
                ]
                rows.append(
                    [
                        one.aim.name,
                        spoken(one.aim.heads),
                        suite.name,
                        *(None if row is None else row.value for row in found),
                        "" if used is None else format_interval(used.low, used.high),
                        None if used is None else used.p_adjusted,
                    ]
                )
        return Panel(
            "table",
            name,
            f"Behaviour of {self.about.model} without the heads found",
            f"Share of items right; an ablated head's output is {WAYS[self.how]}. Used: without others minus without "
            "the heads found, on the same items; p by sign flips, Holm-corrected over the rows of a suite.",
            labels={
                "columns": columns,
                "rows": rows,
                "formats": ["text", "text", "text", *["score"] * 4, "text", "p"],
            },
        )

    def _used(self, suite: Suite, one: Without) -> Measurement | None:
        return self.row("used", suite, one.aim.name, reference=f"control={RANDOM}")

    def _told(self, suite: Suite) -> str:
        whole = self.row("accuracy", suite)
        n = 0 if whole is None else whole.n
        text = f"On {suite.name} ({n:,} items) it is right in {_score(whole)}."
        return " ".join([text, *(self._told_of(suite, one) for one in self.without)])

    def _told_of(self, suite: Suite, one: Without) -> str:
        own = self.row("accuracy", suite, one.aim.name)
        lost = self.row("accuracy_lost", suite, one.aim.name, reference=UNABLATED)
        n = sum(map(len, one.aim.heads.values()))
        text = f"Without {'head' if n == 1 else 'heads'} {spoken(one.aim.heads)} ({one.aim.name}"
        text += f"; {one.aim.told})" if one.aim.told else ")"
        used = self._used(suite, one)
        if used is None or used.value is None:
            return f"{text} in {_score(own)}{_tested(lost)}; there are no other heads to compare with."
        beside = self.row("accuracy", suite, one.aim.name, RANDOM)
        text += f" in {_score(own)}, without as many others of the same layer in {_score(beside)}: "
        text += f"{format_score(used.value)}{_tested(used)}"
        if not _clear(used):
            return f"{text}; no use of them is shown."
        if used.value < 0:
            better = _clear(lost) and lost is not None and (lost.value or 0.0) < 0
            return f"{text}; {'behaviour is better without them' if better else 'the others cost more'}."
        if not (_clear(lost) and lost is not None and (lost.value or 0.0) > 0):
            return f"{text}; but nothing is lost against the model as it is, so no use of them is shown."
        return f"{text}; behaviour hangs on them."


def _clear(row: Measurement | None) -> bool:
    """Whether a difference is told from 0 after correction."""
    return row is not None and row.p_adjusted is not None and row.p_adjusted < LEVEL


def _score(row: Measurement | None) -> str:
    return format_score(None if row is None else row.value)


def _tested(row: Measurement | None) -> str:
    """Interval and p of a difference."""
    if row is None:
        return ""
    bounds = format_interval(row.low, row.high)
    if row.p_adjusted is None:
        return f" {bounds}"
    p = format_p(row.p_adjusted)
    return f" {bounds}, p {p if p.startswith('<') else f'= {p}'} (Holm over {row.family_size})"
