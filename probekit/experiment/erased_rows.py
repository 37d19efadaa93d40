"""Rows of an erased concept, from what its cells left: what probes lose, what was taken out, what behaviour loses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.perplexity import quotient
from probekit.experiment.erase_cells import CellResult
from probekit.experiment.erased_compare import Ground
from probekit.experiment.erased_context import UNEDITED, Context
from probekit.experiment.erased_series import ALL_LAYERS, CONTROL_CONCEPT, RANDOM, Judged, Series, random_like
from probekit.maths.resampling import cluster_bootstrap, describe_interval
from probekit.results.measurement import Measurement

Array = NDArray[Any]
Pair = tuple[Array, Array]
NORM = "random-norm-erasure"


def probe_rows(found: Context) -> Iterator[Measurement]:
    """What probes tell before and after: accuracy, the same above the majority ("encoded"), and the difference."""
    for task in found.problems:
        for split in ("dev", "test"):
            yield from _probe_rows(found, task, split)


def _probe_rows(found: Context, task: str, split: str) -> Iterator[Measurement]:
    problem = found.problems[task]
    ground = Ground(problem.cluster[problem.of(split)], "sentences", found.analysis.bootstrap)
    most = found.majority(task, split)
    other = "" if task == found.concept else f"neighbour={task} "
    base = {"split": split, "unit": "word"}
    yield ground.mean(
        found.row("probe_accuracy", group=other.strip(), control="majority", method="majority", **base), most
    )
    for probe in found.analysis.probes:
        named = base | {"group": f"{other}probe={probe}"}
        unedited = {
            layer: found.mean_right([cell], task, probe, split) for layer, cell in found.probes.items()
        }
        before = {layer: right for layer, right in unedited.items() if right is not None}
        for layer, right in before.items():
            yield ground.mean(found.row("probe_accuracy", layer=layer, method=UNEDITED, **named), right)
        yield from ground.differences(
            [
                found.row("encoded", layer=layer, method=UNEDITED, reference="control=majority", **named)
                for layer in before
            ],
            [(right, most) for right in before.values()],
        )
        for one in found.series:
            asked = {layer: found.mean_right(cells, task, probe, split) for layer, cells in one.cells.items()}
            after = {layer: right for layer, right in asked.items() if right is not None and layer in before}
            said = named | {"method": one.name, "control": one.role}
            for layer, right in after.items():
                yield ground.mean(found.row("probe_accuracy", layer=layer, **said), right)
            yield from ground.differences(
                [
                    found.row("probe_accuracy_lost", layer=layer, reference=UNEDITED, **said)
                    for layer in after
                ],
                [(before[layer], right) for layer, right in after.items()],
            )
            yield from ground.differences(
                [
                    found.row("encoded_after", layer=layer, reference="control=majority", **said)
                    for layer in after
                ],
                [(right, most) for right in after.values()],
            )


def eraser_rows(found: Context) -> Iterator[Measurement]:
    """What was taken out: rank, share of the variance, mean squared change by the variance, mean change by the norm."""
    words = {
        "rank": "rank",
        "share": "share_of_variance",
        "change": "mean_squared_change",
        "moved": "relative_change",
    }
    for one in found.series:
        for layer, cells in one.cells.items():
            for word, metric in words.items():
                value = one.mean(layer, word)
                if value is not None:
                    yield found.row(
                        metric, layer=layer, method=one.name, control=one.role, value=value, reason="", split="train",
                        n=len(cells), unit="eraser",
                    )  # fmt: skip


def behaviour_rows(found: Context, judged: Judged) -> Iterator[Measurement]:
    """Accuracy on a suite with every eraser in force, what is lost, and what beyond random erasure ("used")."""
    for split, half in (("dev", ~judged.test), ("test", judged.test)):
        if half.any():
            yield from _accuracies(found, judged, split, half)
    for split, half in (("dev", ~judged.test), ("test", judged.test)):
        if half.any():
            yield from _losses(found, judged, split, half)


def _ground(found: Context, judged: Judged, half: Array) -> Ground:
    clustered = any(item.cluster for item in judged.suite.items)
    spoken = "clusters of items" if clustered else "items"
    return Ground(judged.cluster[half], spoken, found.analysis.bootstrap)


def _base(judged: Judged, split: str) -> dict[str, Any]:
    return {"corpus": judged.suite.name, "split": split, "unit": "item"}


def _accuracies(found: Context, judged: Judged, split: str, half: Array) -> Iterator[Measurement]:
    base = _base(judged, split)
    assert found.unedited is not None
    everyone: list[tuple[dict[str, Any], Array]] = [({"method": UNEDITED}, judged.right([found.unedited]))]
    for one in found.series:
        for layer, cells in one.cells.items():
            said = {"method": one.name, "control": one.role, "layer": layer}
            everyone.append((said, judged.right(cells)))
            if len(cells) > 1 and split == "test":
                everyone += [
                    (said | {"seeds": (("erasure", cell.cell.draw or 0),)}, judged.right([cell]))
                    for cell in cells
                ]
    groups = [("", half)]
    if split == "test":
        groups += [
            (name, half & (one.code == code))
            for one in judged.groupings[1:]
            for code, name in enumerate(one.names)
        ]
    for name, inside in groups:
        if not inside.any():
            continue
        ground = _ground(found, judged, inside)
        for said, right in everyone:
            if name and "seeds" in said:
                continue
            yield ground.mean(found.row("accuracy", group=name, **base, **said), right[inside])


def _losses(found: Context, judged: Judged, split: str, half: Array) -> Iterator[Measurement]:
    base, ground = _base(judged, split), _ground(found, judged, half)
    assert found.unedited is not None
    before = judged.right([found.unedited])

    def family(metric: str, one: Series, reference: str, others: dict[str, Array]) -> Iterator[Measurement]:
        """mean(other - after) over layers; the scrubbed model is a family by itself."""
        for wanted in ([layer for layer in others if layer != ALL_LAYERS], [ALL_LAYERS]):
            layers = [layer for layer in wanted if layer in others]
            rows = [
                found.row(metric, layer=layer, method=one.name, control=one.role, reference=reference, **base)
                for layer in layers
            ]
            pairs = [(others[layer][half], judged.right(one.cells[layer])[half]) for layer in layers]
            yield from ground.differences(rows, pairs)

    for one in found.series:
        yield from family("accuracy_lost", one, UNEDITED, dict.fromkeys(one.cells, before))
        if one.role in ("", CONTROL_CONCEPT):
            yield from family("used", one, f"control={RANDOM}", randomly(found, judged, one))
    for one in found.own:
        for other in found.series:
            if other.role == CONTROL_CONCEPT and method_of(other) == method_of(one):
                shared = {
                    layer: judged.right(other.cells[layer]) for layer in one.cells if layer in other.cells
                }
                yield from family("used", one, f"control={CONTROL_CONCEPT} {other.name}", shared)
            if other.role == NORM and other.name.endswith(f" {method_of(one)}"):
                shared = {
                    layer: judged.right(other.cells[layer]) for layer in one.cells if layer in other.cells
                }
                yield from family("used", one, f"control={NORM}", shared)


def randomly(found: Context, judged: Judged, one: Series) -> dict[str, Array]:
    """Layer -> who was right, mean over the random erasures of the same rank as this eraser's there; of rank 0, where
    nothing was found to erase, the unedited model."""
    assert found.unedited is not None
    nothing = {
        layer: judged.right([found.unedited])
        for layer in one.cells
        if found.has_random and one.mean(layer, "rank") == 0
    }
    cells = {layer: random_like(one, layer, found.series) for layer in one.cells}
    return nothing | {layer: judged.right(some) for layer, some in cells.items() if some}


def method_of(one: Series) -> str:
    """What an experiment file calls the method of a series."""
    return next(iter(one.cells.values()))[0].cell.method


def chosen_rows(found: Context, judged: Judged, rows: Sequence[Measurement]) -> Iterator[Measurement]:
    """For each eraser of the concept the layer where most is lost on the dev half, with what is lost there on test."""
    metric, reference = ("used", f"control={RANDOM}") if found.has_random else ("accuracy_lost", UNEDITED)
    mine = [
        row
        for row in rows
        if row.metric == metric and row.reference == reference and not row.control
        and row.corpus == judged.suite.name and row.layer != ALL_LAYERS
    ]  # fmt: skip
    for one in found.own:
        dev = [row for row in mine if row.split == "dev" and row.method == one.name and row.value is not None]
        test = {row.layer: row for row in mine if row.split == "test" and row.method == one.name}
        if not dev or not test:
            yield found.row(
                f"{metric}_at_chosen_layer", method=one.name, reference=reference, **_base(judged, "test"),
                reason="one of the halves of the suite has no item: no layer can be chosen and tested",
            )  # fmt: skip
            continue
        best = max(dev, key=lambda row: -np.inf if row.value is None else row.value)
        if best.layer in test:
            yield replace(test[best.layer], metric=f"{metric}_at_chosen_layer")


def output_rows(found: Context) -> Iterator[Measurement]:
    """How far the output distribution moves on neutral sentences, and perplexity before and after."""
    if found.unedited is None or "kl" not in found.unedited.arrays:
        return
    first = found.unedited
    prefix = "pseudo_" if first.words["pseudo"] else ""
    base = {"split": "dev", "unit": "sentence"}
    perplexity = f"{prefix}perplexity_per_piece"
    yield _ratio(found, found.row(perplexity, method=UNEDITED, **base), [first], "after", raised=True)
    for one in found.series:
        for layer, cells in one.cells.items():
            said = base | {"layer": layer, "method": one.name, "control": one.role}
            yield _ratio(found, found.row("kl_bits_per_piece", **said), cells, "kl")
            yield _ratio(found, found.row(perplexity, **said), cells, "after", raised=True)


def _ratio(
    found: Context, row: Measurement, cells: Sequence[CellResult], array: str, *, raised: bool = False
) -> Measurement:
    """Bits (mean over cells) by pieces over all sentences, or 2 to that power."""
    bits = np.mean([cell.arrays[array] for cell in cells], axis=0)
    kept = ~np.isnan(bits)
    row = replace(row, n=int(kept.sum()), n_left_out=int((~kept).sum()))
    sums = np.stack([bits, cells[0].arrays["pieces"]], axis=1)[kept].astype(np.float64)
    if not sums[:, 1:].sum() > 0:
        return replace(row, reason="no sentence was scored")
    resamples = found.analysis.bootstrap
    value, low, high = cluster_bootstrap(sums, partial(quotient, raised=raised), resamples=resamples)
    made = describe_interval(resamples) if np.isfinite(low) else ""
    return replace(row, value=float(value), low=float(low), high=float(high), interval=made, reason="")
