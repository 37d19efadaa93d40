"""What a judgement looks like: panels made from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.finder import CONTROLS, Finder, spoken_name
from probekit.behavior.items import extremes, spoken_texts
from probekit.behavior.questions import Questions
from probekit.behavior.rows import spoken_clusters
from probekit.behavior.summary import chance, sentence
from probekit.behavior.systems import System
from probekit.behavior.verdicts import LABELS
from probekit.data.suite import Suite
from probekit.results.formats import format_interval, slug
from probekit.results.measurement import About, Measurement
from probekit.results.panel import Panel

Array = NDArray[Any]

CURVES = {"attractors": "number of attractors", "distance": "distance (words between)"}
FORESTS = {
    "phenomenon": "phenomenon",
    "field": "field",
    "construction": "construction",
    "prediction": "prediction",
}
EXAMPLES = 10
"""Items in each half of the table of examples."""


def make_panels(
    suite: Suite,
    questions: Questions,
    model: System,
    controls: Sequence[System],
    rows: Sequence[Measurement],
    about: About,
) -> list[Panel]:
    """What there is of: sentence, accuracy by attractors and distance, forests by group, layer curve, tables."""
    find = Finder(rows)
    name = slug(about.model or model.name, suite.name)
    text = sentence(suite, questions, model, rows, about)
    panels = [Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": text})]
    if suite.kind != "acceptability":
        for key, label in CURVES.items():
            panels += _by_category(suite, find, about, name, key, label, chance(suite))
        for key, label in FORESTS.items():
            panels += _forest(suite, find, about, name, key, label)
    panels += layer_curve(suite, find, about, name)
    panels.append(_table(suite, rows, name))
    if suite.kind != "acceptability":
        panels += _examples(suite, questions, model, name)
    return panels


def _series(find: Finder, about: About) -> list[tuple[str, str, str]]:
    """(control, name, style) of everyone who was measured, the model first."""
    found = []
    for control in find.controls():
        name, style = CONTROLS.get(control, (control, "control"))
        found.append((control, name or spoken_name(about.model) or "model", style))
    return found


def _by_category(
    suite: Suite, find: Finder, about: About, name: str, key: str, label: str, level: float | None
) -> list[Panel]:
    """Accuracy along an ordered group, everyone side by side; where there are nonce items, natural and nonce apart, and
    the model's two curves together."""
    ticks = find.values(key)
    everyone = _series(find, about)
    if not everyone:
        return []
    kinds = {kind: f"nonce={kind}" for kind in ("natural", "nonce")}
    if not any(find.get("accuracy", f"{tick} {kinds['nonce']}") for tick in ticks):
        one = [(spoken, style, control, "") for control, spoken, style in everyone]
        return _curve(suite, find, f"{name}-{key}", "", ticks, label, one, level)
    _, model, style = everyone[0]
    both = [(f"{model}, {kind}", style, "", group) for kind, group in kinds.items()]
    found = _curve(suite, find, f"{name}-{key}", "", ticks, label, both, level)
    for kind, group in kinds.items():
        one = [(spoken, style, control, group) for control, spoken, style in everyone]
        found += _curve(suite, find, f"{name}-{key}-{kind}", f" ({kind} items)", ticks, label, one, level)
    return found


def _curve(
    suite: Suite,
    find: Finder,
    name: str,
    title: str,
    ticks: Sequence[str],
    label: str,
    wanted: Sequence[tuple[str, str, str, str]],
    level: float | None,
) -> list[Panel]:
    """A curve over categories; `wanted` are series as (name, style, control, further group)."""
    series, lines = [], []
    for shown, style, control, group in wanted:
        found = [find.get("accuracy", f"{tick} {group}".strip(), control) for tick in ticks]
        if any(row is not None and row.value is not None for row in found):
            series.append({"name": shown, "style": style})
            lines.append(found)
    if len(ticks) < 2 or not lines:
        return []
    labels: dict[str, Any] = {
        "x_label": label,
        "y_label": "accuracy (share of items right)",
        "series": series,
        "x_scale": "linear",
        "x_ticks": [tick.partition("=")[2] for tick in ticks],
        "y_range": [0.0, 1.0],
    }
    if level is not None:
        labels["reference"] = {"value": level, "name": "chance"}
    counts = [row.n if row is not None else 0 for row in lines[0]]
    items = ", ".join(f"{tick} {n:,}" for tick, n in zip(labels["x_ticks"], counts, strict=True))
    return [
        Panel(
            "curve",
            name,
            f"{suite.name}: accuracy by {label}{title}",
            f"Strict accuracy; bars: 95 % cluster bootstrap over {spoken_clusters(suite)} (exact where all are alike). "
            f"Items of {series[0]['name']} by {label}: {items}.",
            {"x": np.arange(len(ticks), dtype=np.float64), **_bounds(lines)},
            labels,
        )
    ]


