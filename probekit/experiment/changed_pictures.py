"""What adaptation changed, in pictures: probes, states, heads and behaviour before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.experiment.change_cells import BEFORE
from probekit.experiment.change_rows import REFITTED, TRANSFERRED
from probekit.experiment.changed_told import sentences, tested
from probekit.maths.resampling import describe_interval
from probekit.results.formats import slug
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel

if TYPE_CHECKING:
    from probekit.experiment.change_rows import ProbedTask
    from probekit.experiment.changed import Changed

Array = NDArray[Any]
Row = Measurement | None
AFTER = {"": "adapted", "shuffled-labels": "shuffled labels"}
SHORT = {"": "", "shuffled-labels": "shuffled labels: "}
STYLE = {"": "task", "shuffled-labels": "control"}


def make_panels(changed: Changed) -> list[Panel]:
    """For everything that was asked for, what came out in sentences, then its figures and tables."""
    name = slug(changed.about.model, "changed")[:50]
    told = sentences(changed)
    drawn: dict[str, list[Panel]] = {}
    for number, one in enumerate(changed.probed):
        curves = _probe_curves(changed, one, f"{name}-{slug(one.name)[:28]}")
        first = [] if number else [_verdicts(changed, f"{name}-verdicts")]
        drawn[f"What probes of {one.name} say"] = [*curves, *first]
    if changed.moved:
        drawn["How far states moved"] = [_drift(changed, f"{name}-drift"), _alike(changed, f"{name}-cka")]
    if len(changed.heads) > 1:
        drawn["Heads"] = [_heads(changed, f"{name}-heads")]
    suites = [_suites(changed, f"{name}-suites")] if changed.suites and len(changed.answers) > 1 else []
    lines = _behaviour(changed)
    title = f"Behaviour of {changed.about.model} before and after"
    drawn["Behaviour"] = [*suites, *([_table(f"{name}-behaviour", title, lines)] if lines else [])]
    panels: list[Panel] = []
    for title in dict.fromkeys([*told, *drawn]):
        if title in told:
            words = {"text": told[title]}
            panels.append(Panel("sentence", f"{name}-{slug(title)[:36]}-told", title, labels=words))
        panels += drawn.get(title, [])
    return panels


def numbers(lines: Sequence[Sequence[Row]], key: str) -> Array:
    """One field of rows as float64 [series, points]; NaN where there is none."""
    return np.array(
        [
            [np.nan if row is None or getattr(row, key) is None else getattr(row, key) for row in line]
            for line in lines
        ],
        dtype=np.float64,
    )


def _arrays(lines: Sequence[Sequence[Row]]) -> dict[str, Array]:
    return {key: numbers(lines, key) for key in ("value", "low", "high")}


def _probe_curves(changed: Changed, one: ProbedTask, name: str) -> list[Panel]:
    """Accuracy of the probes; then what changed, paired, beside the control: bands of the first overlap though the
    same units were asked."""

    def line(probe: str) -> list[Row]:
        return [changed.row("accuracy", f"task={one.name}, probe={probe}", layer) for layer in one.layers]

    labels: dict[str, Any] = {"layers": list(one.layers), "x_label": "layer", "y_label": "accuracy (test)"}
    majority = changed.row("accuracy", f"task={one.name}", control="majority")
    if majority is not None and majority.value is not None:
        labels["reference"] = {"value": majority.value, "name": "most frequent label"}
    probes = ((REFITTED, "fitted anew"), (TRANSFERRED, "old probe"))
    series = [{"name": f"after: {word}", "style": "task"} for _, word in probes]
    series.append({"name": "before", "style": "baseline"})
    bands = f"{_seeds(changed)} Bands: {describe_interval(changed.resamples)}."
    both = "The old probe was fitted to states before, and is asked about states after; the other is fitted to these."
    title = f"{one.name} in {changed.about.model}, before and after it was adapted to {changed.task}"
    lines = [*(line(probe) for probe, _ in probes), line(BEFORE)]
    panels = [
        Panel("layer-curve", name, title, f"{both}{bands}", _arrays(lines), {**labels, "series": series})
    ]
    series, lines = [], []
    for control in changed.controls:
        for probe, word in probes:
            series.append({"name": f"{SHORT[control]}{word}", "style": STYLE[control]})
            lines.append([changed.change(one.name, layer, probe, control) for layer in one.layers])
    return [
        *panels,
        Panel(
            "layer-curve",
            f"{name}-change",
            f"{one.name} in {changed.about.model}: what changed",
            "Accuracy after minus before, on the same units. Where both probes fall, something was forgotten; where "
            f"the old one alone does, re-arranged.{_shuffled(changed)}{_seeds(changed)} Bands: paired "
            f"{describe_interval(changed.resamples)}.",
            _arrays(lines),
            {
                **{key: labels[key] for key in ("layers", "x_label")},
                "y_label": "change of accuracy",
                "series": series,
                "reference": {"value": 0.0, "name": "no change"},
            },
        ),
    ]


def _shuffled(changed: Changed) -> str:
    if len(changed.controls) < 2:
        return ""
    return " Shuffled labels: the same training on labels that say nothing."


def _seeds(changed: Changed) -> str:
    n = sum(not one.control for one in changed.versions)
    return f" Means over {n} seeds of the adaptation." if n > 1 else " One seed of the adaptation."


def _verdicts(changed: Changed, name: str) -> Panel:
    columns = ["task", "layer", "before"]
    for control in changed.controls:
        mark = "" if not control else "shuffled: "
        columns += [f"{mark}old probe", f"{mark}fitted anew", f"{mark}change of the latter", f"{mark}verdict"]
    rows: list[list[Any]] = []
    for one in changed.probed:
        for layer in one.layers:
            was = changed.row("accuracy", f"task={one.name}, probe={BEFORE}", layer)
            cells: list[Any] = [one.name, layer, None if was is None else was.value]
            for control in changed.controls:
                for probe in (TRANSFERRED, REFITTED):
                    row = changed.row("accuracy", f"task={one.name}, probe={probe}", layer, control)
                    cells.append(None if row is None else row.value)
                change = changed.change(one.name, layer, REFITTED, control)
                cells += [tested(change).split(" (Holm")[0], changed.verdict(one.name, layer, control)]
            rows.append(cells)
    return Panel(
        "table",
        name,
        f"Forgotten or re-arranged: {changed.about.model} adapted to {changed.task}",
        "Accuracy on test units. Forgotten: a probe fitted anew gets less right than before (partly: by less than half "
        "of the old probe's loss); re-arranged: the old probe gets less right, and of the new one no loss is shown. "
        "Paired differences; p by sign flips of sentences, Holm-corrected over all tasks and layers; a change counts "
        "below 0.05.",
        labels={
            "columns": columns,
            "rows": rows,
            "formats": ["text", "text", "score", *["score", "score", "text", "text"] * len(changed.controls)],
        },
    )


def _drift(changed: Changed, name: str) -> Panel:
    layers = next(iter(changed.moved.values())).layers
    lines = [
        [changed.row("relative_change", layer=layer, control=control, reference=BEFORE) for layer in layers]
        for control in changed.controls
    ]
    series = [{"name": AFTER[control], "style": STYLE[control]} for control in changed.controls]
    return Panel(
        "layer-curve",
        name,
        f"How far states of {changed.about.model} moved",
        "Length of a word's change by the length of its state before, mean over words; 0: it stayed where it was."
        f"{_seeds(changed)} Bands: {describe_interval(changed.resamples)}.",
        _arrays(lines),
        {
            "layers": list(layers),
            "x_label": "layer",
            "y_label": "relative change of a state",
            "series": series,
        },
    )


def _alike(changed: Changed, name: str) -> Panel:
    """CKA, a line for each seed: its interval is of that seed."""
    layers = next(iter(changed.moved.values())).layers
    by = {(row.control, row.seeds, row.layer): row for row in changed.rows if row.metric == "cka"}
    series, lines = [], []
    for version in changed.moved:
        seeds = (("adapt", version.seed or 0),)
        several = sum(one.control == version.control for one in changed.moved) > 1
        label = AFTER[version.control] + (f", seed {version.seed}" if several else "")
        series.append({"name": label, "style": STYLE[version.control]})
        lines.append([by.get((version.control, seeds, layer)) for layer in layers])
    first = next(iter(changed.moved.values()))
    return Panel(
        "layer-curve",
        name,
        f"How alike each layer of {changed.about.model} is to itself before",
        f"{first.method}, over {first.n:,} words; 1: the same but for rotation and scale."
        + (f" Bands: {first.interval}." if first.interval else ""),
        _arrays(lines),
        {
            "layers": list(layers),
            "x_label": "layer",
            "y_label": "CKA with the layer before",
            "series": series,
        },
    )


def _heads(changed: Changed, name: str) -> Panel:
    rows = [row for row in changed.rows if row.site == "heads" and row.metric == "accuracy" and not row.seeds]
    ends: list[tuple[str, str, str, str]] = [("before", "baseline", ", head=before", "")]
    for control in changed.controls:
        ends += [
            (f"{AFTER[control]}: the same head", STYLE[control], ", head=same", control),
            (f"{AFTER[control]}: best head now", STYLE[control], ", head=anew", control),
        ]
    ends.append(("best fixed offset", "twin", "", "fixed-offset"))
    names, keys = [], []
    for row in rows:
        if ", head=before" in row.group:
            at = row.group.split(", head=")[0]
            number = row.group.rsplit("number=", 1)[1]
            relation = at.replace("relation=", "").replace(", direction=", ", from the ")
            names.append(f"{relation} (head {row.layer}.{number})")
            keys.append(at)

    def find(at: str, part: str, control: str) -> Row:
        wanted = at + part
        for row in rows:
            exact = row.group == wanted or (part and row.group.startswith(wanted))
            if row.control == control and exact:
                return row
        return None

    lines = [[find(at, part, control) for at in keys] for _, _, part, control in ends]
    return Panel(
        "forest",
        name,
        f"Heads of {changed.about.model} before and after",
        "Share of test links that a head follows; the head, named in brackets, was chosen on dev before; the best head "
        f"now is chosen on dev anew.{_seeds(changed)} Bars: {describe_interval(changed.resamples)}.",
        _arrays(lines),
        {
            "rows": names, "value_label": "share of links followed (test)",
            "series": [{"name": label, "style": style} for label, style, *_ in ends],
        },
    )  # fmt: skip


def _suites(changed: Changed, name: str) -> Panel:
    suites = [suite.name for suite in changed.suites]
    series = [{"name": "before", "style": "baseline"}]
    lines = [[changed.row("accuracy", f"version={BEFORE}", corpus=suite) for suite in suites]]
    for control in changed.controls:
        series.append({"name": AFTER[control], "style": STYLE[control]})
        lines.append(
            [changed.row("accuracy", "version=after", control=control, corpus=suite) for suite in suites]
        )
    return Panel(
        "forest",
        name,
        f"Suites judged before and after {changed.about.model} was adapted to {changed.task}",
        "Share of items right. The adapted body is read by the language-model head that the model had before."
        f"{_seeds(changed)} Bars: 95 % intervals over items.",
        _arrays(lines),
        {"rows": suites, "value_label": "items right", "series": series},
    )  # fmt: skip


def _behaviour(changed: Changed) -> list[list[Any]]:
    """What is done before and after, a line for each measure: suites, perplexity."""
    asked = [("accuracy", "accuracy_difference", suite.name, suite.name) for suite in changed.suites]
    asked = asked if len(changed.answers) > 1 else []
    if len(changed.surprise) > 1:
        metric = next(row.metric for row in changed.rows if "bits_per_piece" in row.metric)
        asked.append((metric, f"{metric}_difference", "", metric.replace("_", " ")))
    lines = []
    for metric, difference, corpus, label in asked:
        was = changed.row(metric, f"version={BEFORE}", corpus=corpus)
        for control in changed.controls:
            now = changed.row(metric, "version=after", control=control, corpus=corpus)
            change = changed.row(difference, "version=after", "", control, BEFORE, corpus)
            lines.append(
                [
                    label, AFTER[control], *(None if row is None else row.value for row in (was, now)),
                    tested(change), 0 if was is None else was.n,
                ]
            )  # fmt: skip
    return lines


def _table(name: str, title: str, lines: list[list[Any]]) -> Panel:
    return Panel(
        "table",
        name,
        title,
        "Suites: share of items right; bits per piece: the lower, the less surprised. After: read by the "
        "language-model head that the model had before. Paired differences; p by sign flips, Holm-corrected over "
        "suites.",
        labels={
            "columns": ["what", "version", "before", "after", "change", "items or sentences"],
            "rows": lines,
            "formats": ["text", "text", "score", "score", "text", "int"],
        },
    )
