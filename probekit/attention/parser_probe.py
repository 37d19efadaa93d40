"""A parser that sees nothing but the attention of all heads, beside parsers that see distances alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.attention.gold_trees import GoldTree, gold_trees
from probekit.attention.parser_data import (
    NOT_SCORED,
    ParserBatch,
    ParserInput,
    StaticVectors,
    parser_batches,
    read_inputs,
)
from probekit.attention.parser_rows import AttentionParser, ParserSystem
from probekit.attention.parser_scores import Fitted, Scorer, fit_scorer
from probekit.attention.twins import twins_of
from probekit.data.corpus import Corpus
from probekit.errors import ConfigError, DataError
from probekit.glossary import Progress, silent
from probekit.maths.trees import best_heads

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]
CHUNK = 400
"""Sentences of test whose maps are held at once."""


@dataclass(frozen=True, eq=False)
class _Split:
    sentences: Corpus
    trees: list[GoldTree]


def parse_with_attention(
    model: Model,
    corpus: Corpus,
    *,
    twins: int | Sequence[Model] = 0,
    static_dims: int = 100,
    train_sentences: int = 2000,
    dev_sentences: int = 1000,
    seed: int = 0,
    text_form: str | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> AttentionParser:
    """Parsers whose only input is attention, against parsers that know distances alone; UAS on test.

    The attention parser gives word j as head of word i a probability proportional to ``exp(sum_k w_k a_ij^k + u_k
    a_ji^k)``, over all heads k of all layers: two numbers a head, fitted on train, stopped on dev (Clark et al. 2019,
    section 5). A second one lets these numbers depend on static vectors of the two words: the model's own input
    embedding, averaged over pieces, in its `static_dims` main directions. The same two with a map for each distance
    in the place of heads are the baselines, and so are the two chains. Each of `twins` (models, or how many to draw)
    is read in the model's place, with the vectors of the model itself. Unlike in the paper the root is a candidate,
    scored by what a word gives to special pieces. UAS is of the best head of each word, and of the best tree; words
    of upos PUNCT are not scored.

    `train_sentences` and `dev_sentences` are drawn with `seed` from larger splits. Raises DataError (a split or gold
    trees missing), ModelError (no attention), ConfigError (a number).

    >>> sentences = [
    ...     pk.Sentence.from_words(s, "The keys rust".split(), columns={"head": ["2", "3", "0"]}, split=s)
    ...     for s in ("train", "dev", "test")
    ... ]
    >>> found = pk.parse_with_attention(pk.load_model("demo:minilm"), pk.Corpus(sentences))
    >>> found.uas("attention")
    1.0
    """
    numbers = {"static_dims": static_dims, "train_sentences": train_sentences, "dev_sentences": dev_sentences}
    for name, number in numbers.items():
        if number < 1:
            raise ConfigError(f"{name} must be at least 1, not {number}")
    splits = {split: _Split(*gold_trees(corpus, split)) for split in ("train", "dev", "test")}
    used = {
        "train": _drawn(splits["train"], train_sentences, seed),
        "dev": _drawn(splits["dev"], dev_sentences, seed),
    }
    static = StaticVectors(model, min(static_dims, model.dim))

    def read(reader: Model, split: _Split) -> list[ParserInput]:
        return read_inputs(
            reader, split.sentences, split.trees, static, text_form=text_form, progress=progress
        )

    def fit(reader: Model, kinds: Sequence[bool]) -> list[list[Fitted]]:
        train, dev = (list(parser_batches(read(reader, used[split]))) for split in ("train", "dev"))
        if not train or not dev:
            raise DataError(f"corpus {corpus.name!r}: train and dev hold no word with a head to score")
        return [_fitted(train, dev, distances, seed, progress) for distances in kinds]

    drawn = twins_of(model, twins)
    models = (model, *drawn)
    own, distance = fit(model, (False, True))
    fits = [own, *(fit(twin, (False,))[0] for twin in drawn)]
    systems: list[ParserSystem] = []
    for number, (reader, own) in enumerate(zip(models, fits, strict=True)):
        for fitted, vectors in zip(own, (False, True), strict=True):
            systems.append(_system(reader, fitted, vectors, "random-twin" if number else ""))
    for fitted, vectors in zip(distance, (False, True), strict=True):
        systems.append(_system(model, fitted, vectors, "distance"))
    chains = [ParserSystem(f"{way} word is the head", "fixed-offset") for way in ("previous", "next")]
    scored = 0
    for chunk in _chunks(splits["test"], CHUNK):
        for number, (reader, own) in enumerate(zip(models, fits, strict=True)):
            batches = list(parser_batches(read(reader, chunk)))
            for system, fitted in zip(systems[2 * number : 2 * number + 2], own, strict=True):
                system.add(_parse(fitted.scorer, batches, scored))
            if not number:
                for system, fitted in zip(systems[-2:], distance, strict=True):
                    system.add(_parse(fitted.scorer, batches, scored))
                for system, step in zip(chains, (-1, 1), strict=True):
                    system.add(_chain(batches, step, scored))
        scored += len(chunk.sentences)
    if not len(systems[0].sentence):
        raise DataError(f"corpus {corpus.name!r}: test holds no word with a head to score")
    n_words = sum(len(tree.heads) for tree in splits["test"].trees)
    return AttentionParser(
        systems=(*systems, *chains),
        weights=fits[0][0].scorer.weight.detach().numpy().reshape(2, -1, model.n_heads),
        layers=model.resolve_layers("all", "heads"),
        sentences={split: len(own.sentences) for split, own in {**splits, **used}.items()},
        n_punctuation=sum(int(tree.punctuation.sum()) for tree in splits["test"].trees),
        n_words=n_words,
        model=model.name,
        model_kind=model.kind,
        corpus=corpus.name,
        seed=seed,
        resamples=resamples,
    )


def _fitted(
    train: list[ParserBatch], dev: list[ParserBatch], distances: bool, seed: int, progress: Progress
) -> list[Fitted]:
    """Without vectors and, beginning from there, with them."""
    features = 20 if distances else train[0].maps.shape[1]
    plain = fit_scorer(Scorer(features, distances=distances), train, dev, seed=seed, progress=progress)
    wide = Scorer(features, train[0].vectors.shape[2], distances=distances)
    wide.start_from(plain.scorer)
    return [plain, fit_scorer(wide, train, dev, seed=seed, progress=progress)]


def _system(model: Model, fitted: Fitted, vectors: bool, control: str) -> ParserSystem:
    name = ("distance" if control == "distance" else "attention") + (" and static vectors" if vectors else "")
    numbers = sum(parameter.numel() for parameter in fitted.scorer.parameters())
    twin = control == "random-twin"
    return ParserSystem(
        name, control, model=model.name if twin else "", seed=model.seed if twin else None, numbers=numbers,
        epoch=fitted.epoch, dev_loss=fitted.loss,
    )  # fmt: skip


def _drawn(split: _Split, most: int, seed: int) -> _Split:
    """At most so many sentences, drawn without replacement, in their order."""
    n = len(split.sentences)
    if n <= most:
        return split
    chosen = np.sort(np.random.default_rng([seed, 11]).choice(n, most, replace=False)).tolist()
    return _only(split, chosen)


def _only(split: _Split, chosen: Sequence[int]) -> _Split:
    own = split.sentences
    sentences = Corpus([own[i] for i in chosen], own.name, own.files, own.licence, own.text_form)
    return _Split(sentences, [split.trees[i] for i in chosen])


def _chunks(split: _Split, size: int) -> Iterator[_Split]:
    for start in range(0, len(split.sentences), size):
        yield _only(split, range(start, min(len(split.sentences), start + size)))


def _parse(scorer: Scorer, batches: Sequence[ParserBatch], before: int) -> tuple[Array, Array, Array]:
    """Right or wrong by best head and by best tree, float64 ``[words scored]``, and the sentence of each."""
    greedy, tree, sentence = [], [], []
    with torch.no_grad():
        for batch in batches:
            scores = scorer(batch).double().numpy()
            for row, size in enumerate(batch.sizes.tolist()):
                own = np.concatenate([scores[row, :size, :size], scores[row, :size, -1:]], axis=1)
                gold, at = _gold(batch, row, size)
                own -= own.max(axis=1, keepdims=True)
                own -= np.log(np.exp(own).sum(axis=1, keepdims=True))  # log-probabilities: trees add them up
                heads = best_heads(own[:, :size], own[:, size])
                greedy.append((own.argmax(axis=1) == gold)[at])
                tree.append((np.where(heads < 0, size, heads) == gold)[at])
                sentence.append(np.full(len(at), before + batch.numbers[row]))
    return _flat(greedy), _flat(tree), _flat(sentence, np.int64)


def _chain(batches: Sequence[ParserBatch], step: int, before: int) -> tuple[Array, Array, Array]:
    right, sentence = [], []
    for batch in batches:
        for row, size in enumerate(batch.sizes.tolist()):
            gold, at = _gold(batch, row, size)
            heads = np.arange(size) + step
            heads[(heads < 0) | (heads >= size)] = size
            right.append((heads == gold)[at])
            sentence.append(np.full(len(at), before + batch.numbers[row]))
    return _flat(right), _flat(right), _flat(sentence, np.int64)


def _gold(batch: ParserBatch, row: int, size: int) -> tuple[Array, Array]:
    """Gold heads of a sentence, the root ``size``, and which words are scored."""
    gold = batch.heads[row, :size].numpy()
    return np.where(gold == batch.words, size, gold), np.flatnonzero(gold != NOT_SCORED)


def _flat(parts: Sequence[Array], dtype: Any = np.float64) -> Array:
    found: Array = np.concatenate([np.zeros(0, dtype), *parts]).astype(dtype)
    return found
