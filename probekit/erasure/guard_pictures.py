"""Guardedness in pictures and in a sentence, made from its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from probekit.results.formats import format_interval, format_score, slug
from probekit.results.measurement import About, Measurement
from probekit.results.panel import Panel

SERIES = (("before", "task"), ("after", "control"), ("majority", "baseline"))
SPOKEN = {"linear": "linear probe", "mlp": "multi-layer perceptron"}


def make_panels(
    rows: Sequence[Measurement], method: str, layer: str, concepts: Sequence[str], about: About
) -> list[Panel]:
    """The sentence, a forest of accuracies before and after beside majority, and the table."""
    name = slug(about.model or "model", concepts[0], method, f"layer-{layer}", "guardedness")
    text = sentence(rows, method, layer, concepts, about)
    pairs = [(concept, probe) for concept in concepts for probe in probes_of(rows)]
    arrays = {key: np.full((len(SERIES), len(pairs)), np.nan) for key in ("value", "low", "high")}
    table = []
    for column, (concept, probe) in enumerate(pairs):
        found = {
            "before": find(rows, concept, probe, "before"),
            "after": find(rows, concept, probe, "after"),
            "majority": find(rows, concept),
        }
        for line, (series, _) in enumerate(SERIES):
            for key, array in arrays.items():
                number = getattr(found[series], key)
                array[line, column] = np.nan if number is None else number
        lost = find(rows, concept, probe, "after", reference="when=before")
        table.append(
            [
                concept,
                SPOKEN.get(probe, probe),
                found["before"].value,
                found["after"].value,
                found["majority"].value,
                lost.value,
                format_interval(lost.low, lost.high),
                lost.p_adjusted,
                lost.n,
            ]
        )
    return [
        Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": text}),
        Panel(
            "forest",
            f"{name}-forest",
            f"What fresh probes find at layer {layer}",
            f"Test accuracy of probes trained before and after {method}; lines are 95 % intervals over sentences.",
            arrays=arrays,
            labels={
                "rows": [f"{concept}, {SPOKEN.get(probe, probe)}" for concept, probe in pairs],
                "value_label": "accuracy",
                "series": [{"name": series, "style": style} for series, style in SERIES],
                "range": [0.0, 1.0],
            },
        ),
        Panel(
            "table",
            f"{name}-table",
            f"Accuracy before and after {method}",
            "Differences are after minus before, paired by unit; p is corrected by Holm's method over all differences.",
            labels={
                "columns": [
                    "concept", "probe", "before", "after", "majority", "difference", "95 % interval", "p (Holm)", "n",
                ],
                "rows": table,
                "formats": ["text", "text", "score", "score", "score", "score", "text", "p", "int"],
            },
        ),
    ]  # fmt: skip


def sentence(
    rows: Sequence[Measurement], method: str, layer: str, concepts: Sequence[str], about: About
) -> str:
    """What happened to the concept, and the largest loss among its neighbours."""
    concept, *neighbours = concepts
    parts = []
    for probe in probes_of(rows):
        before, after = (find(rows, concept, probe, when) for when in ("before", "after"))
        parts.append(
            f"a fresh {SPOKEN.get(probe, probe)} finds {concept} in {format_score(after.value)} of test units "
            f"{format_interval(after.low, after.high)} (before: {format_score(before.value)})"
        )
    majority = format_score(find(rows, concept).value)
    of = f" of {about.model}" if about.model else ""
    text = f"After {method} at layer {layer}{of}, {' and '.join(parts)}; the most frequent label gives {majority}."
    losses = [
        (find(rows, other, probe, "after", reference="when=before"), other, probe)
        for other in neighbours
        for probe in probes_of(rows)
    ]
    if losses:
        row, other, probe = min(losses, key=lambda one: one[0].value if one[0].value is not None else 0.0)
        text += (
            f" The neighbouring concept that changed most is {other} ({SPOKEN.get(probe, probe)}): "
            f"{format_score(row.value)} {format_interval(row.low, row.high)}."
        )
    return text


def probes_of(rows: Sequence[Measurement]) -> list[str]:
    """The probes that were trained, in order."""
    words = (word for row in rows for word in row.group.split() if word.startswith("probe="))
    return list(dict.fromkeys(word.removeprefix("probe=") for word in words))


def find(
    rows: Sequence[Measurement], concept: str, probe: str = "", when: str = "", *, reference: str = ""
) -> Measurement:
    """The one row about a concept and probe before or after; without a probe, the majority's."""
    group = f"concept={concept}" + (f" probe={probe} when={when}" if probe else "")
    metric = "accuracy_difference" if reference else "accuracy"
    return next(row for row in rows if (row.group, row.metric, row.reference) == (group, metric, reference))
