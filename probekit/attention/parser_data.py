"""What an attention-only parser reads: the maps of all heads between the words of each sentence, in padded batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.attention.gold_trees import GoldTree
from probekit.attention.maps import WordMaps, read_maps
from probekit.data.corpus import Corpus
from probekit.glossary import Progress, silent
from probekit.models.align import encode

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]
PAIRS = 20_000
"""Pairs of words in one batch, padding included."""
NOT_SCORED = -1


@dataclass(frozen=True, eq=False)
class ParserInput:
    """One sentence: ``maps`` float16 ``[heads of all layers, words, words]``, ``special`` float16 ``[heads, words]``
    (what went to special pieces), ``vectors`` float32 ``[words, dims]``; ``heads`` int64 ``[words]``: the number of the
    gold head, the number of words for the root, `NOT_SCORED` where the word is not scored. Words left out are gone."""

    number: int
    maps: Array
    special: Array
    vectors: Array
    heads: Array


@dataclass(frozen=True, eq=False)
class ParserBatch:
    """Sentences of like lengths, padded: as `ParserInput` with a first axis, ``sizes`` int64 ``[batch]`` the true
    numbers of words; the root is number ``words`` (the padded one)."""

    maps: torch.Tensor
    special: torch.Tensor
    vectors: torch.Tensor
    heads: torch.Tensor
    sizes: torch.Tensor
    numbers: tuple[int, ...]

    @property
    def words(self) -> int:
        """The padded number of words."""
        return self.heads.shape[1]

    def allowed(self) -> torch.Tensor:
        """Which heads a word may have, bool ``[batch, words, words + 1]``: no word itself, no padding, the root."""
        n = self.words
        real = torch.arange(n)[None] < self.sizes[:, None]
        other = real[:, None, :] & ~torch.eye(n, dtype=torch.bool)
        return torch.cat([other, torch.ones(len(real), n, 1, dtype=torch.bool)], 2)


class StaticVectors:
    """The input embedding averaged over the pieces of a word, in its main directions over the words of train.

    Fitted once, so that twins are given the vectors of the model itself.
    """

    def __init__(self, model: Model, dims: int) -> None:
        self.model, self.dims = model, dims
        self.fitted = False
        self.center: Array = np.zeros(0)
        self.turn: Array = np.zeros((0, 0))

    def of(self, corpus: Corpus, text_form: str | None) -> list[Array]:
        """A vector for each word of each sentence, float32 ``[words, dims]``, 0 where a word is left out."""
        found = encode(self.model, corpus.sentences, text_form=text_form or corpus.text_form)  # type: ignore[arg-type]
        module: Any = self.model.module
        table = module.get_input_embeddings().weight.detach().float().cpu().numpy()
        kept = found.word_reason == 0
        first, stop = found.word_first[kept], found.word_stop[kept]
        begin = found.input_start[found.word_input[kept]]
        sizes = (stop - first).astype(np.int64)
        place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        pieces = found.piece_ids[place + np.repeat(begin + first, sizes)]
        owner = np.repeat(np.arange(len(sizes)), sizes)
        from scipy.sparse import csr_array

        average = csr_array((1 / sizes[owner], (owner, pieces)), shape=(len(sizes), len(table)))
        raw = np.asarray(average @ table, dtype=np.float64)
        if not self.fitted:
            self._fit(raw)
        turned = np.zeros((len(kept), self.turn.shape[1]), np.float32)
        turned[kept] = (raw - self.center) @ self.turn
        bounds = np.cumsum([len(sentence) for sentence in corpus])[:-1]
        return np.split(turned, bounds)

    def _fit(self, raw: Array) -> None:
        self.fitted = True
        self.center = raw.mean(axis=0)
        centred = raw - self.center
        variance, directions = np.linalg.eigh(centred.T @ centred / max(1, len(raw)))
        kept = np.argsort(variance)[::-1][: self.dims]
        scale = float(np.sqrt(max(variance[kept].mean(), 1e-30)))  # one for all: main directions stay larger
        self.turn = directions[:, kept] / scale


def read_inputs(
    model: Model,
    corpus: Corpus,
    trees: Sequence[GoldTree],
    static: StaticVectors,
    *,
    text_form: str | None = None,
    progress: Progress = silent,
) -> list[ParserInput]:
    """The maps of every sentence of a corpus with at least one word to score. Words of upos PUNCT are not scored, but
    may be heads; a word whose head the model did not read is not scored."""
    layers = model.resolve_layers("all", "heads")
    heads = model.n_heads
    vectors = static.of(corpus, text_form)
    kept: dict[int, Array] = {}
    maps: dict[int, tuple[Array, Array]] = {}

    def visit(seen: WordMaps) -> None:
        number = layers.index(seen.layer)
        own = slice(number * heads, (number + 1) * heads)
        weights, special = seen.weights.half().cpu().numpy(), seen.special.half().cpu().numpy()
        for row, sentence in enumerate(seen.sentences.tolist()):
            if not number:
                kept[sentence] = np.flatnonzero(seen.present[row].cpu().numpy())
                n = len(kept[sentence])
                shape = (len(layers) * heads, n)
                maps[sentence] = np.zeros((*shape, n), np.float16), np.zeros(shape, np.float16)
            at = kept[sentence]
            maps[sentence][0][own] = weights[row][:, at[:, None], at]
            maps[sentence][1][own] = special[row][:, at]

    read_maps(model, corpus, visit, text_form=text_form, progress=progress)
    found = []
    for sentence in sorted(maps):
        at, tree = kept[sentence], trees[sentence]
        gold = renumbered(tree, at)
        if (gold != NOT_SCORED).any():
            found.append(ParserInput(sentence, *maps[sentence], vectors[sentence][at], gold))
    return found


def renumbered(tree: GoldTree, at: Array) -> Array:
    """Gold heads among the words kept (their numbers `at`); the root is ``len(at)``.

    >>> tree = GoldTree(np.array([2, 0, -1, 2]), np.array([False, False, False, True]))
    >>> renumbered(tree, np.array([0, 2, 3])).tolist()
    [1, 3, -1]
    """
    number = np.full(len(tree.heads), NOT_SCORED, dtype=np.int64)
    number[at] = np.arange(len(at))
    heads = tree.heads[at]
    gold = np.where(heads >= 0, number[heads], np.where(heads == -1, len(at), NOT_SCORED))
    gold[tree.punctuation[at]] = NOT_SCORED
    return np.asarray(gold)


def parser_batches(inputs: Sequence[ParserInput], pairs: int = PAIRS) -> Iterator[ParserBatch]:
    """Batches of sentences of like lengths, short ones first."""
    order = sorted(range(len(inputs)), key=lambda i: (len(inputs[i].heads), i))
    own: list[ParserInput] = []
    for one in (inputs[i] for i in order):
        if own and (len(own) + 1) * len(one.heads) ** 2 > pairs:
            yield _padded(own)
            own = []
        own.append(one)
    if own:
        yield _padded(own)


def _padded(own: Sequence[ParserInput]) -> ParserBatch:
    n = max(len(one.heads) for one in own)
    heads, dims = own[0].maps.shape[0], own[0].vectors.shape[1]
    maps = np.zeros((len(own), heads, n, n), np.float16)
    special = np.zeros((len(own), heads, n), np.float16)
    vectors = np.zeros((len(own), n, dims), np.float32)
    gold = np.full((len(own), n), NOT_SCORED, np.int64)
    for row, one in enumerate(own):
        size = len(one.heads)
        maps[row, :, :size, :size], special[row, :, :size] = one.maps, one.special
        vectors[row, :size] = one.vectors
        gold[row, :size] = np.where(one.heads == size, n, one.heads)
    return ParserBatch(
        maps=torch.from_numpy(maps),
        special=torch.from_numpy(special),
        vectors=torch.from_numpy(vectors),
        heads=torch.from_numpy(gold),
        sizes=torch.tensor([len(one.heads) for one in own]),
        numbers=tuple(one.number for one in own),
    )
