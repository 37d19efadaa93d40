"""Stored representations, read one layer at a time, and the labelled units joined with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.activations.entry import Entry, Index, read_entry
from probekit.activations.shard import check_shard
from probekit.data.units import Units
from probekit.errors import ConfigError, StoreError, did_you_mean
from probekit.glossary import Layer, layer_name

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.data.task import Task

CHUNK = 8192
"""Rows converted to float32 at a time."""

EXAMPLES = 5
"""Units named per reason for being left out."""


class Activations:
    """The rows of one entry of the store, ``[n_rows, dim]`` for every layer, always given as float32.

    Rows stand in the order of the store (sentences by length), so they are joined with labels by sentence and
    word, never by position: see `units`. Layers are memory-mapped; only what is asked for is read. Each
    shard's checksums are compared when this process first reads from it. Made by `extract`;
    `Activations.open` needs no model.

    >>> corpus = pk.generate_corpus(3, 1, 1)
    >>> acts = pk.extract(pk.load_model("demo:minilm"), corpus)
    >>> acts.rows(layer=3).shape == (corpus.n_words, 384)
    True
    >>> acts.units(pk.load_task("upos"), split="test").X(layer=3).dtype
    dtype('float32')
    """

    def __init__(self, entry: Entry, corpus: Corpus | None = None) -> None:
        self.entry = entry
        self.corpus = corpus
        if corpus is not None and corpus.text_hash != entry.recipe["corpus"]["text"]:
            raise StoreError(
                f"entry {entry.key[:12]} was made from another text than corpus {corpus.name!r} "
                "(sentence ids, words, text or their order differ); extract this corpus"
            )

    @classmethod
    def open(cls, path: str | Path, corpus: Corpus | None = None) -> Activations:
        """Open an entry by its folder. Raises StoreError where it is damaged or of another corpus."""
        return cls(read_entry(Path(path)), corpus)

    @property
    def key(self) -> str:
        """The hash of the recipe."""
        return self.entry.key

    @property
    def path(self) -> Path:
        """The folder of the entry."""
        return self.entry.path

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Everything the numbers depend on."""
        return self.entry.recipe

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers stored, from low to high."""
        return self.entry.layers

    @property
    def dim(self) -> int:
        """Numbers per row."""
        return self.entry.dim

    @property
    def n_rows(self) -> int:
        """Rows per layer."""
        return self.entry.rows

    @property
    def model(self) -> dict[str, Any]:
        """What the model said of itself when this was extracted."""
        return dict(self.entry.about["model"])

    @property
    def counts(self) -> dict[str, int]:
        """What tokenizing counted: pieces, shared pieces, truncated words ..."""
        return dict(self.entry.counts)

    @cached_property
    def index(self) -> Index:
        """Sentence and word of every row."""
        return self.entry.index()

    @property
    def left_out(self) -> Counter[str]:
        """Units without a row: how many, by reason."""
        numbers = np.bincount(self.index.left_reason, minlength=len(self.index.reasons))
        return Counter({r: int(n) for r, n in zip(self.index.reasons, numbers, strict=True) if n})

    @property
    def left_out_examples(self) -> dict[str, tuple[str, ...]]:
        """The first units without a row, named, by reason."""
        index, found = self.index, {}
        for number, reason in enumerate(index.reasons):
            places = np.flatnonzero(index.left_reason == number)[:EXAMPLES]
            if len(places):
                found[reason] = tuple(self._name_left_out(place) for place in places)
        return found

    @property
    def wide(self) -> dict[Layer, int]:
        """Layers that do not fit into float16: in how many shards each is kept as float32."""
        if self.recipe["dtype"] == "float32":
            return {}
        found = Counter(
            layer
            for shard in self.entry.shards
            for layer, dtype in shard.layout.dtypes.items()
            if dtype == "float32"
        )
        return {layer: found[layer] for layer in self.layers if layer in found}

    def rows(self, layer: int | str) -> NDArray[np.float32]:
        """All rows of a layer, ``[n_rows, dim]``."""
        return self.gather(layer, np.arange(self.n_rows))

    def iter_rows(self, layer: int | str) -> Iterator[NDArray[np.float32]]:
        """The rows of a layer in order, in blocks ``[at most 8192, dim]``; memory does not grow with the
        corpus.
        """
        layer = self._layer(layer)
        for number in range(len(self.entry.shards)):
            tensor = self._tensor(number, layer)
            for start in range(0, len(tensor), CHUNK):
                yield tensor[start : start + CHUNK].to(torch.float32, copy=True).numpy()

    def gather(self, layer: int | str, rows: NDArray[Any] | Sequence[int]) -> NDArray[np.float32]:
        """The rows asked for, in any order and also repeated: ``[len(rows), dim]``.

        Reads each shard once, from front to back. Raises IndexError for a row that does not exist.
        """
        layer = self._layer(layer)
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= self.n_rows):
            raise IndexError(
                f"rows must be within 0 ... {self.n_rows - 1}; got {wanted.min()} ... {wanted.max()}"
            )
        result = torch.empty((len(wanted), self.dim), dtype=torch.float32)
        order = None if np.all(wanted[1:] >= wanted[:-1]) else np.argsort(wanted, kind="stable")
        ascending = wanted if order is None else wanted[order]
        cuts = np.searchsorted(ascending, self._starts)
        for number, (start, stop) in enumerate(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)):
            if start == stop:
                continue
            tensor = self._tensor(number, layer)
            local = ascending[start:stop] - self._starts[number]
            for begin in range(0, stop - start, CHUNK):
                part = _select(tensor, local[begin : begin + CHUNK])
                if order is None:
                    result[start + begin : start + begin + len(part)] = part
                else:
                    places = torch.from_numpy(order[start + begin : start + begin + len(part)])
                    result.index_copy_(0, places, part.to(torch.float32))
        found: NDArray[np.float32] = result.numpy()
        return found

    def units(self, task: Task | Units, split: str | None = None) -> UnitData:
        """The units a task labels, each with its row; joined by sentence id and word.

        Units without a row are left out, counted by reason beside the task's own, and named. Raises
        ConfigError where the task labels another unit than the rows have, StoreError where `Units` come from
        another corpus.
        """
        if self.corpus is None:
            raise ConfigError(
                "these activations were opened without their corpus; pass it to Activations.open"
            )
        units = task if isinstance(task, Units) else task.units(self.corpus)
        if units.unit != self.recipe["unit"]:
            raise ConfigError(
                f"the task labels each {units.unit}, and these rows are one per {self.recipe['unit']}; "
                f"extract with unit={units.unit!r}"
            )
        if units.corpus_hash != self.corpus.hash:
            raise StoreError(
                "these units were made from another corpus than these activations; make them anew"
            )
        if split is not None:
            units = units.select(split)
        places = self._word_start[units.sentence] + np.maximum(units.word, 0)
        rows, reasons = self._row_of[places], self._reason_of[places]
        kept = rows >= 0
        left_out, examples = Counter(units.left_out), {}
        for number, reason in enumerate(self.index.reasons):
            gone = np.flatnonzero(~kept & (reasons == number))
            if len(gone):
                left_out[reason] += len(gone)
                examples[reason] = tuple(_named(units, i) for i in gone[:EXAMPLES])
        return UnitData(self, units.take(np.flatnonzero(kept)), rows[kept], dict(left_out), examples)

    def __len__(self) -> int:
        return self.n_rows

    def __repr__(self) -> str:
        model, corpus = self.model["name"], self.entry.about["corpus"]
        return (
            f"<Activations {self.key[:12]}: {model} on {corpus}, layers "
            f"{self.layers[0]} to {self.layers[-1]}, {self.n_rows:,} {self.recipe['unit']} rows of {self.dim}>"
        )

    def _layer(self, layer: int | str) -> Layer:
        name = layer_name(layer)
        if name not in self.layers:
            raise ConfigError(f"layer {name!r} is not stored here; {did_you_mean(name, self.layers)}")
        return name

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The first row of every shard, and the number of rows."""
        return np.cumsum([0, *(shard.layout.rows for shard in self.entry.shards)])

    @cached_property
    def _word_start(self) -> NDArray[np.int64]:
        """Where the units of each sentence begin in the tables below."""
        per_sentence = self.index.words if self.recipe["unit"] == "word" else np.ones_like(self.index.words)
        return np.concatenate([[0], np.cumsum(per_sentence, dtype=np.int64)])

    @cached_property
    def _row_of(self) -> NDArray[np.int64]:
        """For every unit of the corpus its row, or -1."""
        table = np.full(self._word_start[-1], -1, np.int64)
        table[self._word_start[self.index.sentence] + np.maximum(self.index.number, 0)] = np.arange(
            self.n_rows
        )
        return table

    @cached_property
    def _reason_of(self) -> NDArray[np.uint8]:
        """For every unit of the corpus why it has no row, or 0."""
        index = self.index
        table = np.zeros(self._word_start[-1], np.uint8)
        table[self._word_start[index.left_sentence] + np.maximum(index.left_number, 0)] = index.left_reason
        return table

    def _name_left_out(self, place: int) -> str:
        sentence, number = int(self.index.left_sentence[place]), int(self.index.left_number[place])
        if number < 0:
            return self.index.ids[sentence]
        word = f" {self.corpus.sentences[sentence].words[number]!r}" if self.corpus is not None else ""
        return f"{self.index.ids[sentence]}:{number + 1}{word}"

    def _tensor(self, number: int, layer: Layer) -> torch.Tensor:
        """A layer of a shard as it lies on disk, memory-mapped; checked first."""
        from safetensors import safe_open

        shard = self.entry.shards[number]
        try:
            check_shard(self.path, shard, again=False)
        except StoreError as problem:
            raise StoreError(
                f"{problem}; `probekit store verify` moves damaged files aside, then extract again"
            ) from None
        with safe_open(self.path / shard.name, framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(shard.layout.names[layer])
        return tensor


def _named(units: Units, i: int) -> str:
    """A unit's id, with the word where it is one."""
    return units.ids[i] if units.unit == "sentence" else f"{units.ids[i]} {units.types[i]!r}"


@dataclass(frozen=True, eq=False, repr=False)
class UnitData:
    """Labelled units that have a row, in the order of the corpus.

    ``rows`` int64 ``[n]``: the row of each unit. ``left_out``: how many units have none, by reason, the
    task's reasons and the store's together; ``left_out_examples`` names the first of the store's.
    """

    activations: Activations
    units: Units
    rows: NDArray[np.int64]
    left_out: Mapping[str, int]
    left_out_examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def X(self, layer: int | str) -> NDArray[np.float32]:
        """The representations of the units at a layer, float32 ``[n, dim]``."""
        return self.activations.gather(layer, self.rows)

    @property
    def y(self) -> NDArray[Any]:
        """The labels."""
        return self.units.labels

    @property
    def ids(self) -> tuple[str, ...]:
        """Sentence id and word number (from 1) of each unit."""
        return self.units.ids

    @property
    def cluster(self) -> NDArray[np.int32]:
        """The sentence of each unit, as a number: what intervals resample."""
        return self.units.sentence

    @property
    def split(self) -> NDArray[Any]:
        """The split of each unit."""
        return self.units.split

    def select(self, split: str) -> UnitData:
        """The units of one split; ``left_out`` stays that of the whole."""
        kept = np.flatnonzero(self.units.split == split)
        return replace(self, units=self.units.take(kept), rows=self.rows[kept])

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<UnitData: {len(self):,} units ({self.units.unit}) of {self.activations!r}>"


def _select(tensor: torch.Tensor, rows: NDArray[np.int64]) -> torch.Tensor:
    """Rows of a memory-mapped tensor, ascending; a run without gaps is not copied."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows) and np.all(np.diff(rows) == 1):
        return tensor[first : last + 1]
    return tensor.index_select(0, torch.from_numpy(rows))
