"""How much each word takes from each other word, by any method: maps of texts, numbers, pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.attention.counted import cell, counted, paragraph_and_table
from probekit.attention.maps import PieceBatch, Texts, as_corpus, left_out, piece_batches
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.glossary import Layer, ModelKind, Progress, silent
from probekit.maths.resampling import cluster_bootstrap, describe_interval
from probekit.models.align import encode
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.models.model import Model

Array = NDArray[Any]
Level: TypeAlias = Literal["word", "piece"]
Compute: TypeAlias = Callable[[PieceBatch], torch.Tensor]
"""Maps between the pieces of a batch: float ``[batch, layers, heads, pieces, pieces]``, rows take."""
Pool: TypeAlias = Callable[[PieceBatch, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

SHOWN = 3
"""How many texts are drawn."""
METRICS = ("to_self", "to_previous", "to_next", "to_special")


@dataclass(frozen=True, eq=False)
class TextMixing:
    """One text. ``maps`` float32 ``[layers, heads, tokens, tokens]``: row i is what token i takes, column j from token
    j; NaN where a word is left out. ``special`` float32 ``[layers, heads, tokens]`` is what it takes from special
    pieces; at the level of pieces these are tokens themselves, marked in ``is_special``.
    """

    id: str
    number: int
    tokens: tuple[str, ...]
    maps: Array
    special: Array
    is_special: Array

    @property
    def present(self) -> Array:
        """Which tokens are there, bool ``[tokens]``."""
        found: Array = ~np.isnan(self.special[0, 0])
        return found

    def shares(self) -> tuple[Array, Array]:
        """Maps and special with every row divided by all it takes; NaN where that is nothing."""
        total = np.nansum(self.maps, axis=-1) + self.special
        total = np.where(total > 0, total, np.nan)
        return self.maps / total[..., None], self.special / total


@dataclass(frozen=True, eq=False, repr=False)
class Mixing:
    """What each word (or piece) takes from each other one, in some texts, by one method.

    Attributes
    ----------
    texts : a `TextMixing` for each text, in their order
    method : how the numbers were made, in words; `kind` is its short name
    value_label : what a number is
    layers, heads : what the first two axes of maps stand for; a method that joins heads has one, "all"
    left_out : words left out by reason
    """

    texts: tuple[TextMixing, ...]
    kind: str
    method: str
    value_label: str
    layers: tuple[Layer, ...]
    heads: tuple[str, ...]
    level: Level = "word"
    model: str = ""
    model_kind: ModelKind = "pretrained"
    corpus: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    resamples: int = 1000

    def map(self, layer: int | str | None = None, text: int = 0) -> Array:
        """The map of one text at one layer (the last, if none is named), float32 ``[tokens, tokens]``, or
        ``[heads, tokens, tokens]`` where the method tells heads apart. Raises ConfigError for an unknown layer."""
        name = self.layers[-1] if layer is None else str(layer)
        if name not in self.layers:
            raise ConfigError(f"there is no map of layer {name!r}; {did_you_mean(name, self.layers)}")
        if not -len(self.texts) <= text < len(self.texts):
            raise ConfigError(f"there is no text {text}: they are numbered 0 to {len(self.texts) - 1}")
        found: Array = self.texts[text].maps[self.layers.index(name)]
        return found[0] if len(self.heads) == 1 else found

    @cached_property
    def rows(self) -> list[Measurement]:
        """By layer and head: the share of what a word takes that comes from itself, from the word before and behind it,
        and from special pieces; means over words, intervals over texts."""
        sums = np.stack([_sums(one) for one in self.texts])  # [texts, metrics, 2, layers, heads]
        rows = []
        shape = sums.shape[3:]
        for number, metric in enumerate(METRICS):
            if metric == "to_special" and self.level == "piece":
                continue
            own = sums[:, number]
            value, low, high = cluster_bootstrap(
                own.reshape(len(own), -1), lambda s: _ratio(s, shape), resamples=self.resamples
            )
            for at in np.ndindex(*shape):
                n = int(own[(slice(None), 1, *at)].sum())
                bounded = bool(np.isfinite(low[at]))
                rows.append(
                    Measurement(
                        metric=metric,
                        value=float(value[at]) if n else None,
                        reason="" if n else "no word has such a neighbour",
                        low=float(low[at]) if bounded else None,
                        high=float(high[at]) if bounded else None,
                        interval=describe_interval(self.resamples) if bounded else "",
                        n=n,
                        n_left_out=sum(self.left_out.values()),
                        unit=self.level,
                        layer=self.layers[at[0]],
                        site="attention_output",
                        group=f"head={self.heads[at[1]]}" if len(self.heads) > 1 else "",
                        method=self.method,
                        model=self.model,
                        model_kind=self.model_kind,
                        corpus=self.corpus,
                        split="",
                    )
                )
        return rows

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """Where the last layer's words take most from, in a sentence."""
        last = [row for row in self.rows if row.layer == self.layers[-1] and row.value is not None]
        n = len(self.texts)
        said = []
        for metric in METRICS:
            values = [row.value for row in last if row.metric == metric and row.value is not None]
            if values:
                said.append(f"{100 * float(np.mean(values)):.0f} % from {SPOKEN[metric]}")
        what = "on average over heads, " if len(self.heads) > 1 else ""
        return (
            f"By {self.method}, {what}a {self.level} of {self.model} takes at layer {self.layers[-1]} "
            f"{', '.join(said) or 'nothing that could be measured'} ({counted(n, 'text')})."
        )

    @property
    def panels(self) -> list[Panel]:
        """The summary, the maps of the first texts, and shares by layer and head."""
        drawn = [self._map_panel(number) for number in range(min(SHOWN, len(self.texts)))]
        return [
            Panel("sentence", f"{self.kind}-summary", "In a sentence", labels={"text": self.summary}),
            *drawn,
            self._shares_panel(),
        ]

    def __repr__(self) -> str:
        return f"<Mixing by {self.kind}: {counted(len(self.texts), 'text')}, layers {', '.join(self.layers)}>"

    def _repr_html_(self) -> str:
        metrics = [m for m in METRICS if m != "to_special" or self.level == "word"]
        rows = []
        for layer in self.layers:
            own = [row for row in self.rows if row.layer == layer]
            values = [
                [row.value for row in own if row.metric == m and row.value is not None] for m in metrics
            ]
            rows.append([layer, *(cell(float(np.mean(known))) if known else "" for known in values)])
        columns = ["layer", *(f"from {SPOKEN[m]}" for m in metrics)]
        return paragraph_and_table(self.summary, columns, rows)

    def _map_panel(self, number: int) -> Panel:
        one = self.texts[number]
        labels: dict[str, Any] = {
            "tokens": list(one.tokens), "layers": list(self.layers), "heads": list(self.heads),
            "chosen": [len(self.layers) - 1, 0], "value_label": "share of what a row takes",
            "note": f"rows take, columns give; each row of {self.value_label} divided by all it takes",
        }  # fmt: skip
        if one.is_special.any():
            labels["special"] = np.flatnonzero(one.is_special).tolist()
        caption = (
            f"{_capital(self.method)}: {self.value_label}, as shares of a row; text {one.id} of {self.model}."
        )
        return Panel(
            "attention", f"{self.kind}-map-{number + 1}", f"What each {self.level} takes from each other", caption,
            {"weights": one.shares()[0].astype(np.float32)}, labels,
        )  # fmt: skip

    def _shares_panel(self) -> Panel:
        names = [
            f"{layer}.{head}" if len(self.heads) > 1 else layer
            for layer in self.layers
            for head in self.heads
        ]
        metrics = [m for m in METRICS if m != "to_special" or self.level == "word"]
        by = {(row.layer, row.group, row.metric): row.value for row in self.rows}
        groups = [f"head={head}" if len(self.heads) > 1 else "" for head in self.heads]
        value = np.array(
            [
                [np.nan if (v := by[layer, group, metric]) is None else v for metric in metrics]
                for layer in self.layers
                for group in groups
            ]
        )
        labels = {
            "rows": names, "columns": [SPOKEN[m] for m in metrics],
            "row_label": "layer and head" if groups[0] else "layer", "column_label": "from",
            "value_label": "share of what a row takes", "range": [0.0, 1.0],
        }  # fmt: skip
        caption = (
            f"{_capital(self.method)}: mean share over {self.level}s; intervals stand in the table of rows."
        )
        return Panel(
            "heatmap",
            f"{self.kind}-shares",
            f"Where a {self.level} takes from",
            caption,
            {"value": value},
            labels,
        )


