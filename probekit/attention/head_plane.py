"""Distances between heads as numbers, a plane, clusters, tables and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.attention.counted import (
    cell,
    counted,
    near_zero,
    paragraph_and_table,
    sentences_told,
    twins_told,
)
from probekit.glossary import Layer, ModelKind
from probekit.maths.planes import Faith, faith, same_label_chance, same_label_share
from probekit.maths.resampling import cluster_bootstrap, describe_interval
from probekit.maths.scaling import distances
from probekit.results.formats import format_interval, format_p, format_score
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]

METHOD = "Jensen-Shannon divergence between heads"
MOST_CLUSTERS = 10
CELLS = 4_000_000
MARKED = 4
"""How many of the heads that are least like the others are named in the plane."""
DRAWN = 100
"""Of more heads no table of distances is drawn: its cells could not be told apart."""


@dataclass(frozen=True, eq=False, repr=False)
class HeadDistances:
    """How unlike heads look, made by `pk.head_distances`.

    Attributes
    ----------
    distance : float64 ``[all heads, all heads]``, bits; heads of layer after layer
    plane : float64 ``[all heads, 2]``; `faith` says what it loses
    layer_of, cluster_of : int64 ``[all heads]``; ``silhouette`` is the mean one of the clusters
    sums : float64 ``[sentences, 3]``: mean distance within layers, between layers, and pieces, added up over pieces
    twins : the same for each random twin
    left_out : words that were not read, by reason
    split : of which the sentences are, "" of none, "all" of several
    """

    layers: tuple[Layer, ...]
    distance: Array
    plane: Array
    layer_of: Array
    cluster_of: Array
    silhouette: float
    sums: Array
    twins: tuple[Array, ...] = ()
    twin_seeds: tuple[int, ...] = ()
    n_pieces: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    resamples: int = 1000
    permutations: int = 9999
    seed: int = 0
    model: str = ""
    model_kind: ModelKind = "pretrained"
    corpus: str = ""
    split: str = ""
    n_sentences: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Every head as "layer.head"."""
        own = len(self.layer_of) // len(self.layers)
        return tuple(f"{self.layers[layer]}.{at % own}" for at, layer in enumerate(self.layer_of))

    @cached_property
    def faith(self) -> Faith:
        """What the plane loses: stress, trustworthiness, kept neighbours beside chance."""
        return faith(self.distance, distances(self.plane))

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """Mean distances within and between layers, their difference with p, the same for twins; the share of a head's
        three nearest that are of its layer beside chance; stress, trustworthiness, silhouette."""
        return tuple(self._rows())

    def _rows(self) -> Iterator[Measurement]:
        if len(self.layers) > 1:
            yield from self._layer_rows(self.sums, "", ())
            for seed, sums in zip(self.twin_seeds, self.twins, strict=True):
                yield from self._layer_rows(sums, "random-twin", () if seed < 0 else (("twin", seed),))
            k = min(3, len(self.distance) - 1)
            share = same_label_share(self.distance, self.layer_of, k)
            yield self._row(f"same_layer_of_{k}_nearest", float(share.mean()), n=len(share))
            yield self._row(
                f"same_layer_of_{k}_nearest", same_label_chance(self.layer_of), n=len(share), control="chance"
            )
        heads = len(self.distance)
        yield self._row(
            "stress", self.faith.stress, n=heads,
            reason="all heads alike" if np.isnan(self.faith.stress) else "",
        )  # fmt: skip
        yield self._row(
            "trustworthiness", self.faith.trustworthiness, n=heads,
            reason="too few heads" if np.isnan(self.faith.trustworthiness) else "",
        )  # fmt: skip
        yield self._row(
            "silhouette", self.silhouette, n=heads, group=f"clusters={self.cluster_of.max() + 1}",
            reason="all heads alike" if np.isnan(self.silhouette) else "",
        )  # fmt: skip

    def _layer_rows(
        self, sums: Array, control: str, seeds: tuple[tuple[str, int], ...]
    ) -> Iterator[Measurement]:
        def means(total: Array) -> Array:
            share = total[..., :2] / total[..., 2:]
            return np.concatenate([share, share[..., 1:] - share[..., :1]], -1)

        value, low, high = cluster_bootstrap(sums, means, resamples=self.resamples, seed=self.seed)
        alone = len(self.distance) == len(self.layers)
        for at, metric in enumerate(("js_within_layers", "js_between_layers", "js_between_less_within")):
            if alone and at != 1:
                yield self._row(metric, None, n=0, control=control, reason="one head a layer: none within")
                continue
            yield self._row(
                metric, float(value[at]), n=int(sums[:, 2].sum()), unit="piece", control=control, seeds=seeds,
                low=float(low[at]), high=float(high[at]),
                interval=describe_interval(self.resamples) if np.isfinite(low[at]) else "",
                reference="js_within_layers" if at == 2 else "",
                p=self.p if at == 2 and not control else None,
            )  # fmt: skip

    @cached_property
    def p(self) -> float:
        """Of heads dealt out to layers anew, how often is within as much nearer than between: (b + 1) / (R + 1)."""
        layers, n = len(self.layers), len(self.distance)
        blocks = np.arange(n).reshape(layers, 1, -1)  # heads stand layer after layer
        own = float(self._within(blocks)[0]) * (1 + 1e-9)
        rng = np.random.default_rng([self.seed, 6])
        step = max(1, CELLS * layers // n**2)
        as_near = 0
        for begin in range(0, self.permutations, step):
            many = np.tile(np.arange(n), (min(step, self.permutations - begin), 1))
            dealt = rng.permuted(many, axis=1).reshape(len(many), layers, -1).swapaxes(0, 1)
            as_near += int((self._within(dealt) <= own).sum())
        return (as_near + 1) / (self.permutations + 1)

    def _within(self, heads: Array) -> Array:
        """The sum of distances between the heads of a layer, float64[deals], for heads int[layers, deals, heads]."""
        return np.asarray(sum(self.distance[one[:, :, None], one[:, None]].sum((1, 2)) for one in heads))

    def _row(self, metric: str, value: float | None, *, n: int, **more: Any) -> Measurement:
        shared: dict[str, Any] = {
            "unit": "head", "method": METHOD, "site": "heads", "split": self.split, "model": self.model,
            "model_kind": self.model_kind, "corpus": self.corpus, "n_left_out": sum(self.left_out.values()),
        }  # fmt: skip
        if more.get("control") == "random-twin":
            shared["model_kind"] = "random"
        return Measurement(metric=metric, value=value, n=n, **{**shared, **more})

    def table(self) -> pandas.DataFrame:
        """The rows as a pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """Whether heads of a layer are alike, and what the plane loses, in a few words."""
        lost = f"The plane's stress is {format_score(self.faith.stress, 2)}"
        sizes = ", ".join(str(n) for n in np.sort(np.bincount(self.cluster_of))[::-1])
        best = f"clusters of {sizes} heads have the silhouette {format_score(self.silhouette, 2)}"
        found = {(row.metric, row.control): row for row in self.rows}
        apart = found.get(("js_between_less_within", ""))
        if apart is None or apart.value is None:
            return f"{len(self.distance)} heads of {self.model}. {lost}; {best}."
        twins = [
            row.value for row in self.rows if row.metric == apart.metric and row.control == "random-twin"
        ]
        beside = f"; in {twins_told(len(twins))} {', '.join(near_zero(x) for x in twins)}" if twins else ""
        p = format_p(apart.p)
        bounds = f"{format_interval(apart.low, apart.high)}, p {p}"
        if apart.low is None:
            bounds = f"(one sentence: no interval; p {p} is over its heads alone)"
        over = f", over {sentences_told(self.n_sentences, self.split)}" if self.n_sentences else ""
        return (
            f"Heads of one layer of {self.model} are {near_zero(apart.value)} bits nearer to each other than heads "
            f"of two {bounds}{over}{beside}. {lost}; {best}."
        )

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The plane coloured by layer and by cluster, and the table of distances where it can be drawn."""
        note = f"stress {self.faith.stress:.2f}" if np.isfinite(self.faith.stress) else "all heads alike"
        if np.isfinite(self.faith.trustworthiness):
            note += f", trustworthiness {self.faith.trustworthiness:.2f}"
        found = [
            self._plane("head-plane", "Heads by how alike they look", "layer", self.layer_of,
                        [f"layer {layer}" for layer in self.layers], note),
            self._plane("head-clusters", "Clusters of heads", "cluster", self.cluster_of,
                        [f"cluster {at + 1}" for at in range(int(self.cluster_of.max()) + 1)],
                        f"{note}, silhouette {self.silhouette:.2f}" if np.isfinite(self.silhouette) else note),
        ]  # fmt: skip
        if len(self.distance) <= DRAWN:
            names = list(self.names)
            found.append(
                Panel(
                    "heatmap",
                    "head-distances",
                    "Distances between heads",
                    "Jensen-Shannon divergence of what two heads look at, averaged over "
                    f"{self._pieces}.",
                    {"value": self.distance},
                    {
                        "rows": names, "columns": names, "row_label": "Head (layer.head)", "column_label": "Head",
                        "value_label": "Divergence (bits)", "range": [0.0, max(1e-9, float(self.distance.max()))],
                    },
                )
            )  # fmt: skip
        return tuple(found)

    def _plane(self, name: str, title: str, what: str, code: Array, classes: list[str], note: str) -> Panel:
        caption = (
            f"Points near each other look at the same pieces; coloured by {what}. Metric multidimensional scaling of "
            f"Jensen-Shannon divergences over {self._pieces}; axes mean nothing, and stress says what the "
            "plane loses (0 is nothing). Named (layer.head) are the heads least like the others."
        )
        far = np.argsort(-self.distance.mean(1), kind="stable")[:MARKED].tolist()
        labels = {
            "planes": ["all heads"], "classes": classes, "notes": [note], "names": list(self.names),
            "marked": [{"index": at, "name": self.names[at]} for at in far],
        }  # fmt: skip
        return Panel("scatter", name, title, caption, {"xy": self.plane[None], "code": code}, labels)

    @property
    def _pieces(self) -> str:
        """Over what distances are averaged, in words."""
        of = f" of {sentences_told(self.n_sentences, self.split)}" if self.n_sentences else ""
        return counted(self.n_pieces, "piece") + of

    def _repr_html_(self) -> str:
        rows = [
            [row.metric.replace("_", " "), row.control.replace("-", " "), cell(row.value),
             format_interval(row.low, row.high), "" if row.p is None else format_p(row.p)]
            for row in self.rows
        ]  # fmt: skip
        return paragraph_and_table(self.summary, ["measure", "control", "value", "95 % interval", "p"], rows)

    def __repr__(self) -> str:
        return f"HeadDistances({len(self.distance)} heads of {self.model}, {counted(self.n_pieces, 'piece')})"


def find_clusters(distance: Array, clusters: int | None = None) -> tuple[Array, float]:
    """Clusters of average linkage, int64[n], and their mean silhouette: so many, or as many (2 to 10) as have the best.

    Where one point alone is far from all others, cutting it off has the best silhouette and says nothing of the rest;
    so cuts with two clusters of several points come first. All in one cluster, silhouette NaN, where nothing is apart.
    Sources: Sokal & Michener 1958; Rousseeuw 1987.

    >>> x = np.array([[0.0], [0.1], [5.0], [5.1]])
    >>> codes, best = find_clusters(np.abs(x - x.T))
    >>> codes.tolist(), best > 0.9
    ([0, 0, 1, 1], True)
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from sklearn.metrics import silhouette_score

    n = len(distance)
    if not distance.max() > 0:
        return np.zeros(n, np.int64), np.nan
    tree = linkage(squareform(distance, checks=False), "average")
    found = []
    for count in range(2, min(MOST_CLUSTERS, n - 1) + 1) if clusters is None else [clusters]:
        _, first, cut = np.unique(fcluster(tree, count, "maxclust"), return_index=True, return_inverse=True)
        if len(first) > 1:
            score = float(silhouette_score(distance, cut, metric="precomputed"))
            codes = np.argsort(np.argsort(first))[cut].astype(np.int64)
            found.append(((np.bincount(cut) > 1).sum() > 1, score, -count, codes))
    if not found:
        return np.zeros(n, np.int64), np.nan
    _, best, _, codes = max(found, key=lambda one: one[:3])
    return codes, best
