"""Rows of what adaptation changed: probes transferred and re-fitted, states, heads; paired, from outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.experiment.change_cells import BEFORE, SHUFFLED, Version
from probekit.experiment.erased_compare import Ground
from probekit.maths.resampling import holm
from probekit.results.measurement import About, Measurement

if TYPE_CHECKING:
    from probekit.experiment.change_heads import HeadHits
    from probekit.experiment.change_states import Moved
    from probekit.probing.problem import ProbeProblem

Array = NDArray[Any]
TRANSFERRED, REFITTED = "transferred", "re-fitted"
SENTENCES = "sentences"
STANDARD = "standard deviation over seeds"


@dataclass(frozen=True, eq=False)
class ProbedTask:
    """What the probes of one task said of the test units: codes int32 [units] by layer, and by version and layer."""

    problem: ProbeProblem
    layers: tuple[str, ...]
    before: Mapping[str, Array]
    transferred: Mapping[tuple[Version, str], Array] = field(default_factory=dict)
    refitted: Mapping[tuple[Version, str], Array] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The task."""
        return self.problem.task

    def hits(self, codes: Array) -> Array:
        """Which test units were got right, float64 [units]."""
        return np.asarray(codes == self.problem.gold[self.problem.of("test")], np.float64)


@dataclass(frozen=True)
class Base:
    """What every row says alike, and how many resamples intervals are of."""

    about: About
    resamples: int

    def row(self, metric: str, **fields: Any) -> Measurement:
        """A row yet without a value."""
        known = {
            name: getattr(self.about, name) for name in ("run", "question", "corpus", "model", "model_kind")
        }
        return Measurement(
            metric=metric, **{**known, "site": self.about.site, "reason": "not measured", **fields}
        )

    def ground(self, cluster: Array, clusters: str = SENTENCES) -> Ground:
        """Units of these clusters."""
        return Ground(np.asarray(cluster), clusters, self.resamples)


def of_control(versions: Iterable[Version]) -> dict[str, list[Version]]:
    """The adapted versions, those to the task ("") first, then those to shuffled labels; none that there is not.

    The model before is none of them.

    >>> from probekit.experiment.change_rows import of_control
    >>> from probekit.experiment.change_cells import Version
    >>> of_control([Version(), Version("", 0)])
    {'': [Version(control='', seed=0)]}
    """
    adapted = [one for one in versions if one.seed is not None]
    found = {control: [one for one in adapted if one.control == control] for control in ("", SHUFFLED)}
    return {control: some for control, some in found.items() if some}


def over_all(rows: Sequence[Measurement]) -> list[Measurement]:
    """The rows with p corrected over all of them, as one family."""
    p = np.array([np.nan if row.p is None else row.p for row in rows])
    adjusted, family = holm(p), int((~np.isnan(p)).sum())
    return [
        row if row.p is None else replace(row, p_adjusted=float(one), family_size=family)
        for row, one in zip(rows, adjusted, strict=True)
    ]


def spread(
    base: Base, row: Measurement, versions: Sequence[Version], values: Sequence[float | None]
) -> list[Measurement]:
    """A row for each seed and one for their standard deviation; none where there is but one seed."""
    if len(versions) < 2:
        return []
    none = "" if row.value is not None else row.reason
    plain = replace(row, low=None, high=None, interval="")
    rows = [
        replace(plain, value=value, reason=none, seeds=(("adapt", one.seed or 0),))
        for one, value in zip(versions, values, strict=True)
    ]
    known = [value for value in values if value is not None]
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else None
    group = ", ".join(filter(None, [row.group, f"over={STANDARD}"]))
    return [*rows, replace(plain, metric=f"{row.metric}_sd", value=sd, reason=none, group=group)]


def probe_rows(base: Base, probed: Sequence[ProbedTask], versions: Sequence[Version]) -> list[Measurement]:
    """Accuracy of every probe, and paired differences; families run over all tasks and layers of one comparison."""
    rows: list[Measurement] = []
    compared: dict[str, list[Measurement]] = {}
    for one in probed:
        test = one.problem.of("test")
        ground = base.ground(one.problem.cluster[test])
        if one.problem.majority is not None:
            row = base.row("accuracy", control="majority", group=f"task={one.name}", unit=one.problem.unit)
            rows.append(ground.mean(row, one.hits(one.problem.majority[test])))
        for layer in one.layers:
            if layer in one.before:
                rows += _of_layer(base, ground, one, layer, versions, compared)
    for family in compared.values():
        rows += over_all(family)
    return rows


