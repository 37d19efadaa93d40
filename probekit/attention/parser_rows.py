"""What attention-only parsers got right, as numbers and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.attention.counted import cell, counted, paragraph_and_table
from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import ModelKind
from probekit.maths.resampling import describe_interval, holm, mean_interval
from probekit.maths.sign_flips import sign_flip_p
from probekit.results.formats import format_interval
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]
DECODERS = {"best head": 0, "best tree": 1}
BASES = {"attention": "distance", "attention and static vectors": "distance and static vectors"}


@dataclass(eq=False)
class ParserSystem:
    """One parser and what it got right on test, word by word; ``control`` is "" for the model itself."""

    name: str
    control: str = ""
    model: str = ""
    seed: int | None = None
    numbers: int = 0
    epoch: int = 0
    dev_loss: float | None = None
    parts: list[tuple[Array, Array, Array]] = field(default_factory=list)

    def add(self, part: tuple[Array, Array, Array]) -> None:
        """Take in the words of some more sentences: right by best head, by best tree, and their sentence."""
        order = np.argsort(part[2], kind="stable")
        self.parts.append((part[0][order], part[1][order], part[2][order]))

    def right(self, decoder: str = "best head") -> Array:
        """1 where the head was found and 0 elsewhere, float64 ``[words scored]``, in the order of the corpus."""
        found: Array = np.concatenate([part[DECODERS[decoder]] for part in self.parts])
        return found

    @property
    def sentence(self) -> Array:
        """The number of the sentence of each word scored."""
        found: Array = np.concatenate([part[2] for part in self.parts])
        return found

    @property
    def spoken(self) -> str:
        """Its name in a table."""
        twin = f" of a random twin (seed {self.seed})" if self.control == "random-twin" else ""
        return f"{self.name}{twin}"

    @property
    def method(self) -> str:
        """How it came to be, in words."""
        if not self.numbers:
            return self.name
        return f"{self.spoken}: {self.numbers:,} numbers, stopped on dev at epoch {self.epoch}"


@dataclass(frozen=True, eq=False, repr=False)
class AttentionParser:
    """UAS of attention-only parsers and their baselines on test.

    Attributes
    ----------
    systems : a `ParserSystem` each
    weights : what the attention parser learned, float32 ``[2, layers, heads]``: for the weight of the dependent on its
        head, and of the head on its dependent
    sentences : how many of each split were used
    """

    systems: tuple[ParserSystem, ...]
    weights: Array
    layers: tuple[str, ...]
    sentences: Mapping[str, int]
    n_punctuation: int
    n_words: int
    model: str
    model_kind: ModelKind = "pretrained"
    corpus: str = ""
    seed: int = 0
    resamples: int = 1000

    def uas(self, system: str = "attention", decoder: str = "best head") -> float:
        """The share of heads found on test. Raises ConfigError for an unknown system or decoder."""
        if decoder not in DECODERS:
            raise ConfigError(f"no decoder {decoder!r}; {did_you_mean(decoder, DECODERS)}")
        return float(self._system(system).right(decoder).mean())

    @cached_property
    def rows(self) -> list[Measurement]:
        """UAS of each system by best head and by best tree; and of the best head, paired differences: attention less
        distance, with vectors and without, with vectors less without, and attention less each twin's."""
        rows = []
        for system in self.systems:
            chain = system.control == "fixed-offset"
            for decoder in list(DECODERS)[: 1 if chain else 2]:
                row = replace(self._row(system), group="" if chain else f"decoder={decoder}")
                rows.append(self._bounded(row, system.right(decoder), system.sentence))
        pairs = self._pairs()
        less = [a.right() - b.right() for a, b in pairs]
        sentence = self.systems[0].sentence
        p = sign_flip_p(np.stack(less), sentence)
        tested = not self._one_sentence  # over one sentence there is nothing to flip
        for (a, b), one, difference, adjusted in zip(pairs, p, less, holm(p), strict=True):
            row = replace(
                self._row(a), metric="uas_difference", group="decoder=best head", reference=b.spoken
            )  # fmt: skip
            if tested:
                row = replace(row, p=one, p_adjusted=adjusted, family_size=len(pairs))
            rows.append(self._bounded(row, difference, sentence))
        return rows

    @property
    def _one_sentence(self) -> bool:
        return len(np.unique(self.systems[0].sentence)) < 2

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """What a paper would write."""
        by = {
            (row.control, row.method.partition(":")[0]): row for row in self.rows
            if row.metric == "uas" and row.group in ("", "decoder=best head")
        }  # fmt: skip
        own, wide = by["", "attention"], by["", "attention and static vectors"]
        base, wide_base = by["distance", "distance"], by["distance", "distance and static vectors"]
        chain = max(
            (row for (control, _), row in by.items() if control == "fixed-offset"),
            key=lambda row: row.value or 0,
        )
        twins = [
            row.value or 0
            for (control, name), row in by.items()
            if control == "random-twin" and "vectors" not in name
        ]
        alone = " This is one sentence: no interval, no test." if self._one_sentence else ""
        beside = f" and a random twin's attention {100 * max(twins):.1f} %" if twins else ""
        return (
            f"A parser that sees only the attention of {self.model} finds {_percent(own)} of the heads of test "
            f"({counted(own.n, 'word')}), where distances alone find {_percent(base)}, the better chain "
            f"{_percent(chain)}{beside}; with static vectors it finds {_percent(wide)}, and distances with them "
            f"{_percent(wide_base)}.{alone}"
        )

    @property
    def panels(self) -> list[Panel]:
        """The summary, UAS of every system, and the numbers learned for each head."""
        shown = [row for row in self.rows if row.metric == "uas" and row.group in ("", "decoder=best head")]
        value = {
            name: np.array([[np.nan if getattr(row, name) is None else getattr(row, name) for row in shown]])
            for name in ("value", "low", "high")
        }
        labels = {
            "rows": [row.method.partition(":")[0] for row in shown], "value_label": "UAS on test",
            "series": [{"name": "UAS", "style": "task"}],
        }  # fmt: skip
        caption = (
            f"Share of words whose best head is the gold one, root included, {counted(self.n_punctuation, 'word')} of "
            f"upos PUNCT not scored; {describe_interval(self.resamples)}."
        )
        forest = Panel(
            "forest", "attention-parser-uas", "Parsing with attention alone", caption, value, labels
        )
        sentence = Panel(
            "sentence", "attention-parser-summary", "In a sentence", labels={"text": self.summary}
        )
        return [sentence, forest, *(self._weights_panel(way) for way in (0, 1))]

    def __repr__(self) -> str:
        return f"<AttentionParser of {self.model}: {len(self.systems)} systems>"

    def _repr_html_(self) -> str:
        rows = [
            [row.method.partition(":")[0], row.group.removeprefix("decoder="), cell(row.value),
             format_interval(row.low, row.high)]
            for row in self.rows if row.metric == "uas"
        ]  # fmt: skip
        return paragraph_and_table(self.summary, ["parser", "decoder", "UAS on test", "95 % interval"], rows)

    def _system(self, name: str) -> ParserSystem:
        for system in self.systems:
            if system.spoken == name:
                return system
        raise ConfigError(f"no system {name!r}; {did_you_mean(name, [one.spoken for one in self.systems])}")

    def _pairs(self) -> list[tuple[ParserSystem, ParserSystem]]:
        own = {system.name: system for system in self.systems if not system.control}
        pairs = [(own[name], self._system(base)) for name, base in BASES.items()]
        pairs.append((own["attention and static vectors"], own["attention"]))
        pairs += [(own[one.name], one) for one in self.systems if one.control == "random-twin"]
        return pairs

    def _row(self, system: ParserSystem) -> Measurement:
        twin = system.control == "random-twin"
        seeds = {"data": self.seed} | ({"twin": system.seed} if twin and system.seed is not None else {})
        return Measurement(
            metric="uas", value=0.0, model=system.model or self.model, site="heads", method=system.method,
            model_kind="random" if twin else self.model_kind, corpus=self.corpus, control=system.control,
            seeds=tuple(seeds.items()),
        )  # fmt: skip

    def _bounded(self, row: Measurement, right: Array, sentence: Array) -> Measurement:
        found = mean_interval(right, sentence, resamples=self.resamples)
        bounded = bool(np.isfinite(found.low))
        return replace(
            row, value=found.value, low=found.low if bounded else None, high=found.high if bounded else None,
            interval=describe_interval(self.resamples) if bounded else "", n=len(right),
            n_left_out=self.n_words - len(right),
        )  # fmt: skip

    def _weights_panel(self, way: int) -> Panel:
        seen = "of a word on its head" if way == 0 else "of a head on its dependent"
        labels = {
            "rows": list(self.layers), "columns": [str(head) for head in range(self.weights.shape[2])],
            "row_label": "layer", "column_label": "head", "value_label": "number learned",
        }  # fmt: skip
        caption = (
            f"What the attention parser learned for the weight {seen}; heads that do alike share it out."
        )
        name = f"attention-parser-weights-{way + 1}"
        title = f"Heads the parser reads: the weight {seen}"
        return Panel("heatmap", name, title, caption, {"value": self.weights[way]}, labels)


def _percent(row: Measurement) -> str:
    text = f"{100 * (row.value or 0):.1f} %"
    return (
        text if row.low is None or row.high is None else f"{text} [{100 * row.low:.1f}, {100 * row.high:.1f}]"
    )
