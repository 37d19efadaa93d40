"""What an extraction will do, known before the model runs: rows, order, shards, disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from probekit.activations.batches import cut_batches, cut_shards, order_by_length
from probekit.activations.entry import Index
from probekit.activations.recipe import Options, make_recipe, recipe_key
from probekit.activations.rows import Rows, choose_rows
from probekit.activations.shard import ShardLayout
from probekit.errors import DataError
from probekit.models.align import encode

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.models.align import Encoding
    from probekit.models.model import Model


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs of one length that go through the model together, and the rows that come out.

    ``ids`` int64 ``[inputs, pieces]``. ``first`` and ``stop`` count pieces over the flattened batch; the rows
    are ``begin ... begin+len(first)-1`` of their shard.
    """

    ids: Int[ndarray, "inputs pieces"]
    first: Int[ndarray, " rows"]
    stop: Int[ndarray, " rows"]
    begin: int


@dataclass(frozen=True, eq=False)
class Plan:
    """An extraction before it runs; holds numbers of the size of the corpus's pieces, no representation."""

    recipe: dict[str, Any]
    about: dict[str, Any]
    key: str
    layers: tuple[str, ...]
    dim: int
    counts: Mapping[str, int]
    index: Index
    _piece_ids: Int[ndarray, " pieces"]
    _input_start: Int[ndarray, " inputs_1"]
    _inputs: Int[ndarray, " used"]
    _rows: Rows
    _row_start: Int[ndarray, " used_1"]
    _shards: tuple[tuple[int, int], ...]

    @property
    def n_rows(self) -> int:
        """Rows per layer."""
        return len(self._rows)

    @property
    def n_shards(self) -> int:
        """Shards, the unit of work and of resume."""
        return len(self._shards)

    @property
    def disk_bytes(self) -> int:
        """Bytes the entry takes; more only where a layer does not fit into float16."""
        small = sum(map(len, self.index.files().values()))
        return small + sum(self.layout(number).size for number in range(self.n_shards))

    def shard_rows(self, number: int) -> int:
        """Rows of a shard."""
        start, stop = self._shards[number]
        return int(self._row_start[stop] - self._row_start[start])

    def layout(self, number: int, wide: frozenset[str] = frozenset()) -> ShardLayout:
        """How a shard lies on disk where the layers in `wide` do not fit into float16."""
        rule = self.recipe["dtype"]
        dtypes = {layer: "float32" if layer in wide else rule for layer in self.layers}
        return ShardLayout(self.key, self.shard_rows(number), self.dim, dtypes)

    def batches(self, number: int) -> list[tuple[int, int]]:
        """The batches of a shard, as ranges of inputs in the order of length."""
        start, stop = self._shards[number]
        budget = self.recipe["pieces_per_batch"]
        return [(start + a, start + b) for a, b in cut_batches(self._lengths(start, stop), budget)]

    def batch(self, number: int, start: int, stop: int) -> Batch:
        """The arrays of one batch of a shard."""
        width = int(self._lengths(start, stop)[0])
        places = self._input_start[self._inputs[start:stop], None] + np.arange(width)
        ids = self._piece_ids[places].astype(np.int64)
        rows = slice(self._row_start[start], self._row_start[stop])
        slots = np.repeat(np.arange(stop - start), np.diff(self._row_start[start : stop + 1])) * width
        begin = int(self._row_start[start] - self._row_start[self._shards[number][0]])
        return Batch(ids, self._rows.first[rows] + slots, self._rows.stop[rows] + slots, begin)

    def sentence_of_piece(self, start: int, width: int, piece: int) -> str:
        """The sentence whose input holds a piece of the flattened batch that begins at input `start`."""
        inputs = self._inputs[start + piece // width]
        sentence = self._rows.sentence[np.flatnonzero(self._rows.input == inputs)[0]]
        return self.index.ids[int(sentence)]

    def _lengths(self, start: int, stop: int) -> Int[ndarray, " inputs"]:
        inputs = self._inputs[start:stop]
        lengths: Int[ndarray, " inputs"] = self._input_start[inputs + 1] - self._input_start[inputs]
        return lengths


def plan_extraction(
    model: Model, corpus: Corpus, options: Options, *, encoding: Encoding | None = None
) -> Plan:
    """Tokenize a corpus and lay out its extraction; the model reads nothing of it.

    `encoding` gives inputs that were encoded before (masked ones, say): input i is then read as sentence
    ``input_sentence[i]`` of the corpus, whatever its text, and the recipe names the inputs by their hash. Raises
    what `encode` raises, and ConfigError or DataError where the options do not fit model or corpus.
    """
    options = options.checked()
    layers = model.resolve_layers(options.layers, options.site)
    text_form = options.text_form or corpus.text_form
    if encoding is None:
        encoding = encode(model, corpus.sentences, text_form=text_form, length=options.length)  # type: ignore[arg-type]
    elif len(encoding.sentence_reason) != len(corpus):
        raise DataError(
            f"an encoding of {len(encoding.sentence_reason)} sentences was given for a corpus of {len(corpus)}"
        )
    rows, left_out = choose_rows(encoding, options)
    order = order_by_length(np.diff(encoding.input_start))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    rows = rows.take(np.argsort(rank[rows.input], kind="stable"))
    per_input = np.bincount(rank[rows.input], minlength=len(order))
    used = per_input > 0  # an input without rows is not read
    row_start = np.concatenate([[0], np.cumsum(per_input[used])])
    recipe = make_recipe(model, corpus, encoding, options)
    starts = encoding.input_start
    pieces = encoding.piece_ids[starts[rows.input] + rows.number] if options.unit == "piece" else []
    index = Index(
        ids=tuple(sentence.id for sentence in corpus),
        words=np.array([len(sentence.words) for sentence in corpus], np.int32),
        sentence=rows.sentence.astype(np.int32),
        number=rows.number.astype(np.int32),
        pieces=np.asarray(pieces, np.int32),
        left_sentence=left_out.sentence,
        left_number=left_out.number,
        left_reason=left_out.reason,
        reasons=left_out.reasons,
    )
    return Plan(
        recipe=recipe,
        about={"model": model.describe(), "corpus": corpus.name},
        key=recipe_key(recipe),
        layers=layers,
        dim=model.site_dim(options.site),
        counts=dict(encoding.counts),
        index=index,
        _piece_ids=encoding.piece_ids,
        _input_start=starts,
        _inputs=order[used],
        _rows=rows,
        _row_start=row_start,
        _shards=tuple(cut_shards(per_input[used], options.rows_per_shard)),
    )
