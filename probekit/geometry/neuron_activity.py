"""What every unit of a site does over running text: how much, how often, at which words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probekit.errors import ConfigError
from probekit.geometry.activity import NeuronActivity, UnitStatistics
from probekit.geometry.word_stream import Texts, WordStream, stream_words
from probekit.glossary import Progress, silent
from probekit.maths.column_statistics import ColumnStatistics
from probekit.maths.top_rows import TopRows
from probekit.models.twins import random_twins

if TYPE_CHECKING:
    from probekit.models.model import Model


def neuron_activity(
    model: Model,
    texts: Texts,
    layers: str | int | Iterable[int | str] = "all",
    site: str = "mlp",
    *,
    twins: int | Sequence[Model] = 1,
    top: int = 10,
    pool: str = "mean",
    text_form: str | None = None,
    pieces_per_batch: int | None = None,
    progress: Progress = silent,
) -> NeuronActivity:
    """Mean, spread, extremes and quantiles of every unit over a corpus, and the words at which it is highest.

    A unit is *on* at a word where its activation is above 0; for ReLU and GELU that is where its input is. It is *dead*
    if it is on at no word of the corpus, *always on* if it is on at every one (Voita, Ferrando & Nalmpantis 2023,
    "Neurons in large language models: dead, n-gram, positional"); both are counted beside `twins` (random twins: a
    number, or models). The corpus is read once per model, batch by batch; what is kept grows with units alone.

    Parameters
    ----------
    texts : a corpus, a text, or a list of texts (words between white space)
    site : "mlp" (units of the feed-forward part after their activation), or any other site (see the glossary)
    top : how many words are kept per unit, each from another sentence (sentences of equal text count as one)
    pool : the activation of a word made from those of its pieces: mean, first, last, max

    Raises ConfigError (layer, site, option), DataError (no word to read), ModelError (NaN or infinity in the model).

    >>> found = pk.neuron_activity(pk.load_model("demo:minilm"), pk.generate_corpus(20, 5, 5), [1, 2])
    >>> found.units().shape[0] == 2 * 1536, len(found.top(2, 17))
    (True, 10)
    """
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise ConfigError(f"top must be a whole number above 0: how many words to keep per unit; got {top!r}")
    stream = stream_words(
        model, texts, layers, site, pool=pool, text_form=text_form, pieces_per_batch=pieces_per_batch
    )
    others = as_twins(model, twins)
    start = np.concatenate([[0], np.cumsum([len(one) for one in stream.corpus])]).astype(np.int64)
    known: dict[str, int] = {}
    text = np.array([known.setdefault(one.text, len(known)) for one in stream.corpus], np.int64)
    seen = {layer: ColumnStatistics(stream.dim) for layer in stream.layers}
    best = {layer: TopRows(stream.dim, top) for layer in stream.layers}
    for words in stream.read(progress):
        seen[words.layer].add(words.values)
        best[words.layer].add(words.values, text[words.sentence], start[words.sentence] + words.word)
    return NeuronActivity(
        corpus=stream.corpus,
        layers=stream.layers,
        statistics={layer: UnitStatistics.of(one) for layer, one in seen.items()},
        best={layer: (one.value, one.tag) for layer, one in best.items()},
        start=start,
        twins=tuple(_without_words(stream.of(twin), progress) for twin in others),
        n_words=stream.n_words,
        left_out=dict(stream.left_out),
        model=model.name,
        model_kind=model.kind,
        site=site,
        pool=pool,
        seeds=tuple(int(twin.seed) for twin in others if twin.seed is not None),
    )


def as_twins(model: Model, twins: int | Sequence[Model]) -> list[Model]:
    """Random twins, drawn where a number was given. Raises ConfigError."""
    if isinstance(twins, int) and not isinstance(twins, bool):
        if twins < 0:
            raise ConfigError(f"twins must be a number of random twins from 0 on, or models; got {twins}")
        return random_twins(model, twins) if twins else []
    given: list[Any] = list(twins) if isinstance(twins, Sequence) else [twins]
    for twin in given:
        if not hasattr(twin, "states"):
            raise ConfigError(
                f"twins must be a number of random twins from 0 on, or models; got {type(twin).__name__}"
            )
    return given


def _without_words(stream: WordStream, progress: Progress) -> dict[str, UnitStatistics]:
    """The statistics of a twin; which words drive it is of no interest."""
    seen = {layer: ColumnStatistics(stream.dim, sketch=False) for layer in stream.layers}
    for words in stream.read(progress):
        seen[words.layer].add(words.values)
    return {layer: UnitStatistics.of(one) for layer, one in seen.items()}