SPOKEN = {
    "to_self": "itself", "to_previous": "the one before", "to_next": "the one behind",
    "to_special": "special pieces",
}  # fmt: skip


def mix(
    model: Model,
    texts: Texts,
    compute: Compute,
    *,
    layers: Sequence[Layer],
    heads: Sequence[str],
    kind: str,
    method: str,
    value_label: str,
    level: Level = "word",
    pool: Pool | None = None,
    text_form: str | None = None,
    pieces_per_batch: int = 1024,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Mixing:
    """Maps of all texts by a function that makes them for a batch of pieces, at the level asked for.

    Words: added up over the pieces taken from, averaged over those that take, unless `pool` does it another way.
    Raises ConfigError for an unknown level, DataError where no word is read.
    """
    if level not in get_args(Level):
        raise ConfigError(f"unknown level {level!r}; {did_you_mean(str(level), get_args(Level))}")
    corpus = as_corpus(texts)
    encoding = encode(model, corpus.sentences, text_form=text_form or corpus.text_form)  # type: ignore[arg-type]
    made: dict[int, TextMixing] = {}
    progress(f"{kind} (sentences)", 0, len(corpus))
    for batch in piece_batches(model, encoding, corpus, pieces_per_batch):
        maps = compute(batch).to(batch.ids.device)
        if level == "piece":
            special = torch.zeros(maps.shape[:-1])
        else:
            maps, special = (pool or pool_words)(batch, maps)
        for row, number in enumerate(batch.sentences.tolist()):
            sentence = corpus[number]
            own, own_special = maps[row].float().cpu().numpy(), special[row].float().cpu().numpy()
            if level == "piece":
                tokens = tuple(model.tokenizer.convert_ids_to_tokens(batch.ids[row].tolist()))
                is_special = batch.special[row].cpu().numpy()
            else:
                n = len(sentence)
                tokens, is_special = sentence.words, np.zeros(n, np.bool_)
                gone = ~batch.present[row, :n].cpu().numpy()
                own, own_special = own[..., :n, :n].copy(), own_special[..., :n].copy()
                own[..., gone, :] = own[..., gone] = own_special[..., gone] = np.nan
            made[number] = TextMixing(sentence.id, number, tokens, own, own_special, is_special)
        progress(f"{kind} (sentences)", len(made), len(corpus))
    if not made:
        raise DataError("no word of the texts could be read, so that there is nothing to map")
    return Mixing(
        tuple(made[number] for number in sorted(made)), kind, method, value_label, tuple(layers), tuple(heads), level,
        model.name, model.kind, corpus.name, Counter(left_out(encoding)), resamples,
    )  # fmt: skip


def pool_words(batch: PieceBatch, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps between pieces ``[batch, layers, heads, pieces, pieces]`` between words, and what goes to special pieces."""
    shape = maps.shape[1:3]
    flat = maps.flatten(1, 2)
    words, special = batch.to_words(flat), batch.to_special(flat)
    return words.reshape(-1, *shape, *words.shape[2:]), special.reshape(-1, *shape, special.shape[2])


def encoder_layers(model: Model, layers: str | int | Iterable[int | str] = "all") -> tuple[Layer, ...]:
    """The blocks asked for among those through which a text is read from its embedding up; of an encoder-decoder those
    of its encoder. Raises ConfigError for others."""
    known = model.resolve_layers("all", "heads")
    if model.start_piece is not None:
        known = tuple(layer for layer in known if layer.startswith("encoder."))
    if layers == "all":
        return known
    wanted = model.resolve_layers(layers, "heads")
    for layer in wanted:
        if layer not in known:
            raise ConfigError(
                f"{model.name}: what words take from each other is had in layers {known[0]} to {known[-1]}, not in "
                f"{layer}, which also takes from the encoder"
            )
    return wanted


def _sums(one: TextMixing) -> Array:
    """Sum and number over words of what is in METRICS, float64 ``[metrics, 2, layers, heads]``."""
    maps, special = one.shares()
    values = [
        np.diagonal(maps, 0, -2, -1), np.diagonal(maps, -1, -2, -1), np.diagonal(maps, 1, -2, -1), special,
    ]  # fmt: skip
    found: Array = np.stack([np.stack([np.nansum(v, -1), (~np.isnan(v)).sum(-1)]) for v in values])
    return found


def _ratio(sums: Array, shape: tuple[int, ...]) -> Array:
    both = sums.reshape(*sums.shape[:-1], 2, *shape)
    total, n = np.moveaxis(both, -1 - len(shape), 0)
    with np.errstate(invalid="ignore"):
        found: Array = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
