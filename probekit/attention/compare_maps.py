"""Do maps of importance agree: weights, norms, rollout, flow and value zeroing, with each other and with gold trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.attention.flow import attention_flow
from probekit.attention.gold_trees import read_tree
from probekit.attention.map_agreement import MapAgreement, Pair
from probekit.attention.maps import PieceBatch, Texts, as_corpus
from probekit.attention.mixing import Mixing, TextMixing, encoder_layers, mix
from probekit.attention.norms import norm_maps
from probekit.attention.rollout import rollout
from probekit.attention.value_zeroing import value_zeroing
from probekit.data.corpus import Corpus
from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import Layer, Progress, silent
from probekit.models.attention import Attended, attend

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]
LEAST = 3
"""Other words that a word must have for its row to be ranked."""


def compare_maps(
    model: Model,
    corpus: Texts,
    methods: Sequence[str] = ("weights", "norms", "rollout", "value-zeroing"),
    *,
    sentences: int = 100,
    seed: int = 0,
    text_form: str | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> MapAgreement:
    """How alike maps of importance rank the other words, layer by layer, and how often they put a syntactic neighbour
    first.

    For each word the values that two methods give to its other words are compared by Spearman's correlation, ties
    at their mean rank, the word itself left out (it is large in most maps and would make all look alike); words that
    neither method gives anything (those behind, in a causal model) are left out too. Rows of fewer than three other
    words, and rows that are constant, are not ranked, and counted. Means over words, intervals over sentences.
    Where the corpus has trees: the share of words whose most important other word is their head or a dependent
    of theirs, beside the word before and the word behind as answers; words of upos PUNCT are not asked.

    "weights" is the mean of all heads; "norms" adds heads up first; "flow" (slow) has the last layer only. At most
    `sentences` are drawn with `seed`. Sources: Abnar & Zuidema 2020; Kobayashi et al. 2020; Mohebbi et al. 2023.

    Raises ConfigError (an unknown method, fewer than two), and what the methods raise.

    >>> found = pk.compare_maps(pk.load_model("demo:minilm"), "The keys rust in here.", ["weights", "rollout"])
    >>> [row.metric for row in found.rows][:1]
    ['spearman']
    """
    if isinstance(methods, str) or len(set(methods)) < max(2, len(methods)):
        raise ConfigError(f"give at least two methods, each once, of {', '.join(METHODS)}; got {methods!r}")
    for method in methods:
        if method not in METHODS:
            raise ConfigError(f"no map by {method!r}; {did_you_mean(str(method), METHODS)}")
    given = as_corpus(corpus)
    if len(given) > sentences:
        chosen = np.sort(np.random.default_rng([seed, 13]).choice(len(given), sentences, replace=False))
        given = Corpus(
            [given[int(i)] for i in chosen], given.name, given.files, given.licence, given.text_form
        )
    maps = {method: METHODS[method](model, given, text_form, progress) for method in methods}
    layers = encoder_layers(model)
    pairs = [
        _pair(maps[a], maps[b], layer)
        for number, a in enumerate(methods)
        for b in methods[number + 1 :]
        for layer in layers
        if layer in maps[a].layers and layer in maps[b].layers
    ]
    neighbours = _neighbours(given)
    answers = {
        (method, layer): _answers(found.texts, found.layers.index(layer), neighbours)
        for method, found in maps.items()
        for layer in found.layers
    }
    first = maps[methods[0]].texts
    fixed = {step: _fixed(first, step, neighbours) for step in (-1, 1)}
    return MapAgreement(
        tuple(pairs), answers, fixed, layers, tuple(methods), len(given), model.name, model.kind, given.name, seed,
        resamples,
    )  # fmt: skip


def mean_weights(model: Model, texts: Texts, text_form: str | None, progress: Progress) -> Mixing:
    """The mean of all heads' weights, as a map to compare with."""
    layers = encoder_layers(model)

    def compute(batch: PieceBatch) -> torch.Tensor:
        found: list[torch.Tensor] = []

        def keep(_layer: Layer, attended: Attended) -> None:
            found.append(attended.weights.float().mean(1, keepdim=True))

        attend(model, batch.ids, None, keep, layers)
        return torch.stack(found, 1)

    return mix(
        model, texts, compute, layers=layers, heads=("all",), kind="weights", method="attention weights",
        value_label="mean weight over heads", text_form=text_form, progress=progress,
    )  # fmt: skip


