"""Examples as a live model reads them: pieces, and which of them make up each unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.adaptation.examples import Examples
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, ModelError, did_you_mean
from probekit.glossary import TextForm
from probekit.models.align import encode
from probekit.models.model import Model
from probekit.models.quiet import quiet

POOLS = ("mean", "cls", "last")


@dataclass(frozen=True, eq=False)
class Inputs:
    """n encoded examples. Unit u (counted through all examples) pools the pieces ``places[u]`` of its example.

    ``ids[i]`` int64[pieces]; ``types[i]`` likewise for pairs, where the model tells two texts apart; ``first``
    int64[n + 1]: the units of example i are ``first[i]:first[i + 1]``. A unit without a piece (cut away, or
    nothing the tokenizer knows) has an empty place and is `left_out`; ``truncated`` counts the examples that were cut.
    """

    ids: tuple[NDArray[np.int64], ...]
    types: tuple[NDArray[np.int64], ...] | None
    places: tuple[NDArray[np.int64], ...]
    first: NDArray[np.int64]
    truncated: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces of each example, int64[n]."""
        return np.array([len(ids) for ids in self.ids], np.int64)

    @property
    def readable(self) -> NDArray[np.int64]:
        """The examples that have at least one unit with a piece."""
        there = np.concatenate([[0], np.cumsum(~self.left_out)])
        return np.flatnonzero(there[self.first[1:]] > there[self.first[:-1]])

    @property
    def left_out(self) -> NDArray[np.bool_]:
        """Which units have no piece, bool[units]."""
        return np.array([len(place) == 0 for place in self.places], bool)


@dataclass(frozen=True, eq=False)
class Batch:
    """Some examples padded on the right to the longest: ids and mask [rows, width], mask None where nothing is padded.

    ``piece`` int64[m] are places in the flattened batch, ``owner`` int64[m] the unit of the batch that pools each;
    ``units`` int64 are the numbers of the batch's units among all.
    """

    ids: Tensor
    mask: Tensor | None
    types: Tensor | None
    piece: Tensor
    owner: Tensor
    units: NDArray[np.int64]


def encode_inputs(
    model: Model, examples: Examples, *, pool: str = "mean", max_pieces: int | None = None
) -> Inputs:
    """Encode examples; ``pool`` says which pieces of a sentence or pair stand for it (all ordinary ones, the first,
    the last ordinary one). A word is its own pieces, whatever `pool` says but ``last`` and ``cls``. Longer examples
    are cut to ``max_pieces``, or to what the model can read."""
    if pool not in POOLS:
        raise ConfigError(f"unknown pool {pool!r}; {did_you_mean(str(pool), POOLS)}")
    if max_pieces is not None:
        model = replace(model, max_pieces=min(max_pieces, model.max_pieces or max_pieces))
    if examples.unit == "pair":
        return _encode_pairs(model, examples, pool)
    words = examples.unit == "word"
    sentences = [
        Sentence.from_words(str(number), text) if words else Sentence.from_text(str(number), text)
        for number, text in enumerate(examples.texts)
    ]
    with quiet():
        encoding = encode(model, sentences, text_form=word_form(model) if words else "surface")
    start = encoding.input_start
    row = {int(sentence): number for number, sentence in enumerate(encoding.input_sentence)}
    empty = np.zeros(0, np.int64)
    ids, places = [], []
    for number in range(len(examples)):
        here = row.get(number)
        span = slice(0, 0) if here is None else slice(int(start[here]), int(start[here + 1]))
        ids.append(encoding.piece_ids[span].astype(np.int64))
        if not words:
            places.append(_pooled(encoding.special[span], pool))
    if words:
        for begin, stop, reason in zip(
            encoding.word_first, encoding.word_stop, encoding.word_reason, strict=True
        ):
            places.append(empty if reason and stop <= begin else _word(int(begin), int(stop), pool))
    first = np.concatenate([[0], np.cumsum(examples.sizes)]).astype(np.int64)
    return Inputs(tuple(ids), None, tuple(places), first, encoding.counts["long_sentences"])


def word_form(model: Model) -> TextForm:
    """How a model reads given words: one by one, or, where its tokenizer would then leave out the spaces it was trained
    with (GPT-2's), joined by spaces and found again by characters."""
    try:
        encode(model, [Sentence.from_words("0", ["a", "a"])], text_form="words")
    except ModelError:
        return "surface"
    return "words"


def _word(begin: int, stop: int, pool: str) -> NDArray[np.int64]:
    pieces = np.arange(begin, stop)
    return pieces[:1] if pool == "cls" else pieces[-1:] if pool == "last" else pieces


def _pooled(special: NDArray[np.bool_], pool: str) -> NDArray[np.int64]:
    ordinary = np.flatnonzero(~special)
    if pool == "cls":
        return np.arange(min(1, len(special)))
    return ordinary[-1:] if pool == "last" else ordinary


def _encode_pairs(model: Model, examples: Examples, pool: str) -> Inputs:
    """Both texts in one input, as the tokenizer joins them; the longer one is cut first."""
    tokenizer: Any = model.tokenizer
    with quiet():
        limit = model.max_pieces
        told = tokenizer(
            [a for a, _ in examples.texts],
            [b for _, b in examples.texts],
            truncation="longest_first" if limit else False,
            max_length=limit,
            return_special_tokens_mask=True,
            return_overflowing_tokens=False,
            return_token_type_ids=True,
        )
        whole = tokenizer([a for a, _ in examples.texts], [b for _, b in examples.texts])
    long = sum(len(ids) > limit for ids in whole["input_ids"]) if limit else 0
    ids = tuple(np.array(row, np.int64) for row in told["input_ids"])
    has_types = int(getattr(model.module.config, "type_vocab_size", 0) or 0) > 1
    types = tuple(np.array(row, np.int64) for row in told["token_type_ids"]) if has_types else None
    places = tuple(_pooled(np.array(row, bool), pool) for row in told["special_tokens_mask"])
    return Inputs(ids, types, places, np.arange(len(ids) + 1, dtype=np.int64), int(long))


def make_batch(inputs: Inputs, rows: NDArray[np.int64], pad: int, device: torch.device) -> Batch:
    """The batch of some examples."""
    lengths = [len(inputs.ids[row]) for row in rows]
    width = max(1, *lengths)
    ids = np.full((len(rows), width), pad, np.int64)
    types = None if inputs.types is None else np.zeros((len(rows), width), np.int64)
    pieces, owners, units = [], [], []
    n_units = 0
    for at, row in enumerate(rows):
        ids[at, : lengths[at]] = inputs.ids[row]
        if types is not None and inputs.types is not None:
            types[at, : lengths[at]] = inputs.types[row]
        for unit in range(inputs.first[row], inputs.first[row + 1]):
            if len(inputs.places[unit]):
                pieces.append(inputs.places[unit] + at * width)
                owners.append(np.full(len(inputs.places[unit]), n_units))
                units.append(unit)
                n_units += 1
    padded = min(lengths) < width
    mask = (np.arange(width) < np.array(lengths)[:, None]).astype(np.int64) if padded else None
    none = np.zeros(0, np.int64)

    def on_device(array: NDArray[Any] | None) -> Any:
        return None if array is None else torch.from_numpy(array).to(device)

    return Batch(
        ids=on_device(ids),
        mask=on_device(mask),
        types=on_device(types),
        piece=on_device(np.concatenate([none, *pieces])),
        owner=on_device(np.concatenate([none, *owners]).astype(np.int64)),
        units=np.array(units, np.int64),
    )
