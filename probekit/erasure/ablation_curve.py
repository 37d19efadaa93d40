"""How a score falls while more and more is taken out: in the order of a ranking, and in random orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError
from probekit.glossary import Progress, silent
from probekit.maths.resampling import Interval, describe_interval, holm, mean_interval
from probekit.maths.sign_flips import sign_flip_p
from probekit.models.hooks import Edit, edit_all
from probekit.results.formats import format_interval, format_score, slug
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.outcomes import Outcomes
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.models.model import Model

Array = NDArray[Any]
Judge = Callable[[], "Outcomes | Sequence[float] | Array"]

STAGE = "ablating (sets)"
RANDOM = "random-ranking"


@dataclass(frozen=True, eq=False, repr=False)
class AblationCurve:
    """What every item scored with nothing taken out, and with sets of increasing size taken out.

    Attributes
    ----------
    sizes : how many members each set has, ascending
    before : float64 [items]; ranked : float64 [sizes, items]; random : float64 [draws, sizes, items]
    cluster : int64 [items], what intervals resample
    members : how many could be taken out in all
    n_left_out : items that were not scored everywhere, and are in none of the arrays
    """

    sizes: tuple[int, ...]
    before: Array
    ranked: Array
    random: Array
    cluster: Array
    members: int
    metric: str = "accuracy"
    method: str = "ranking"
    part: str = "neuron"
    seed: int = 0
    n_left_out: int = 0
    resamples: int = 1000
    about: About = field(default_factory=About)

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """The score before; for every size that of the ranked set, of random sets (mean over draws), and their
        difference, paired over items, with p by sign flips and Holm's correction over the sizes."""
        found = [self._row("size=0", mean_interval(self.before, self.cluster, resamples=self.resamples))]
        differences = self.ranked - self.random.mean(axis=0) if len(self.random) else np.zeros((0, 0))
        p = sign_flip_p(differences, self.cluster, seed=self.seed) if len(differences) else np.zeros(0)
        adjusted = holm(p)
        for i, size in enumerate(self.sizes):
            found.append(self._row(f"size={size}", self._interval(self.ranked[i])))
            if not len(self.random):
                continue
            mean = self._interval(self.random[:, i].mean(axis=0))
            found.append(self._row(f"size={size}", mean, control=RANDOM))
            found.append(
                self._row(
                    f"size={size}",
                    self._interval(differences[i]),
                    metric=f"{self.metric}_difference",
                    reference=RANDOM,
                    p=p[i],
                    p_adjusted=adjusted[i],
                    family_size=len(self.sizes),
                )
            )
        return tuple(found)

    def _interval(self, values: Array) -> Interval:
        return mean_interval(values, self.cluster, resamples=self.resamples)

    def _row(self, group: str, bounds: Interval, *, metric: str = "", **more: Any) -> Measurement:
        control = more.get("control", "")
        random = control or more.get("reference")
        return Measurement(
            metric=metric or self.metric, group=group, value=bounds.value, low=bounds.low, high=bounds.high,
            interval=describe_interval(self.resamples) if np.isfinite(bounds.low) else "", n=len(self.before),
            n_left_out=self.n_left_out, unit="item", run=self.about.run, question=self.about.question,
            corpus=self.about.corpus, model=self.about.model, model_kind=self.about.model_kind,
            site=self.about.site, seeds=(("control", self.seed),) if random else (),
            method=f"ablation of {self.part}s, " + (
                f"mean of {len(self.random)} random rankings" if control else f"by {self.method}"
            ),
            **more,
        )  # fmt: skip

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """The score before, and at the size where ranked and random sets differ most."""
        before = f"{self.metric.replace('_', ' ')} is {format_score(float(self.before.mean()))} with nothing taken out"
        apart = [row for row in self.rows if row.reference]
        if not apart:
            last = float(self.ranked[-1].mean())
            return f"{_capital(before)} and {format_score(last)} without the first {self.sizes[-1]:,} {self.part}s."
        row = max(apart, key=lambda row: abs(row.value or 0.0))
        i = apart.index(row)
        shown = " ".join(filter(None, [format_score(row.value), format_interval(row.low, row.high)]))
        return (
            f"{_capital(before)}, {format_score(float(self.ranked[i].mean()))} without the first {self.sizes[i]:,} of "
            f"{self.members:,} {self.part}s by {self.method}, and {format_score(float(self.random[:, i].mean()))} "
            f"without as many at random (mean of {len(self.random)}): difference {shown}."
        )

    @property
    def panels(self) -> list[Panel]:
        """The summary, and the score over the size of the set, ranked and random."""
        name = slug("ablation", self.about.model or "model", self.part, self.method)
        lines = [np.concatenate([self.before[None], self.ranked])]
        series = [{"name": self.method, "style": "task"}]
        if len(self.random):
            lines.append(np.concatenate([self.before[None], self.random.mean(axis=0)]))
            series.append({"name": f"random (mean of {len(self.random)})", "style": "control"})
        bounds = np.array([[self._interval(values) for values in line] for line in lines])
        return [
            Panel("sentence", f"{name}-sentence", "In a sentence", labels={"text": self.summary}),
            Panel(
                "curve", f"{name}-curve", f"Without the first {self.part}s",
                f"Mean over {len(self.before):,} items; bands: 95 % bootstrap over clusters of items.",
                {"x": np.array([0.0, *self.sizes]), "value": bounds[..., 0], "low": bounds[..., 1],
                 "high": bounds[..., 2]},
                {"x_label": f"{self.part}s taken out", "y_label": self.metric.replace("_", " "), "series": series,
                 "x_scale": "log" if self.sizes[-1] > 50 else "linear"},
            ),
        ]  # fmt: skip

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"

    def __repr__(self) -> str:
        return f"AblationCurve({len(self.sizes)} sizes of {self.part}s by {self.method}, {len(self.before)} items)"