METHODS: dict[str, Callable[[Model, Texts, str | None, Progress], Mixing]] = {
    "weights": mean_weights,
    "norms": lambda m, t, form, p: norm_maps(m, t, together=True, text_form=form, progress=p),
    "rollout": lambda m, t, form, p: rollout(m, t, text_form=form, progress=p),
    "value-zeroing": lambda m, t, form, p: value_zeroing(m, t, text_form=form, progress=p),
    "flow": lambda m, t, form, p: attention_flow(m, t, text_form=form, progress=p),
}


def _pair(a: Mixing, b: Mixing, layer: Layer) -> Pair:
    """Correlation of each word's row, float64 ``[words]``, NaN where it is not ranked, and each word's sentence."""
    values, sentence = [], []
    for one, other in zip(a.texts, b.texts, strict=True):
        x, y = (t.maps[m.layers.index(layer), 0] for t, m in ((one, a), (other, b)))
        values.append(row_correlations(x, y))
        sentence.append(np.full(len(x), one.number))
    return Pair(a.kind, b.kind, layer, np.concatenate(values), np.concatenate(sentence))


def row_correlations(x: Array, y: Array) -> Array:
    """Spearman's correlation of each row of two maps ``[words, words]`` over the other words; NaN where not ranked.

    >>> x = np.array([[9.0, 1, 2, 3], [1, 9, 2, 3], [0, 0, 9, 0], [1, 2, 3, 9]])
    >>> row_correlations(x, x * 2).tolist()[:3]
    [1.0, 1.0, nan]
    """
    from scipy.stats import rankdata

    n = len(x)
    found = np.full(n, np.nan)
    for row in range(n):
        there = ~np.isnan(x[row]) & ~np.isnan(y[row]) & ((x[row] > 0) | (y[row] > 0))
        there[row] = False
        if there.sum() < LEAST:
            continue
        a, b = rankdata(x[row, there]), rankdata(y[row, there])
        a, b = a - a.mean(), b - b.mean()
        length = np.sqrt((a @ a) * (b @ b))
        if length > 0:
            found[row] = a @ b / length
    return found


def _neighbours(corpus: Corpus) -> list[tuple[Array, Array]]:
    """For each sentence which words are linked, bool ``[words, words]``, and which are asked, bool ``[words]``."""
    found = []
    for sentence in corpus:
        tree = read_tree(sentence)
        linked = np.zeros((len(sentence), len(sentence)), np.bool_)
        word = np.flatnonzero(tree.heads >= 0)
        linked[word, tree.heads[word]] = linked[tree.heads[word], word] = True
        found.append((linked, linked.any(axis=1) & ~tree.punctuation))
    return found


def _answers(
    texts: Sequence[TextMixing], layer: int, neighbours: Sequence[tuple[Array, Array]]
) -> tuple[Array, Array]:
    """Whether the most important other word of each word asked is linked with it, and the sentence of each."""
    right, sentence = [], []
    for one in texts:
        linked, asked = neighbours[one.number]
        values = np.nan_to_num(one.maps[layer, 0], nan=0.0)
        np.fill_diagonal(values, 0.0)
        word = _asked(one, asked)
        best = values[word].argmax(axis=1)
        right.append((linked[word, best] & (values[word, best] > 0)).astype(np.float64))
        sentence.append(np.full(len(word), one.number))
    return np.concatenate([np.zeros(0), *right]), np.concatenate([np.zeros(0, np.int64), *sentence])


def _fixed(
    texts: Sequence[TextMixing], step: int, neighbours: Sequence[tuple[Array, Array]]
) -> tuple[Array, Array]:
    """As `_answers`, for the word so many places on; outside the sentence is wrong."""
    right, sentence = [], []
    for one in texts:
        linked, asked = neighbours[one.number]
        word = _asked(one, asked)
        place = word + step
        inside = (place >= 0) & (place < len(asked))
        right.append((inside & linked[word, np.clip(place, 0, len(asked) - 1)]).astype(np.float64))
        sentence.append(np.full(len(word), one.number))
    return np.concatenate([np.zeros(0), *right]), np.concatenate([np.zeros(0, np.int64), *sentence])


def _asked(one: TextMixing, asked: Array) -> Array:
    """The words that are asked, were read, and have another word beside them."""
    found: Array = np.flatnonzero(asked & one.present) if one.present.sum() > 1 else np.zeros(0, np.int64)
    return found
