"""What a sweep looks like: panels and the sentence a paper would write, made from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.maths.scores import confusion
from probekit.probing.layer import LayerResult
from probekit.probing.problem import ProbeProblem
from probekit.probing.rows import Scores, label_f1
from probekit.results.formats import format_interval, format_p, format_score, slug
from probekit.results.measurement import About, Measurement
from probekit.results.panel import Panel

Array = NDArray[Any]

METRICS = {
    "accuracy": "accuracy (share of {unit}s right)",
    "macro_f1": "macro-F1 (mean over labels)",
    "weighted_f1": "weighted F1",
    "mcc": "Matthews correlation",
    "r2": "R² (share of variance explained)",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
}
CONTROL_NAMES = {
    "word-type": ("word-type control task", "control"),
    "shuffled": ("shuffled labels", "control"),
    "random-twin": ("random twins (mean)", "twin"),
    "word-identity": ("word identity alone", "baseline"),
    "majority": ("majority label", "baseline"),
}
MOST_LABELS = 25
MOST_CLASSES = 20


def make_panels(
    problem: ProbeProblem,
    results: Sequence[LayerResult],
    scores: Scores,
    rows: Sequence[Measurement],
    about: About,
) -> list[Panel]:
    """Layer curve, selectivity, table of layers, F1 by label, confusion at the best layer; sentence first."""
    name = slug(about.model, problem.task, results[0].probe)
    layers = [result.layer for result in results]
    x_label = "layer (0 = embeddings)" if "0" in layers else "layer"
    find = _Finder(rows)
    panels = [
        Panel(
            "sentence",
            f"{name}-summary",
            "In a sentence",
            labels={"text": sentence(problem, scores, rows, about)},
        ),
        _curve(problem, scores, find, layers, about, name, x_label),
    ]
    selectivity = _selectivity(problem, find, layers, name, x_label)
    if selectivity is not None:
        panels.append(selectivity)
    panels.append(_table(problem, results, find, name, scores.best))
    if not problem.is_numeric:
        best = next(result for result in results if result.layer == scores.best)
        panels += [_labels(problem, results, name, x_label), _confused(problem, best, name)]
    return panels


def sentence(problem: ProbeProblem, scores: Scores, rows: Sequence[Measurement], about: About) -> str:
    """What a paper would write of this sweep, with its numbers."""
    find, best = _Finder(rows), scores.best
    at_best = find.score(best)
    test = problem.of("test")
    n = f"{len(test):,} {problem.unit}s"
    if problem.unit == "word":
        n += f" in {len(np.unique(problem.cluster[test])):,} sentences"
    parts = [
        f"On the test part of {about.corpus or 'the corpus'} ({n}), {_spoken_probe(at_best.method)} reads "
        f"{problem.task} from layer {best} of {about.model or 'the model'} (chosen on dev among {len(scores.task)} "
        f"layers) with {METRICS[problem.metric].split(' (')[0]} {_bounded(at_best)}"
    ]
    selectivity = find.difference(best, "control=word-type")
    if selectivity is not None and selectivity.value is not None:
        parts.append(f"selectivity over the word-type control task is {_bounded(selectivity)}")
    twins = find.difference(best, "control=random-twin")
    if twins is not None and twins.value is not None:
        n_twins = len(scores.controls["random-twin"][best].per_seed)
        beside = f"the mean of {n_twins} random twins" if n_twins > 1 else "a random twin"
        parts.append(f"it stands {_signed(twins.value)} {beside} (Holm-corrected p {_p(twins.p_adjusted)})")
    identity = find.difference(best, "control=word-identity")
    if identity is not None and identity.value is not None:
        parts.append(f"and {_signed(identity.value)} what the word form alone gives")
    text = "; ".join(parts) + "."
    centre = next((row for row in rows if row.metric == "center_of_gravity"), None)
    if centre is not None and centre.value is not None:
        bounds = f"[{centre.low:.2f}, {centre.high:.2f}]"
        text += f" The centre of gravity of the dev curve is layer {centre.value:.2f} {bounds}."
    return text + " Intervals: 95 %, cluster bootstrap over sentences."


def _spoken_probe(method: str) -> str:
    if method.startswith("LinearProbe"):
        return "a linear probe"
    return "an MLP probe" if method.startswith("MLPProbe") else f"a {method} probe"


def _bounded(row: Measurement) -> str:
    return f"{format_score(row.value)} {format_interval(row.low, row.high)}".rstrip()


def _signed(difference: float) -> str:
    return f"{format_score(abs(difference))} {'above' if difference >= 0 else 'below'}"


class _Finder:
    """Looks rows up by what they say."""

    def __init__(self, rows: Sequence[Measurement]) -> None:
        self.rows = rows
        task = next((row.group for row in rows), "")
        plain = [row for row in rows if row.group == task and not row.reference]
        self._scores = {
            (row.layer, row.control, row.split): row
            for row in plain
            if not row.metric.endswith("_over_seeds") and row.metric != "center_of_gravity"
        }
        self._differences = {(row.layer, row.reference): row for row in rows if row.reference}

    def score(self, layer: str, control: str = "", split: str = "test") -> Measurement:
        return self._scores[layer, control, split]

    def maybe(self, layer: str, control: str) -> Measurement | None:
        return self._scores.get((layer, control, "test")) or self._scores.get(("", control, "test"))

    def difference(self, layer: str, reference: str) -> Measurement | None:
        return self._differences.get((layer, reference))


def _curve(
    problem: ProbeProblem,
    scores: Scores,
    find: _Finder,
    layers: list[str],
    about: About,
    name: str,
    x_label: str,
) -> Panel:
    names = [*scores.controls, *scores.baselines]
    series = [{"name": problem.task, "style": "task"}]
    rows = [[find.score(layer) for layer in layers]]
    for control, (spoken, style) in CONTROL_NAMES.items():
        if control in names:
            series.append({"name": spoken, "style": style})
            rows.append([row for layer in layers if (row := find.maybe(layer, control)) is not None])
    n = len(problem.of("test"))
    at_best = find.score(scores.best)
    return Panel(
        "layer-curve",
        f"{name}-layers",
        f"{problem.task}: {_spoken_probe(at_best.method).split(' ', 1)[1]} on {about.model or 'the model'}",
        f"Test score by layer with the controls of the same probe. Bands: 95 % cluster bootstrap over sentences; "
        f"n = {n:,} {problem.unit}s. Best layer on dev: {scores.best}.",
        {
            "value": _numbers(rows, "value"),
            "low": _numbers(rows, "low"),
            "high": _numbers(rows, "high"),
        },
        {
            "layers": layers,
            "x_label": x_label,
            "y_label": METRICS[problem.metric].format(unit=problem.unit) + f", n = {n:,}",
            "series": series,
            "mark": {"layer": scores.best, "text": "best on dev"},
        },
    )


def _selectivity(
    problem: ProbeProblem, find: _Finder, layers: list[str], name: str, x_label: str
) -> Panel | None:
    series, rows = [], []
    for control, spoken in (
        ("word-type", "selectivity (task − word-type control)"),
        ("random-twin", "task − random twins"),
        ("word-identity", "task − word identity"),
    ):
        found = [row for layer in layers if (row := find.difference(layer, f"control={control}")) is not None]
        if len(found) == len(layers) and any(row.value is not None for row in found):
            series.append({"name": spoken, "style": "difference"})
            rows.append(found)
    if not series:
        return None
    metric = METRICS[problem.metric].split(" (")[0]
    return Panel(
        "layer-curve",
        f"{name}-differences",
        f"{problem.task}: what is left above the controls",
        "Paired differences on the same test units, 95 % cluster bootstrap over sentences; above 0, the task is read "
        "better than the control.",
        {key: _numbers(rows, key) for key in ("value", "low", "high")},
        {
            "layers": layers,
            "x_label": x_label,
            "y_label": f"difference of {metric}, n = {len(problem.of('test')):,} {problem.unit}s",
            "series": series,
            "reference": {"value": 0.0, "name": "no difference"},
        },
    )


def _table(
    problem: ProbeProblem, results: Sequence[LayerResult], find: _Finder, name: str, best: str
) -> Panel:
    columns = ["layer", "strength", "dev", "test", "95 %"]
    formats = ["text", "text", "score", "score", "text"]
    controls = [control for control in CONTROL_NAMES if find.maybe(results[0].layer, control) is not None]
    controls = [
        c for c in controls if any((r := find.maybe(x.layer, c)) and r.value is not None for x in results)
    ]
    columns += [CONTROL_NAMES[control][0] for control in controls] + ["selectivity", "95 %", "p (Holm)"]
    formats += ["score"] * len(controls) + ["score", "text", "p"]
    cells: list[list[Any]] = []
    for result in results:
        row = find.score(result.layer)
        selectivity = find.difference(result.layer, "control=word-type")
        cells.append(
            [
                f"{result.layer} (best on dev)" if result.layer == best else result.layer,
                "" if result.strength is None else f"{result.strength:g}",
                find.score(result.layer, split="dev").value,
                row.value,
                format_interval(row.low, row.high),
                *[_value(find.maybe(result.layer, control)) for control in controls],
                _value(selectivity),
                "" if selectivity is None else format_interval(selectivity.low, selectivity.high),
                None if selectivity is None else selectivity.p_adjusted,
            ]
        )
    return Panel(
        "table",
        f"{name}-table",
        f"{problem.task} by layer",
        f"{METRICS[problem.metric].format(unit=problem.unit).capitalize()} on test; the strength is chosen on dev for "
        "the task, and the controls run at the chosen one.",
        labels={"columns": columns, "rows": cells, "formats": formats},
    )


def _labels(problem: ProbeProblem, results: Sequence[LayerResult], name: str, x_label: str) -> Panel:
    found = [label_f1(problem, result) for result in results]
    support = found[0][1]
    order = [code for code in np.argsort(-support, kind="stable") if support[code]]
    shown = order[:MOST_LABELS]
    note = "" if len(shown) == len(order) else f" The {len(shown)} most frequent of {len(order)} labels."
    return Panel(
        "heatmap",
        f"{name}-labels",
        f"{problem.task}: F1 of each label by layer",
        "F1 on test, mean over probe seeds; n = gold units in test. A label never seen in train scores 0."
        + note,
        {"value": np.stack([values[shown] for values, _ in found], axis=1), "n": support[shown]},
        {
            "rows": [problem.labels[code] for code in shown],
            "columns": [result.layer for result in results],
            "row_label": problem.task,
            "column_label": x_label,
            "value_label": "F1",
        },
    )


def _confused(problem: ProbeProblem, best: LayerResult, name: str) -> Panel:
    gold = problem.gold[problem.of("test")]
    counts = confusion(gold, best.test[0], len(problem.labels))
    order = [
        code
        for code in np.argsort(-counts.sum(axis=1), kind="stable")
        if counts[code].any() or counts[:, code].any()
    ]
    shown, rest = order[:MOST_CLASSES], order[MOST_CLASSES:]
    classes = [problem.labels[code] for code in shown]
    table = counts[np.ix_(shown, shown)]
    if rest:
        classes.append(f"{len(rest)} others")
        side = counts[np.ix_(shown, rest)].sum(axis=1, keepdims=True)
        below = counts[np.ix_(rest, shown)].sum(axis=0, keepdims=True)
        table = np.block([[table, side], [below, counts[np.ix_(rest, rest)].sum()[None, None]]])
    return Panel(
        "confusion",
        f"{name}-confusion",
        f"{problem.task}: gold against predicted at layer {best.layer}",
        f"Test units at the layer chosen on dev ({best.layer}); rows are gold labels and sum to 1, n in brackets.",
        {"counts": table},
        {"classes": classes},
    )


def _numbers(rows: Sequence[Sequence[Measurement]], key: str) -> Array:
    return np.array([[_or_nan(getattr(row, key)) for row in line] for line in rows], dtype=np.float64)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _value(row: Measurement | None) -> float | None:
    return None if row is None else row.value


def _p(value: float | None) -> str:
    text = format_p(value)
    return text if text.startswith("<") else f"= {text}"
