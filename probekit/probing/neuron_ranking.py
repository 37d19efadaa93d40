"""Which neurons carry a label: ranked by a probe's weights, by selectivity, by variance, or at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.estimators.elastic_net import solve_elastic_net
from probekit.results.formats import slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]
By: TypeAlias = Literal["elastic-net", "selectivity", "variance", "random"]

SHOWN = 10
CHUNK = 8192
METHODS = {
    "elastic-net": "weights of an elastic-net probe over standardised activations",
    "selectivity": "difference between the mean over a class and over the rest, in standard deviations within both",
    "variance": "variance of the activation",
    "random": "a random order",
}


@dataclass(frozen=True, eq=False, repr=False)
class NeuronRanking:
    """Neurons from the most to the least important, for every class and for all together.

    Attributes
    ----------
    by : how they were ranked
    order : int64 [neurons], the best first
    score : float64 [neurons], by the neuron's number: 1 minus the share of mass that has to be taken in before this
        neuron is, in the class that takes it earliest; 1 for the heaviest neuron of a class, 0 without mass
    mass : float64 [classes, neurons]: what each neuron weighs for each class, not negative; one row without classes
    orders : int64 [classes, neurons]: the order for each class
    classes : the classes' names, in the order of the rows; empty where the ranking knows no classes
    """

    by: str
    order: Array
    score: Array
    mass: Array
    orders: Array
    classes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    about: About = field(default_factory=About)

    @classmethod
    def of_weights(
        cls, weights: Any, classes: Sequence[str] = (), *, by: str = "elastic-net", **more: Any
    ) -> NeuronRanking:
        """The ranking that follows from weights [classes, neurons], whose sign does not count.

        Each class takes in its heaviest neurons first; a neuron stands where the first class takes it in, by share of
        that class's mass, heavier ones first at equal shares. That is the order of Dalvi et al. 2019, without a step
        width. Raises DataError where weights are no finite matrix.

        >>> NeuronRanking.of_weights([[4, 1, 5], [1, 1, 10]]).order.tolist()
        [2, 0, 1]
        """
        mass = np.abs(np.array(weights, dtype=np.float64))
        if mass.ndim != 2 or 0 in mass.shape or not np.isfinite(mass).all():
            raise DataError(f"weights must be a finite matrix [classes, neurons]; got shape {mass.shape}")
        if classes and len(classes) != len(mass):
            raise DataError(f"{len(classes)} names of classes for {len(mass)} rows of weights")
        orders = np.argsort(-mass, axis=1, kind="stable")
        total = mass.sum(axis=1, keepdims=True)
        share = np.divide(mass, total, out=np.zeros_like(mass), where=total > 0)
        ordered = np.take_along_axis(share, orders, axis=1)
        before = np.ones_like(share)
        np.put_along_axis(
            before, orders, np.where(ordered > 0, np.cumsum(ordered, axis=1) - ordered, 1.0), axis=1
        )
        entered = np.clip(before, 0.0, 1.0).min(axis=0)
        order = np.lexsort((-share.max(axis=0), entered))
        return cls(by, order, 1.0 - entered, mass, orders, tuple(map(str, classes)), **more)

    def __len__(self) -> int:
        return len(self.order)

    def __repr__(self) -> str:
        return f"NeuronRanking({len(self)} neurons by {self.by}, {len(self.classes)} classes)"

    def top(self, share: float) -> tuple[list[int], dict[str, list[int]]]:
        """The fewest neurons that hold this share of each class's mass: of all classes, ascending, and per class.

        >>> NeuronRanking.of_weights([[5, 1, 1], [1, 10, 1]], ["a", "b"]).top(0.5)
        ([0, 1], {'a': [0], 'b': [1]})
        """
        return self._taken(self.orders, share)

    def bottom(self, share: float) -> tuple[list[int], dict[str, list[int]]]:
        """The lightest neurons up to the one that completes this share of each class's mass, as `top` gives them.

        >>> NeuronRanking.of_weights([[5, 4, 1], [10, 1, 1]], ["a", "b"]).bottom(0.1)
        ([1, 2], {'a': [2], 'b': [1, 2]})
        """
        if self.by == "random":
            return self._taken(self.orders[:, ::-1], share)
        return self._taken(np.argsort(self.mass, axis=1, kind="stable"), share)

    def heavier_than(self, part: float) -> tuple[list[int], dict[str, list[int]]]:
        """The neurons that weigh more than this part of the class's heaviest, as `top` gives them.

        >>> NeuronRanking.of_weights([[5, 1, 2, 1], [1, 10, 1, 6]], ["a", "b"]).heavier_than(0.5)
        ([0, 1, 3], {'a': [0], 'b': [1, 3]})
        """
        limits = part * self.mass.max(axis=1, keepdims=True)
        return self._named(
            [np.flatnonzero(row > limit) for row, limit in zip(self.mass, limits, strict=True)]
        )

    def _taken(self, orders: Array, share: float) -> tuple[list[int], dict[str, list[int]]]:
        if not share > 0:
            raise ConfigError(f"share must be above 0 (0.2 = a fifth of the weight mass); got {share!r}")
        chosen = []
        for order, mass in zip(orders, self.mass, strict=True):
            sums = np.cumsum(mass[order])
            enough = np.flatnonzero(sums >= share * mass.sum() * (1 - 1e-12))
            chosen.append(order[: enough[0] + 1 if len(enough) else len(order)])
        return self._named(chosen)

    def _named(self, chosen: list[Array]) -> tuple[list[int], dict[str, list[int]]]:
        union = np.unique(np.concatenate(chosen)).tolist()
        lists = {name: one.tolist() for name, one in zip(self.classes, chosen, strict=False)}
        return union, lists

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """The ten best neurons overall, then of each class their share of its mass."""
        base: dict[str, Any] = {
            "run": self.about.run, "question": self.about.question, "corpus": self.about.corpus,
            "model": self.about.model, "model_kind": self.about.model_kind, "site": self.about.site,
            "method": METHODS.get(self.by, self.by), "unit": "neuron", "split": "train", "n": len(self),
            "seeds": (("control", int(self.options.get("seed", 0))),) if self.by == "random" else (),
        }  # fmt: skip
        found = [
            Measurement(metric="neuron_score", group=f"neuron={j}", value=self.score[j], **base)
            for j in self.order[:SHOWN]
        ]
        for name, order, mass in zip(self.classes, self.orders, self.mass, strict=False):
            total = float(mass.sum())
            found += [
                Measurement(
                    metric="share_of_mass",
                    group=f"neuron={j} label={name}",
                    value=mass[j] / total if total else None,
                    reason="" if total else "no neuron has a weight for this class",
                    **base,
                )
                for j in order[:SHOWN]
            ]
        return tuple(found)

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """The best neurons, and how few hold half of the mass."""
        best = ", ".join(str(j) for j in self.order[:5])
        text = f"Of {len(self):,} neurons ranked by {METHODS.get(self.by, self.by)}, the first are {best}"
        if self.by == "random" or not self.mass.any():
            return f"{text}."
        half = len(self.top(0.5)[0])
        what = "half of the mass of every class" if self.classes else "half of the mass"
        return f"{text}; {half:,} ({half / len(self):.1%}) hold {what}."

    @property
    def panels(self) -> list[Panel]:
        """The summary; the share of mass that the first k neurons hold; the first ten of every class."""
        name = slug("neurons", self.about.question or "label", self.by)
        points = np.unique(np.round(np.geomspace(1, len(self), 40)).astype(int))
        total = self.mass.sum(axis=1, keepdims=True)
        share = np.divide(self.mass, total, out=np.zeros_like(self.mass), where=total > 0)
        held = np.cumsum(np.take_along_axis(share, self.orders, axis=1), axis=1).mean(axis=0)[points - 1]
        value = np.stack([held, points / len(self)])
        series = [{"name": self.by, "style": "task"}, {"name": "equal weights", "style": "baseline"}]
        columns = ["label", *(f"{i + 1}." for i in range(min(SHOWN, len(self))))]
        cells = [["all", *(int(j) for j in self.order[:SHOWN])]]
        cells += [[k, *(int(j) for j in o[:SHOWN])] for k, o in zip(self.classes, self.orders, strict=False)]
        return [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            Panel(
                "curve", f"{name}-mass", "Mass of the first neurons",
                "Share of a class's mass that its first k neurons hold, mean over classes.",
                {"x": points.astype(float), "value": value, "low": np.full_like(value, np.nan),
                 "high": np.full_like(value, np.nan)},
                {"x_label": "neurons", "y_label": "share of mass", "series": series, "x_scale": "log",
                 "y_range": [0.0, 1.0]},
            ),
            Panel(
                "table", f"{name}-first", "The first neurons", "Numbers of the neurons, the best first.",
                labels={"columns": columns, "rows": cells, "formats": ["text", *["int"] * (len(columns) - 1)]},
            ),
        ]  # fmt: skip

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        labels = self.panels[-1].labels
        return f"<p>{escape(self.summary)}</p>{table(labels['columns'], labels['rows'], labels['formats'])}"


def rank_neurons(
    X: Any, y: Any = None, by: By = "elastic-net", *, l1: float = 1e-3, l2: float = 1e-3, tol: float = 1e-4,
    max_iter: int = 500, seed: int = 0, about: About | None = None,
) -> NeuronRanking:  # fmt: skip
    """Rank the columns of X [n, neurons] by what they say of the labels y [n].

    "elastic-net"
        Absolute weights of a logistic probe with both penalties over standardised columns (Dalvi et al. 2019, "What is
        one grain of sand in the desert?"). `l1` and `l2` belong to the mean log loss; a probe that has not come within
        `tol` after `max_iter` passes says so in ``options["converged"]``.
    "selectivity"
        For every class, the difference between the neuron's mean over the class and over the rest, in standard
        deviations within both (Cohen's d): class selectivity (Morcos et al. 2018) for activations of either sign.
    "variance"
        The variance of the activation; y is not needed and not looked at.
    "random"
        An order drawn with `seed`, as a control.

    Raises DataError for NaN or infinity, one class only, labels that do not fit; ConfigError for an unknown way.

    >>> X = np.array([[0.0, 9.0, 1.0], [0.1, 4.0, 0.0], [1.0, 9.0, 1.0], [1.1, 4.0, 0.0]])
    >>> [int(rank_neurons(X, ["a", "a", "b", "b"], way).order[0]) for way in ("selectivity", "variance")]
    [0, 1]
    """
    if by not in get_args(By):
        raise ConfigError(f"no way {by!r} to rank neurons; {did_you_mean(str(by), get_args(By))}")
    X = np.asarray(X)
    if X.ndim != 2 or 0 in X.shape or X.dtype.kind not in "fiu":
        raise DataError(
            f"activations must be a matrix of numbers [n, neurons]; got {X.dtype} of shape {X.shape}"
        )
    if X.dtype.kind != "f":
        X = X.astype(np.float64)
    mean, variance = _moments(X)
    about = about or About()
    if by == "random":
        n = X.shape[1]
        order = np.random.default_rng([seed, 5]).permutation(n)
        score = np.empty(n)
        score[order] = 1.0 - np.arange(n) / n
        return NeuronRanking(by, order, score, np.ones((1, n)), order[None], (), {"seed": seed}, about)
    if by == "variance":
        return NeuronRanking.of_weights(variance[None], by=by, about=about)
    names, codes = _classes(y, len(X))
    if by == "selectivity":
        mass = _selectivity(X, codes, len(names), mean, variance)
        return NeuronRanking.of_weights(mass, names, by=by, about=about)
    spread = np.sqrt(variance)
    kind = np.float64 if X.dtype == np.float64 else np.float32
    standard = ((X - mean.astype(kind)) / np.where(spread > 0, spread, 1.0).astype(kind)).astype(kind)
    solution = solve_elastic_net(standard, codes, len(names), l1=l1, l2=l2, tol=tol, max_iter=max_iter)
    options = {"l1": l1, "l2": l2, "passes": solution.n_iter, "converged": solution.converged}
    return NeuronRanking.of_weights(solution.coef, names, by=by, options=options, about=about)


def _moments(X: Array) -> tuple[Array, Array]:
    """Mean and variance of every column in float64; a column that varies by rounding alone has variance 0."""
    mean = X.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise DataError("activations hold a value that is not a finite number; leave such rows out first")
    square = np.zeros_like(mean)
    for start in range(0, len(X), CHUNK):
        square += ((X[start : start + CHUNK] - mean) ** 2).sum(axis=0)
    variance = square / len(X)
    rounding = 4 * float(np.finfo(X.dtype).eps)
    return mean, np.where(np.sqrt(variance) > rounding * np.abs(mean), variance, 0.0)


def _classes(y: Any, n: int) -> tuple[tuple[str, ...], Array]:
    if y is None:
        raise DataError("ranking by a label needs y, a label for each row")
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise DataError(f"labels of shape {labels.shape} for {n} rows of activations; give one label a row")
    if labels.dtype.kind == "f":
        raise DataError("labels must be classes (text, whole numbers or bools); got numbers with a point")
    found, codes = np.unique(labels, return_inverse=True)
    if len(found) < 2:
        raise DataError(f"ranking needs two classes; all {n} labels are {str(found[0])!r}")
    return tuple(str(name) for name in found), codes.reshape(-1)


def _selectivity(X: Array, codes: Array, n_classes: int, mean: Array, variance: Array) -> Array:
    """|mean over the class - mean over the rest| / pooled standard deviation, float64 [classes, neurons]."""
    n = len(X)
    sums = np.zeros((n_classes, X.shape[1]))
    for start in range(0, n, CHUNK):
        own = np.zeros((n_classes, min(CHUNK, n - start)))
        own[codes[start : start + CHUNK], np.arange(own.shape[1])] = 1.0
        sums += own @ (X[start : start + CHUNK] - mean)
    count = np.bincount(codes, minlength=n_classes)[:, None].astype(np.float64)
    inside, outside = sums / count, -sums / (n - count)
    apart = np.abs(inside - outside)
    # the variance around the two means is the whole variance less what lies between them
    within = np.maximum(variance - count * (n - count) / n**2 * apart**2, 0.0)
    spread = np.sqrt(within)
    perfect = spread <= 1e-9 * np.sqrt(
        variance
    )  # two values, one for each side: as selective as rounding can tell
    spread = np.where(perfect, 1e-9 * np.sqrt(variance), spread)
    return np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)
