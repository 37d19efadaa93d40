"""What an erasure looks like: encoded against used by layer, accuracy and divergence with every eraser, a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.experiment.erased_context import UNEDITED, Context
from probekit.experiment.erased_finder import Finder
from probekit.experiment.erased_rows import method_of
from probekit.experiment.erased_series import CONTROL_CONCEPT, RANDOM, Judged, Series, written
from probekit.experiment.erased_summary import spoken_probe
from probekit.results.formats import format_interval, slug
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel

Array = NDArray[Any]
Line = tuple[str, str, list[Measurement | None]]
"""Name, style and the row of every layer."""
AS_LARGE = {RANDOM: "random erasure", "pca-erasure": "principal components"}
"""Controls of which there is a series for each rank, and what they are called."""


def make_panels(found: Context, find: Finder, summary: str) -> list[Panel]:
    """What there is of: sentence, encoded against used, accuracy, probes, divergence, table."""
    name = slug(found.about.model, "erase", found.concept)[:60]
    panels = [Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": summary})]
    if not found.own or not found.layers:
        return panels
    for judged in found.judged:
        suite = slug(judged.suite.name)[:24]
        panels += _encoded_and_used(found, find, judged, f"{name}-{suite}-used")
        panels += _accuracy(found, find, judged, f"{name}-{suite}-accuracy")
    panels += _probes(found, find, f"{name}-probes")
    panels += _divergence(found, find, f"{name}-kl")
    panels.append(_table(found, find, f"{name}-table"))
    return [*panels, *_neighbours(found, find, f"{name}-neighbours")]


def _curve(
    found: Context, name: str, title: str, caption: str, y: str, lines: Sequence[Line], **more: Any
) -> list[Panel]:
    lines = [line for line in lines if any(row is not None and row.value is not None for row in line[2])]
    if not lines:
        return []

    def numbers(key: str) -> Array:
        rows = [[np.nan if row is None else _or_nan(getattr(row, key)) for row in line[2]] for line in lines]
        return np.array(rows, dtype=np.float64)

    labels = {
        "layers": found.layers,
        "x_label": "layer (0 = embeddings)" if "0" in found.layers else "layer",
        "y_label": y,
        "series": [{"name": written(shown), "style": style} for shown, style, _ in lines],
    }
    arrays = {key: numbers(key) for key in ("value", "low", "high")}
    return [Panel("layer-curve", name, title, written(caption), arrays, labels | more)]


def _encoded_and_used(found: Context, find: Finder, judged: Judged, name: str) -> list[Panel]:
    one, suite, probe, layers = found.own[0], judged.suite.name, found.analysis.probes[0], found.layers
    reference = "control=majority"
    before = [find.probe("encoded", layer, probe, reference=reference) for layer in layers]
    after = [find.probe("encoded_after", layer, probe, one.name, reference) for layer in layers]
    used = [find.used(layer, one, suite) for layer in layers]
    beyond = "after random erasures of the same rank" if found.has_random else "unedited"
    lines: list[Line] = [
        (f"encoded: {probe} probe above majority", "task", before),
        (f"left after {one.name}", "baseline", after),
        (
            f"used: lost on {suite}" + (" beyond random erasure" if found.has_random else ""),
            "difference",
            used,
        ),
    ]
    lines += [
        (f"the same for {other.name}", "control", [find.used(layer, other, suite) for layer in layers])
        for other in _controls(found, one)
    ]
    return _curve(
        found,
        name,
        f"{found.about.model}: {found.concept} encoded, and used for {suite}",
        f"Encoded: what {spoken_probe(probe)} on test words gains over the majority. Used: accuracy on {suite} "
        f"{beyond} minus that after {one.name}, on the same items of the test half. Bands: 95 % intervals over "
        "sentences and items.",
        "share of words, share of items",
        lines,
        reference={"value": 0.0, "name": "nothing"},
    )


def _accuracy(found: Context, find: Finder, judged: Judged, name: str) -> list[Panel]:
    suite = judged.suite.name
    lines = _erasures(found, find, "accuracy", suite)
    unedited = find.get("accuracy", "", UNEDITED, corpus=suite)
    more: dict[str, Any] = {}
    if unedited is not None and unedited.value is not None:
        more["reference"] = {"value": unedited.value, "name": "unedited"}
    return _curve(
        found,
        name,
        f"{suite}: {found.about.model} with {found.concept} erased at one layer",
        f"Strict accuracy on the test half ({judged.half}); of random erasures the mean over draws. Bands: 95 % "
        "intervals.",
        "accuracy (share of items right)",
        lines,
        **more,
    )


def _erasures(found: Context, find: Finder, metric: str, corpus: str = "") -> list[Line]:
    """A line for every eraser. Of controls that are as large as an eraser, where its rank is not the same at every
    layer, a line for each eraser: a series of each rank would have one point or few."""
    lines: list[Line] = []
    for role, shown in AS_LARGE.items():
        sizes = [one for one in found.series if one.role == role and set(one.cells) & set(found.layers)]
        if len(sizes) < 2:
            continue
        for own in found.own:
            like = [_of_rank(own.mean(layer, "rank"), sizes, layer) for layer in found.layers]
            rows = [
                None if one is None else find.get(metric, layer, one.name, corpus=corpus)
                for one, layer in zip(like, found.layers, strict=True)
            ]
            lines.append((f"{shown} of the rank of {method_of(own)}", "twin", rows))
    merged = {name.partition(" of the rank of ")[0] for name, _, _ in lines}
    alone = [one for one in found.series if AS_LARGE.get(one.role) not in merged]
    return [
        *((one.name, _style(one), [find.get(metric, layer, one.name, corpus=corpus) for layer in found.layers])
          for one in alone),
        *lines,
    ]  # fmt: skip


def _of_rank(rank: float | None, sizes: Sequence[Series], layer: str) -> Series | None:
    """The series of a rank that has the layer."""
    return next((one for one in sizes if layer in one.cells and one.mean(layer, "rank") == rank), None)


def _probes(found: Context, find: Finder, name: str) -> list[Panel]:
    lines: list[Line] = []
    for probe in found.analysis.probes:
        shown = f"{probe} probe"
        methods = [(UNEDITED, "task"), *((own.name, "control") for own in found.own)]
        lines += [
            (
                f"{shown}, {method}",
                style,
                [find.probe("probe_accuracy", layer, probe, method) for layer in found.layers],
            )
            for method, style in methods
        ]
    most = find.get("probe_accuracy", "", "majority")
    more = {} if most is None else {"reference": {"value": most.value, "name": "majority"}}
    return _curve(
        found,
        name,
        f"{found.concept} in {found.about.model}: what probes tell before and after erasure",
        "Accuracy on test words; after erasure the probes are fitted anew. Bands: 95 % intervals over sentences.",
        "accuracy (share of words)",
        lines,
        **more,
    )


def _divergence(found: Context, find: Finder, name: str) -> list[Panel]:
    lines = _erasures(found, find, "kl_bits_per_piece")
    return _curve(
        found,
        name,
        f"{found.about.model}: how far erasing moves the output",
        "KL divergence of the output distribution, unedited from edited, over every piece of the neutral sentences. "
        "Bands: 95 % intervals over sentences.",
        "KL (bits per piece)",
        lines,
    )


def _table(found: Context, find: Finder, name: str) -> Panel:
    probe = found.analysis.probes[0]
    columns = [
        "layer",
        "eraser",
        "rank",
        "variance",
        f"{probe} before",
        *(f"{p} after" for p in found.analysis.probes),
        f"{probe} after random",
    ]
    formats = ["text", "text", "text", *["score"] * (3 + len(found.analysis.probes))]
    for judged in found.judged:
        columns += [f"{judged.suite.name} after", "random", "used", "95 %", "p (Holm)"]
        formats += ["score", "score", "score", "text", "p"]
    if found.judged:
        columns += ["KL", "KL random"]
        formats += ["score", "score"]
    cells = [
        _line(found, find, one, layer)
        for one in [*found.own, *(o for o in found.series if o.role == CONTROL_CONCEPT)]
        for layer in one.cells
    ]
    return Panel(
        "table",
        name,
        f"{found.concept} erased in {found.about.model}",
        "Probes on test words, suites on the test half. Random: mean of the random erasures of the same rank. Used: "
        "random minus the eraser on the same items; p by sign flips, Holm-corrected over layers. Variance: share that "
        "was taken out. KL in bits per piece.",
        labels={"columns": columns, "rows": cells, "formats": formats},
    )


def _neighbours(found: Context, find: Finder, name: str) -> list[Panel]:
    """What probes tell of neighbouring concepts before and after, and after random erasures of the same rank."""
    probe = found.analysis.probes[0]
    cells = []
    for task in (other for other in found.problems if other != found.concept):
        group = f"neighbour={task} probe={probe}"
        most = find.get("probe_accuracy", "", "majority", group=f"neighbour={task}")
        for one in found.own:
            for layer in one.cells:
                rows = (
                    most,
                    find.get("probe_accuracy", layer, UNEDITED, group=group),
                    find.get("probe_accuracy", layer, one.name, group=group),
                    find.random("probe_accuracy", layer, one, group=group),
                )
                cells.append([task, layer, written(one.name), *map(_number, rows)])
    if not cells:
        return []
    return [
        Panel(
            "table",
            name,
            f"What goes with {found.concept} in {found.about.model}",
            f"Accuracy of {spoken_probe(probe)} for neighbouring concepts, on test words. Random: mean of the random "
            "erasures of the same rank.",
            labels={
                "columns": ["neighbour", "layer", "eraser", "majority", "before", "after", "after random"],
                "rows": cells,
                "formats": ["text", "text", "text", *["score"] * 4],
            },
        )
    ]


def _line(found: Context, find: Finder, one: Series, layer: str) -> list[Any]:
    probe = found.analysis.probes[0]
    rank = one.mean(layer, "rank")
    line: list[Any] = [
        layer,
        written(one.name),
        "" if rank is None else f"{rank:g}",
        one.mean(layer, "share"),
    ]
    line.append(_number(find.probe("probe_accuracy", layer, probe)))
    line += [_number(find.probe("probe_accuracy", layer, p, one.name)) for p in found.analysis.probes]
    line.append(_number(find.random("probe_accuracy", layer, one, group=f"probe={probe}")))
    for judged in found.judged:
        suite = judged.suite.name
        used = find.used(layer, one, suite)
        line += [
            _number(find.get("accuracy", layer, one.name, corpus=suite)),
            _number(find.random("accuracy", layer, one, suite)),
            _number(used),
            "" if used is None else format_interval(used.low, used.high),
            None if used is None else used.p_adjusted,
        ]
    if found.judged:
        line += [
            _number(find.get("kl_bits_per_piece", layer, one.name)),
            _number(find.random("kl_bits_per_piece", layer, one)),
        ]
    return line


def _controls(found: Context, one: Series) -> list[Series]:
    return [
        other
        for other in found.series
        if other.role == CONTROL_CONCEPT and method_of(other) == method_of(one)
    ]


def _style(one: Series) -> str:
    return "task" if not one.role else "control" if one.role == CONTROL_CONCEPT else "twin"


def _number(row: Measurement | None) -> float | None:
    return None if row is None else row.value


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