def _forest(suite: Suite, find: Finder, about: About, name: str, key: str, label: str) -> list[Panel]:
    groups = find.values(key)
    if len(groups) < 2:
        return []
    groups = sorted(groups, key=lambda group: -_value(find.get("accuracy", group)))
    series = [one for one in _series(find, about) if one[0] in CONTROLS]
    if not series:
        return []
    lines = [[find.get("accuracy", group, control) for group in groups] for control, _, _ in series]
    shown = [group.partition("=")[2] for group in groups]
    return [
        Panel(
            "forest",
            f"{name}-{key}",
            f"{suite.name}: accuracy by {label}",
            f"Strict accuracy with 95 % intervals over {spoken_clusters(suite)}, best first; items of each {label}: "
            f"{_range([row.n for row in lines[0] if row is not None])}.",
            _bounds(lines),
            {
                "rows": shown,
                "series": [{"name": spoken, "style": style} for _, spoken, style in series],
                "value_label": "accuracy (share of items right)",
                "range": [0.0, 1.0],
                **(
                    {"reference": {"value": level, "name": "chance"}}
                    if (level := chance(suite)) is not None
                    else {}
                ),
            },
        )
    ]


def layer_curve(suite: Suite, find: Finder, about: About, name: str) -> list[Panel]:
    """Accuracy (or AUC) of the lens at every layer, beside the model's own output."""
    metric, group = (
        ("auc", "score=mean log-probability") if suite.kind == "acceptability" else ("accuracy", "")
    )
    layers = [row.layer for row in find.rows if row.layer and row.metric == metric and row.group == group]
    layers = list(dict.fromkeys(layers))
    if not layers:
        return []
    attractors = find.values("attractors") if metric == "accuracy" else []
    lines = [[find.get(metric, one, layer=layer) for layer in layers] for one in (group, *attractors)]
    names = ["all items", *(f"{one.partition('=')[2]} attractors" for one in attractors)]
    labels: dict[str, Any] = {
        "layers": layers,
        "x_label": "layer (0 = embeddings)" if "0" in layers else "layer",
        "y_label": "accuracy" if metric == "accuracy" else "AUC",
        "series": [
            {"name": one, "style": "task" if not number else "control"} for number, one in enumerate(names)
        ],
    }
    direct = find.get(metric, group)
    if direct is not None and direct.value is not None:
        labels["reference"] = {"value": direct.value, "name": "the model's output"}
    method = next(row.method for row in find.rows if row.layer)
    return [
        Panel(
            "layer-curve",
            f"{name}-layers",
            f"{suite.name}: behaviour at every layer of {spoken_name(about.model) or 'the model'}",
            f"Each layer read through the output head. Bands: 95 % intervals over {spoken_clusters(suite)}. {method}.",
            _bounds(lines),
            labels,
        )
    ]


def _table(suite: Suite, rows: Sequence[Measurement], name: str) -> Panel:
    shown = [
        row
        for row in rows
        if row.metric in ("accuracy", "macro_accuracy", "auc", "accuracy_difference", "ties", "left_out")
        and not (row.layer and row.group not in ("", "score=mean log-probability"))
    ]
    cells: list[list[Any]] = [
        [
            row.metric.replace("_", " "),
            row.group or "all items",
            " ".join([row.control or "model", *(str(seed) for _, seed in row.seeds)])
            + (f" at layer {row.layer}" if row.layer else ""),
            row.reference.removeprefix("control="),
            row.value if row.metric not in ("ties", "left_out") else f"{int(row.value or 0):,}",
            format_interval(row.low, row.high),
            row.p_adjusted,
            row.n,
            row.n_left_out,
            row.reason if row.value is None else "",
        ]
        for row in shown
    ]
    return Panel(
        "table",
        f"{name}-table",
        f"{suite.name}: all accuracies",
        "Accuracy is right / (right + wrong + ties), strictly. Differences are the model minus the reference on the "
        "items both were judged on; p: exact McNemar (sign flips of clusters where items are not independent), "
        "Holm-corrected over the baselines.",
        labels={
            "columns": [
                "metric",
                "items",
                "who",
                "minus",
                "value",
                "95 %",
                "p (Holm)",
                "n",
                "left out",
                "why none",
            ],
            "formats": ["text", "text", "text", "text", "score", "text", "p", "int", "int", "text"],
            "rows": cells,
        },
    )


def _examples(suite: Suite, questions: Questions, model: System, name: str) -> list[Panel]:
    worst, best = extremes(model, EXAMPLES)
    if not len(worst) or model.verdicts is None:
        return []
    cells = [
        [
            which,
            questions.cases[i].id,
            LABELS[model.verdicts.code[i]],
            f"{model.verdicts.margin[i]:.2f}",
            spoken_texts(suite, questions.cases[i]),
        ]
        for which, chosen in (("worst", worst), ("best", best))
        for i in chosen
    ]
    return [
        Panel(
            "table",
            f"{name}-examples",
            f"{suite.name}: worst and best items",
            "By margin: the bits by which the prediction holds (negative: fails).",
            labels={
                "columns": ["", "item", "outcome", "margin (bits)", "texts"],
                "formats": ["text"] * 5,
                "rows": cells,
            },
        )
    ]


def _bounds(lines: Sequence[Sequence[Measurement | None]]) -> dict[str, Array]:
    def number(row: Measurement | None, key: str) -> float:
        value = getattr(row, key) if row is not None else None
        return np.nan if value is None else value

    return {
        key: np.array([[number(row, key) for row in line] for line in lines], dtype=np.float64)
        for key in ("value", "low", "high")
    }


def _value(row: Measurement | None) -> float:
    return -1.0 if row is None or row.value is None else row.value


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