def ablation_curve(
    model: Model,
    judge: Judge,
    make_edits: Callable[[list[Any]], Sequence[Edit]],
    ranking: Sequence[Any] | Array,
    *,
    sizes: Sequence[int] | None = None,
    draws: int = 5,
    seed: int = 0,
    cluster: Sequence[int] | Array | None = None,
    metric: str = "accuracy",
    method: str = "ranking",
    part: str = "neuron",
    resamples: int = 1000,
    about: About | None = None,
    progress: Progress = silent,
) -> AblationCurve:
    """Score a model without the first 1, 2, 4, ... members of a ranking, and without as many at random.

    ``make_edits(members)`` says how some members of the `ranking` are taken out (`pk.ablate_neurons`,
    `pk.ablate_heads`), ``judge()`` scores the items inside these edits: Outcomes, an item counting 1 where its
    prediction is right (``pk.judge(model, suite, baselines=()).outcomes``: baselines would be fitted anew each
    time), or a number for each item, float [items], whose clusters `cluster` int [items] names (otherwise each
    is its own). `ranking` lists all members that may go, the first to go first; random rankings are `draws`
    orders of the same members by `seed`, each cut at the same sizes. An item without a number (NaN) in any of
    these runs is left out of all.

    Raises ConfigError (a size beyond the ranking, a member listed twice), DataError (other items than before).

    >>> model = pk.load_model("demo:minilm")
    >>> ids = model.tokenizer("The keys are here.", return_tensors="pt").input_ids
    >>> judge = lambda: model.states(ids, None, ["3"])["3"][0, :, 0].numpy()        # any number for each item
    >>> curve = pk.ablation_curve(model, judge, lambda j: pk.ablate_neurons(model, {3: j}), range(8), draws=2)
    >>> curve.sizes, curve.ranked.shape, curve.random.shape
    ((1, 2, 4, 8), (4, 7), (2, 4, 7))
    """
    members = list(ranking.tolist() if isinstance(ranking, np.ndarray) else ranking)
    if any(isinstance(one, list) for one in members):
        raise ConfigError("a ranking is one list of members, the first to go first; got lists in a list")
    if not members or len(set(members)) != len(members):
        raise ConfigError(
            f"a ranking lists every member once; got {len(members)}, {len(set(members))} of them different"
        )
    wanted = _sizes(sizes, len(members))
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 0:
        raise ConfigError(f"draws must be a whole number from 0 on; got {draws!r}")
    orders = [
        [members[i] for i in np.random.default_rng([seed, 8, d]).permutation(len(members))]
        for d in range(draws)
    ]
    total = 1 + len(wanted) * (1 + draws)
    progress(STAGE, 0, total)
    before, own, ids = _scores(judge(), cluster)
    progress(STAGE, 1, total)
    found = np.empty((1 + draws, len(wanted), len(before)))
    for d, order in enumerate([members, *orders]):
        for i, size in enumerate(wanted):
            if d and size == len(members):
                found[d, i] = found[0, i]  # all of them, in whatever order
            else:
                with edit_all(model, make_edits(order[:size])):
                    found[d, i], _, again = _scores(judge(), cluster, len(before))
                if again != ids:
                    raise DataError(
                        "the items that were judged differ between edits; judge the same ones, in one order"
                    )
            progress(STAGE, 2 + d * len(wanted) + i, total)
    kept = np.isfinite(before) & np.isfinite(found).all(axis=(0, 1))
    if not kept.any():
        raise DataError(f"none of {len(before)} items was scored with and without every set")
    return AblationCurve(
        sizes=wanted, before=before[kept], ranked=found[0][:, kept], random=found[1:][..., kept],
        cluster=own[kept], members=len(members), metric=metric, method=method, part=part, seed=seed,
        n_left_out=int((~kept).sum()), resamples=resamples, about=about or About(model=model.name),
    )  # fmt: skip


def _sizes(sizes: Sequence[int] | None, members: int) -> tuple[int, ...]:
    if sizes is None:
        doubled = [1 << k for k in range(members.bit_length())]
        return tuple(sorted({*doubled, members}))
    found = tuple(sorted({int(size) for size in sizes if size == int(size)}))
    if len(found) != len(set(sizes)) or not found or not 1 <= found[0] <= found[-1] <= members:
        raise ConfigError(
            f"sizes must be whole numbers from 1 to the {members} members of the ranking; got {list(sizes)}"
        )
    return found


def _scores(judged: Any, cluster: Any, expected: int | None = None) -> tuple[Array, Array, tuple[str, ...]]:
    """A number for each item, its cluster, and what the items are called."""
    if isinstance(judged, Outcomes):
        if judged.kind != "classes":
            raise DataError("outcomes of numbers have no right and wrong; give a float for each item instead")
        values, own, ids = judged.correct, np.asarray(judged.cluster, dtype=np.int64), judged.ids
    else:
        try:
            values = np.asarray(judged, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(
                f"judge gave {type(judged).__name__}; it must give outcomes (of `pk.judge`: its .outcomes) or a "
                "number for each item"
            ) from None
        own, ids = np.arange(len(values)) if values.ndim == 1 else np.zeros(0, np.int64), ()
    if values.ndim != 1 or not len(values):
        raise DataError(f"judge must give a number for each item, float [items]; got shape {values.shape}")
    if expected is not None and len(values) != expected:
        raise DataError(
            f"judge gave {len(values)} items inside an edit and {expected} before; judge the same ones"
        )
    if cluster is not None:
        own = np.asarray(cluster, dtype=np.int64)
        if own.shape != values.shape:
            raise DataError(f"{len(own)} clusters for {len(values)} items; give one for each")
    return values, own, ids


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
