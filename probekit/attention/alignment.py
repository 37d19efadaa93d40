"""What heads were found to follow: which head for which links, its accuracy, baselines, differences, p-values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.attention.counted import counted, twins_told
from probekit.attention.head_null import MaximumNull
from probekit.attention.links import SPOKEN
from probekit.attention.offsets import FIXED
from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import Layer
from probekit.maths.exact import all_or_none_interval
from probekit.maths.resampling import Interval, describe_interval, holm, mean_interval
from probekit.maths.sign_flips import sign_flip_p
from probekit.results.measurement import About, Measurement, tidy

if TYPE_CHECKING:
    import pandas

    from probekit.results.panel import Panel

Array = NDArray[Any]

LEVEL = 0.05
TWIN = "random-twin"
CHANCE = "permutation"
EXACT = "exact binomial over sentences, 95%: every link was answered alike"
FLIPS = "; p: sign flips by sentence, two-sided"
METHOD = "most attended other word"


@dataclass(frozen=True, eq=False, repr=False)
class LinkResult:
    """One set of links: every head in the split of choice, and the chosen head, offset and twins in the other.

    ``dev_accuracy`` float64 [heads]; ``chosen`` is the number of the best head; ``head_hits``, ``offset_hits`` bool
    [n] and ``twin_hits`` bool [twins, n] say which links of the reported split each got right, ``cluster`` [n] in which
    sentence. ``twin_chosen`` are the heads of the twins. ``n_left_out``: links of words not read, in both splits.
    """

    name: str
    direction: str
    dev_accuracy: Array
    dev_offset_accuracy: float
    n_dev: int
    chosen: int
    offset: int
    cluster: Array
    head_hits: Array
    offset_hits: Array
    twin_hits: Array
    twin_chosen: tuple[int, ...]
    null: MaximumNull
    n_left_out: tuple[int, int]

    @property
    def accuracy(self) -> float:
        """Of the chosen head, in the reported split."""
        return float(self.head_hits.mean())

    @property
    def key(self) -> tuple[str, str]:
        """Name and direction."""
        return self.name, self.direction

    def __repr__(self) -> str:
        return (
            f"<LinkResult {self.name} {self.direction}: accuracy {self.accuracy:.3f} of {len(self.cluster)}>"
        )


@dataclass(frozen=True, eq=False, repr=False)
class HeadAlignment:
    """Heads against links: `align_heads` and `align_links` make it.

    ``results`` holds one `LinkResult` for each set of links; ``place`` [(layer, head)] names the heads that results
    count through, heads from 0. ``splits``: where heads were chosen, and where reported. ``not_scored``: (name,
    direction, why). Of ``looks`` cases of a word under a head ``ties`` had two most attended words, ``silent`` none.
    """

    results: tuple[LinkResult, ...]
    place: tuple[tuple[Layer, int], ...]
    splits: tuple[str, str]
    offsets: tuple[int, ...]
    permutations: int
    resamples: int
    seed: int
    ties: int
    silent: int
    looks: int
    words_left_out: Mapping[str, int]
    not_scored: tuple[tuple[str, str, str], ...] = ()
    twin_seed: int = 0
    about: About = field(default_factory=About)

    @property
    def comparisons(self) -> int:
        """How many accuracies the heads were chosen among: heads x sets of links."""
        return len(self.place) * len(self.results)

    @cached_property
    def tests(self) -> Mapping[str, Array]:
        """p against ``"offset"``, mean of ``"twins"`` and ``"chance"``, float64 [results]; again with ``" holm"``."""
        offset, twins = [], []
        for one in self.results:
            differences = [_gain(one)] + ([_beyond(one)] if len(one.twin_hits) else [])
            p = sign_flip_p(np.stack(differences), one.cluster, seed=self.seed)
            offset.append(p[0])
            twins.append(p[1] if len(p) > 1 else np.nan)
        found = {
            "offset": np.array(offset),
            "twins": np.array(twins),
            "chance": np.array([one.null.p for one in self.results]),
        }
        return found | {f"{name} holm": holm(p) for name, p in found.items()}

    @property
    def too_few_permutations(self) -> bool:
        """Whether so few permutations were made that the smallest p they can give, 1 / (permutations + 1), is not
        below 0.05: nothing can be significant then."""
        return 1 / (self.permutations + 1) >= LEVEL

    @property
    def significant(self) -> Array:
        """bool [results]: above the offset with Holm-corrected p < 0.05, and the permutation p below 0.05."""
        above = np.array([_gain(one).mean() > 0 for one in self.results], bool)
        found: Array = above & (self.tests["offset holm"] < LEVEL) & (self.tests["chance"] < LEVEL)
        return found

    @property
    def beyond_twins(self) -> Array:
        """bool [results]: above every random twin, and above their mean with Holm-corrected p < 0.05."""
        above = [
            bool(len(one.twin_hits)) and one.accuracy > one.twin_hits.mean(axis=1).max()
            for one in self.results
        ]
        with np.errstate(invalid="ignore"):
            found: Array = np.array(above, bool) & (self.tests["twins holm"] < LEVEL)
        return found

    def result(self, name: str, direction: str | None = None) -> LinkResult:
        """The result of the links named; of several directions the one whose head gains most on its offset in dev.

        Raises ConfigError with the nearest name.
        """
        found = [one for one in self.results if one.name == name and direction in (None, one.direction)]
        if not found:
            known = {
                one.name if direction is None else f"{one.name}, {one.direction}" for one in self.results
            }
            asked = name if direction is None else f"{name}, {direction}"
            raise ConfigError(f"no heads were compared with {asked!r}; {did_you_mean(asked, known)}")
        return max(found, key=lambda one: float(one.dev_accuracy.max()) - one.dev_offset_accuracy)

    def heads(self, name: str, direction: str | None = None, n: int = 1) -> tuple[tuple[Layer, int], ...]:
        """The (layer, head) pairs that follow the links best, chosen in dev, the best first: what to ablate.

        They are the best, significant or not: see ``significant``.
        """
        result = self.result(name, direction)
        order = np.argsort(-result.dev_accuracy, kind="stable")[:n]
        return tuple(self.place[number] for number in order)

    def every_head(self) -> pandas.DataFrame:
        """The accuracy of every head in the split of choice, for every set of links: a table, tidy."""
        import pandas

        return pandas.DataFrame.from_records(
            [
                (one.name, one.direction, layer, head, self.splits[0], accuracy, one.n_dev)
                for one in self.results
                for (layer, head), accuracy in zip(self.place, one.dev_accuracy.tolist(), strict=True)
            ],
            columns=["relation", "direction", "layer", "head", "split", "accuracy", "n"],
        )

    @cached_property
    def rows(self) -> tuple[Measurement, ...]:
        """For each set of links: the chosen head, the offset, the twins' mean, and the head's difference to either, all
        in the reported split; and the highest accuracy of any head in the split of choice beside that of chance."""
        found = []
        for i, one in enumerate(self.results):
            layer, head = self.place[one.chosen]
            group = f"relation={one.name}" + (f" direction={one.direction}" if one.direction else "")
            at = f"{group} head={head}"
            fixed, seeds = f"{group} offset={one.offset:+d}", {"control": self.seed}
            found += [
                self._row(one, at, one.head_hits, layer=layer),
                self._row(one, fixed, one.offset_hits, control=FIXED, method="the word at a fixed offset"),
                self._row(
                    one, f"{at} offset={one.offset:+d}", _gain(one), layer=layer, metric="accuracy_difference",
                    reference=FIXED, seeds=seeds, **self._test("offset", i),
                ),
            ]  # fmt: skip
            if len(one.twin_hits):
                twins = len(one.twin_hits)
                own = f"{METHOD}, mean of {twins_told(twins)}, each with a head of its own"
                if twins == 1:
                    own = f"{METHOD}, {twins_told(1)} with a head of its own"
                found += [
                    self._row(
                        one, group, one.twin_hits.mean(axis=0), control=TWIN, method=own,
                        seeds={"twin": self.twin_seed},
                    ),
                    self._row(
                        one, at, _beyond(one), layer=layer, metric="accuracy_difference", reference=TWIN,
                        seeds={**seeds, "twin": self.twin_seed}, **self._test("twins", i),
                    ),
                ]  # fmt: skip
            found += self._chance(i, group, at)
        for name, direction, reason in self.not_scored:
            group = f"relation={name}" + (f" direction={direction}" if direction else "")
            found.append(self._bare(metric="accuracy", group=group, split=self.splits[1], reason=reason))
        return tuple(found)

    def _chance(self, i: int, group: str, at: str) -> list[Measurement]:
        """The maximum over heads in the split of choice, and how high chance takes it."""
        one = self.results[i]
        low, high = np.quantile(one.null.drawn, [0.025, 0.975])
        own = {
            "metric": "highest_accuracy",
            "split": self.splits[0],
            "n": one.n_dev,
            "n_left_out": one.n_left_out[0],
        }
        return [
            self._bare(
                **own, group=at, layer=self.place[one.chosen][0], value=one.null.highest, reference=CHANCE,
                seeds={"control": self.seed}, method=f"{METHOD}, best of {len(self.place)} heads",
                **self._test("chance", i),
            ),
            self._bare(
                **own, group=group, value=float(one.null.drawn.mean()), low=low, high=high, control=CHANCE,
                interval=f"central 95% of {self.permutations} permutations", seeds={"control": self.seed},
                method=f"best of {len(self.place)} heads, links exchanged between sentences",
            ),
        ]  # fmt: skip

    def _test(self, name: str, i: int) -> dict[str, Any]:
        p = self.tests[name]
        return {
            "p": p[i],
            "p_adjusted": self.tests[f"{name} holm"][i],
            "family_size": int(np.isfinite(p).sum()),
        }

    def _row(self, one: LinkResult, group: str, values: Array, **more: Any) -> Measurement:
        bounds, interval = self.interval(values, one.cluster)
        return self._bare(**{
            "metric": "accuracy", "group": group, "split": self.splits[1], "method": METHOD, "value": bounds.value,
            "low": bounds.low, "high": bounds.high, "n": len(values), "n_left_out": one.n_left_out[1],
            "interval": interval + (FLIPS if "p" in more else ""), **more,
        })  # fmt: skip

    def _bare(self, **fields: Any) -> Measurement:
        own = {
            name: getattr(self.about, name)
            for name in ("run", "question", "corpus", "model", "model_kind", "site")
        }
        return Measurement(**{**own, "unit": "link", **fields})

    def interval(self, values: Array, cluster: Array) -> tuple[Interval, str]:
        """The mean of what links got, float [n], between its bounds over sentences, and how these were made."""
        if values.dtype == bool and (values.all() or not values.any()):
            return all_or_none_interval(float(values[0]), len(np.unique(cluster))), EXACT
        bounds = mean_interval(values, cluster, resamples=self.resamples)
        return bounds, describe_interval(self.resamples) if np.isfinite(bounds.low) else ""

    def table(self) -> pandas.DataFrame:
        """The rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """How many of the chosen heads are more than an offset, chance and twins, and the best of them."""
        from probekit.attention.alignment_pictures import sentence

        return sentence(self)

    @property
    def panels(self) -> list[Panel]:
        """The summary; a forest and the best head of each layer by direction; a map of the heads; tables."""
        from probekit.attention.alignment_pictures import make_panels

        return make_panels(self)

    def _repr_html_(self) -> str:
        from probekit.attention.alignment_pictures import small_table

        return small_table(self)

    def __repr__(self) -> str:
        followed = int(self.significant.sum())
        heads, sets = counted(len(self.place), "head"), counted(len(self.results), "set")
        return f"HeadAlignment({heads}, {sets} of links, {followed} followed)"


def spoken(name: str, direction: str) -> str:
    """A set of links in words: "nsubj, from the dependent to its head"."""
    return f"{name}, {SPOKEN.get(direction, direction)}" if direction else name


def _gain(one: LinkResult) -> Array:
    return one.head_hits.astype(np.float64) - one.offset_hits


def _beyond(one: LinkResult) -> Array:
    difference: Array = one.head_hits - one.twin_hits.mean(axis=0)
    return difference
