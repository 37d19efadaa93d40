"""Words in context as points in a plane, one plane per layer, with what the planes lose printed below them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError
from probekit.geometry.occurrences import Occurrences, about_of, layers_of, occurrences, share_of
from probekit.geometry.reduce import NAMES, check_method, perplexity_for, reduce
from probekit.geometry.stored import check_whole, counted, identical
from probekit.glossary import Layer, Progress, silent
from probekit.maths.planes import Faith, faith, lay_over, same_label_chance, same_label_share
from probekit.results.formats import format_count, format_interval, format_percent, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.activations.activations import Activations
    from probekit.data.task import Task
    from probekit.data.units import Units

Array = NDArray[Any]

STAGE = "projecting (layers)"
NO_SPREAD = "all vectors are identical"


@dataclass(frozen=True)
class LayerPlane:
    """What is known of one plane; `spread` False: all vectors of the layer are identical, and nothing else is known.

    ``in_plane`` and ``in_space`` float64[points]: the share of a point's nearest neighbours with its label. ``over``:
    how well the plane lies over that of the layer before (`lay_over`), NaN for the first.
    """

    spread: bool
    explained: float = np.nan
    faith: Faith | None = None
    in_plane: Array | None = None
    in_space: Array | None = None
    over: float = np.nan


@dataclass(frozen=True, eq=False, repr=False)
class Projection:
    """Planes of some layers with the same points in each.

    Attributes
    ----------
    xy : float64 [layers, points, 2]; NaN where a layer has no plane
    words : the points (`Occurrences`); planes : what is known of each plane
    method, metric, neighbours, perplexity, seed : how; drawn_from : units there were before the draw of points
    marked : points that are named, index -> name
    """

    layers: tuple[Layer, ...]
    xy: Array
    words: Occurrences
    planes: tuple[LayerPlane, ...]
    method: str
    metric: str
    neighbours: int
    perplexity: float
    seed: int
    drawn_from: int
    task: str
    marked: Mapping[int, str] = field(default_factory=dict)
    resamples: int = 1000
    about: About = field(default_factory=About)

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """For every layer explained variance, stress, trustworthiness, kept neighbours beside chance, and the share of
        neighbours with the same label: in the plane, in the space, and by chance."""
        return tuple(row for layer, plane in zip(self.layers, self.planes, strict=True)
                     for row in self._rows(layer, plane))  # fmt: skip

    def _rows(self, layer: Layer, plane: LayerPlane) -> Iterable[Measurement]:
        def row(metric: str, value: float, reason: str = "", **more: Any) -> Measurement:
            return Measurement(
                metric=metric, value=value, layer=layer, split="", n=len(self.words), unit=self.words.unit,
                n_left_out=self.words.n_left_out, reason=reason, seeds=(("data", self.seed),),
                method=more.pop("method", f"{NAMES[self.method]}, {self.metric} distance"),
                **(vars(self.about) | more),
            )  # fmt: skip

        if not plane.spread or plane.faith is None:
            yield row("trustworthiness", np.nan, NO_SPREAD)
            return
        if self.method == "pca":
            yield row("explained_variance", plane.explained)
        yield row("stress", plane.faith.stress)
        small = f"needs more than {2 * self.neighbours} points"
        group = f"neighbours={self.neighbours}"
        trust = plane.faith.trustworthiness
        yield row("trustworthiness", trust, "" if np.isfinite(trust) else small, group=group)
        yield row("kept_neighbours", plane.faith.kept, group=group)
        yield row("kept_neighbours", plane.faith.chance, group=group, control="random-plane")
        if np.isfinite(plane.over):
            yield row("fit_to_layer_before", plane.over)
        if plane.in_plane is None or plane.in_space is None:
            yield row("same_label_neighbours", np.nan, "all points have one label", group=group)
            return
        for where, share in (("plane", plane.in_plane), ("space", plane.in_space)):
            found = share_of(share, self.words.cluster, self.resamples)
            yield row("same_label_neighbours", found.pop("value"), group=f"{group}, in={where}", **found)
        yield row(
            "same_label_neighbours", same_label_chance(self.words.codes), group=group, control="permutation",
            method="mean over all ways of dealing the labels out",
        )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """How many points, how they were chosen, and at which layer equal labels lie nearest."""
        said = f"{self._points()} as planes of {counted(len(self.layers), 'layer')} by {NAMES[self.method]}"
        known = [row for row in self.rows if row.group.endswith("in=space") and row.value is not None]
        if self.words.n_classes < 2:
            return f"{said}; all are {self.words.classes[0]!r}, so colours say nothing."
        if not known:
            return f"{said}; at every layer {NO_SPREAD}, so there is nothing to draw."
        best = max(known, key=lambda row: row.value or 0.0)
        plane = next(r for r in self.rows if r.layer == best.layer and r.group.endswith("in=plane"))
        chance = format_percent(same_label_chance(self.words.codes))
        return (
            f"{said}. Neighbours have the same label most often at layer {best.layer}: {format_percent(best.value)} "
            f"{_interval(best)} of the {self.neighbours} nearest in the space and {format_percent(plane.value)} in the "
            f"plane, {chance} by chance."
        )

    def _points(self) -> str:
        n = len(self.words)
        if self.drawn_from > n:
            every = counted(self.drawn_from, self.words.unit)
            return f"{format_count(n)} of {every}, drawn at random (seed {self.seed}),"
        return f"All {counted(n, self.words.unit)}"

    @property
    def panels(self) -> list[Panel]:
        """The summary, and the planes side by side with their numbers below."""
        name = slug("plane", self.about.model or "model", self.task, self.method)
        counts = np.bincount(self.words.codes, minlength=self.words.n_classes)
        how = [
            f"{self._points()} of {self.about.corpus or 'a corpus'}, coloured by {self.task}; {self.metric} distance"
        ]
        if self.method != "pca":
            how.append(
                f"perplexity {self.perplexity:g}, seed {self.seed}; distances between groups mean little in t-SNE"
            )
        how.append(
            "each plane is turned or mirrored to lie over the one before, never stretched; neighbours: the "
            f"{self.neighbours} nearest"
        )
        if self.words.n_classes < 2:
            how.append("all points have one label")
        return [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            Panel(
                "scatter", name, f"{NAMES[self.method]} of {self.task} by layer", ". ".join(map(_capital, how)) + ".",
                {"xy": self.xy, "code": self.words.codes},
                {
                    "planes": [f"layer {layer}" for layer in self.layers],
                    "classes": [f"{c} ({format_count(k)})" for c, k in zip(self.words.classes, counts, strict=True)],
                    "marked": [{"index": i, "name": word} for i, word in self.marked.items()],
                    "notes": [self._note(plane) for plane in self.planes],
                    "names": list(self.words.names),
                },
            ),
        ]  # fmt: skip

    def _note(self, plane: LayerPlane) -> str:
        """What is printed under a plane, in short lines."""
        if not plane.spread or plane.faith is None:
            return NO_SPREAD
        first = [f"variance {_share(plane.explained)}"] if self.method == "pca" else []
        lines = [", ".join([*first, f"stress {plane.faith.stress:.2f}"])]
        lines.append(f"trustworthiness {format_score(plane.faith.trustworthiness, 2)}")
        lines.append(f"neighbours kept {_share(plane.faith.kept)}, chance {_share(plane.faith.chance)}")
        if plane.in_plane is not None and plane.in_space is not None:
            lines.append(f"same label: plane {_share(plane.in_plane.mean())},")
            chance = same_label_chance(self.words.codes)
            lines.append(f"space {_share(plane.in_space.mean())}, chance {_share(chance)}")
        if np.isfinite(plane.over):
            lines.append(f"fit to the plane before {format_score(plane.over, 2)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"

    def __repr__(self) -> str:
        return f"<Projection: {len(self.words):,} points, {counted(len(self.layers), 'layer')}, {NAMES[self.method]}>"


def project(
    acts: Activations,
    task: Task | Units,
    method: str = "pca",
    *,
    layers: str | int | Iterable[int | str] = "all",
    split: str | None = None,
    points: int = 1000,
    neighbours: int = 10,
    perplexity: float = 30.0,
    metric: str = "euclidean",
    mark: Sequence[str] = (),
    seed: int = 0,
    resamples: int = 1000,
    about: About | None = None,
    progress: Progress = silent,
) -> Projection:
    """Lay the units of a task into a plane at every layer, coloured by label, and say what each plane loses.

    `method` is ``pca``, ``tsne`` (scikit-learn) or ``opentsne`` (the extra ``projection``). Of more than `points` units
    so many are drawn at random by `seed`, the same for all layers. `metric` ``cosine`` scales every vector to length 1
    first. `mark` names units (``"sentence id:word"``, word from 1), which are always drawn and named. Labels that are
    numbers are cut at their quintiles. Under each plane stand explained variance (PCA), stress, trustworthiness and
    kept neighbours (`probekit.maths.planes`), and how many neighbours have the same label in the plane, in the space,
    and by chance: a picture may show groups that are not there and hide some that are. A layer whose vectors are all
    identical has no plane, which is said in its place.

    Raises ConfigError (an option, a unit to mark that is not there), DataError (fewer than 3 units), MissingExtra.

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(20, 5, 5), layers=[0, 3])
    >>> planes = pk.project(acts, pk.load_task("upos"), points=60)
    >>> planes.xy.shape, [row.metric for row in planes.rows][:3]
    ((2, 60, 2), ['explained_variance', 'stress', 'trustworthiness'])
    """
    check_method(method)
    if metric not in ("euclidean", "cosine"):
        raise ConfigError(f"no metric {metric!r}; use 'euclidean' or 'cosine'")
    check_whole(0, seed=seed, points=points, neighbours=neighbours)
    check_whole(1, resamples=resamples)
    if neighbours < 1 or points < 3 or not perplexity > 0:
        raise ConfigError(
            f"a plane needs neighbours >= 1, points >= 3 and perplexity > 0; got {neighbours}, {points}, {perplexity}"
        )
    chosen = layers_of(acts, layers)
    every = occurrences(acts, task, split=split)
    words = every.draw(points, seed=seed, always=every.find(mark))
    if len(words) < 3:
        raise DataError(
            f"{counted(len(words), words.unit)} of {every.task!r} with a vector; a plane needs 3 or more"
        )
    xy = np.full((len(chosen), len(words), 2), np.nan)
    planes: list[LayerPlane] = []
    before: Array | None = None
    for i, layer in enumerate(chosen):
        progress(STAGE, i, len(chosen))
        plane, found = _plane(
            words.vectors(layer), words, method, metric, neighbours, perplexity, seed, before
        )
        if found is not None:
            xy[i] = before = found
        planes.append(plane)
    progress(STAGE, len(chosen), len(chosen))
    return Projection(
        layers=chosen, xy=xy, words=words, planes=tuple(planes), method=method, metric=metric,
        neighbours=min(neighbours, len(words) - 1), perplexity=perplexity_for(len(words), perplexity), seed=seed,
        drawn_from=len(every), task=every.task,
        marked={words.ids.index(one): words.types[words.ids.index(one)] for one in mark},
        resamples=resamples, about=about or about_of(acts, f"what lies near what, by {every.task}"),
    )  # fmt: skip


def _plane(
    X: Array, words: Occurrences, method: str, metric: str, neighbours: int, perplexity: float, seed: int,
    before: Array | None,
) -> tuple[LayerPlane, Array | None]:  # fmt: skip
    from scipy.spatial.distance import pdist, squareform

    X = np.asarray(X, dtype=np.float64)
    if metric == "cosine":
        X = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)
    if identical(X):
        return LayerPlane(spread=False), None
    plane = reduce(X, method, perplexity=perplexity, seed=seed)
    xy, over = (plane.xy - plane.xy.mean(axis=0), np.nan) if before is None else lay_over(plane.xy, before)
    k = min(neighbours, len(X) - 1)
    space, flat = squareform(pdist(X)), squareform(pdist(xy))
    shares: dict[str, Array] = {}
    if words.n_classes > 1:
        shares = {
            "in_plane": same_label_share(flat, words.codes, k),
            "in_space": same_label_share(space, words.codes, k),
        }
    return LayerPlane(True, plane.explained, faith(space, flat, k), over=over, **shares), xy


def _interval(row: Measurement) -> str:
    return format_interval(row.low, row.high)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _share(value: float) -> str:
    """A share in whole per cents, never 0 or 100 unless it is, on one line."""
    whole = f"{100 * value:.0f}"
    whole = "<1" if whole == "0" and value > 0 else ">99" if whole == "100" and value < 1 else whole
    return f"{whole}\u00a0%"