def _of_layer(
    base: Base, ground: Ground, one: ProbedTask, layer: str, versions: Sequence[Version],
    compared: dict[str, list[Measurement]],
) -> Iterator[Measurement]:  # fmt: skip
    fixed: dict[str, Any] = {"layer": layer, "unit": one.problem.unit, "method": "linear probe"}
    was = one.hits(one.before[layer])
    yield ground.mean(base.row("accuracy", group=f"task={one.name}, probe={BEFORE}", **fixed), was)
    means: dict[tuple[str, str], Array] = {}
    for control, some in of_control(versions).items():
        for kind, said in ((TRANSFERRED, one.transferred), (REFITTED, one.refitted)):
            there = [version for version in some if (version, layer) in said]
            if not there:
                continue
            hits = np.stack([one.hits(said[version, layer]) for version in there])
            mean = means[control, kind] = hits.mean(axis=0)
            row = base.row("accuracy", control=control, group=f"task={one.name}, probe={kind}", **fixed)
            row = ground.mean(row, mean)
            yield row
            yield from spread(base, row, there, hits.mean(axis=1).tolist())
    pairs = {
        (control, kind, reference): (values, other)
        for (control, kind), values in means.items()
        for reference, other in (
            (BEFORE, was),
            (f"probe={TRANSFERRED}", means.get((control, TRANSFERRED)) if kind == REFITTED else None),
            (f"control={SHUFFLED}", None if control else means.get((SHUFFLED, kind))),
        )
        if other is not None
    }
    rows = [
        base.row(
            "accuracy_difference", control=control, group=f"task={one.name}, probe={kind}", reference=reference,
            **fixed,
        )
        for control, kind, reference in pairs
    ]  # fmt: skip
    for key, row in zip(pairs, ground.differences(rows, list(pairs.values())), strict=True):
        compared.setdefault(" ".join(key), []).append(row)


def drift_rows(base: Base, moved: Mapping[Version, Moved]) -> list[Measurement]:
    """How far states moved, layer by layer: means over rows and seeds, and CKA of each layer with itself before."""
    rows: list[Measurement] = []
    for control, some in of_control(moved).items():
        first = moved[some[0]]
        ground = base.ground(first.cluster)
        for k, layer in enumerate(first.layers):
            fixed: dict[str, Any] = {"layer": layer, "control": control, "reference": BEFORE, "split": "all"}
            for metric, name in (("relative_change", "relative"), ("cosine", "cosine")):
                each = np.stack([getattr(moved[version], name)[k] for version in some]).astype(np.float64)
                row = ground.mean(base.row(metric, **fixed), each.mean(axis=0))
                rows.append(row)
                rows += spread(base, row, some, np.nanmean(each, axis=1).tolist())
            shifts = [float(moved[version].shift[k]) for version in some]
            known = [one for one in shifts if np.isfinite(one)]
            rows.append(
                base.row(
                    "common_shift", value=float(np.mean(known)) if known else None,
                    reason="" if known else "no state moved", n=len(first.cluster), **fixed,
                )
            )  # fmt: skip
            rows += _cka(base, moved, some, k, fixed)
    return rows


def _cka(
    base: Base, moved: Mapping[Version, Moved], some: Sequence[Version], k: int, fixed: Mapping[str, Any]
) -> Iterator[Measurement]:
    """A row for each seed: the interval is over sentences, and seeds are not sentences."""
    for version in some:
        one = moved[version]
        value, low, high, null = (float(x) if np.isfinite(x) else None for x in one.cka[:, k])
        why = one.reasons.get(one.layers[k], "")
        seeds = (("adapt", version.seed or 0),)
        row = base.row(
            "cka", value=value, low=low, high=high, interval=one.interval if low is not None else "", reason=why,
            method=one.method, n=one.n, seeds=seeds, **fixed,
        )  # fmt: skip
        yield row
        yield replace(
            row, control="permutation", value=null, low=None, high=None, interval="",
            group=f"of={fixed['control'] or 'adapted'}",
        )  # fmt: skip


def head_rows(base: Base, heads: Mapping[Version, HeadHits]) -> list[Measurement]:
    """The head that followed a relation best in dev before, before and after; the best after; a fixed offset."""
    was = next(found for version, found in heads.items() if version.seed is None)
    rows: list[Measurement] = []
    compared: dict[str, list[Measurement]] = {}
    for k, (relation, direction) in enumerate(was.sets):
        ground = base.ground(was.cluster[k])
        at = f"relation={relation}, direction={direction}"
        fixed: dict[str, Any] = {"site": "heads", "unit": "link", "method": "most attended other word"}
        chosen = was.chosen(k)
        hits = was.test[k][chosen].astype(np.float64)
        layer, head = was.place[chosen]
        same = f"{at}, head={BEFORE}"
        rows.append(
            ground.mean(base.row("accuracy", layer=layer, group=f"{same}, number={head}", **fixed), hits)
        )
        offset = base.row("accuracy", control="fixed-offset", group=at, **fixed)
        rows.append(ground.mean(offset, was.offset[k].astype(np.float64)))
        for control, some in of_control(heads).items():
            kept = np.stack([heads[one].test[k][chosen] for one in some]).astype(np.float64)
            anew = np.stack([heads[one].test[k][heads[one].chosen(k)] for one in some]).astype(np.float64)
            numbers = " ".join(
                dict.fromkeys("{}.{}".format(*heads[one].place[heads[one].chosen(k)]) for one in some)
            )
            for kind, each, number in (("same", kept, f"{layer}.{head}"), ("anew", anew, numbers)):
                group = f"{at}, head={kind}, number={number}"
                row = ground.mean(
                    base.row("accuracy", control=control, group=group, **fixed), each.mean(axis=0)
                )
                rows += [row, *spread(base, row, some, each.mean(axis=1).tolist())]
                difference = base.row(
                    "accuracy_difference", control=control, group=group, reference=BEFORE, **fixed
                )
                compared.setdefault(f"{control} {kind}", []).extend(
                    ground.differences([difference], [(each.mean(axis=0), hits)])
                )
    for family in compared.values():
        rows += over_all(family)
    return rows
