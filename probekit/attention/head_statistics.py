"""What every head looks at, over a whole corpus: entropy, kinds of pieces, neighbours, distance, confidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.attention.counted import split_of
from probekit.attention.head_table import METRICS, HeadStatistics
from probekit.attention.maps import PIECES_PER_BATCH, PieceBatch, Texts, as_corpus, left_out, read_batches
from probekit.attention.targets import (
    KINDS,
    OFFSETS,
    Targets,
    find_punctuation,
    find_targets,
    visible_in,
    with_start,
)
from probekit.attention.twins import twins_of
from probekit.errors import DataError
from probekit.glossary import Layer, Progress, silent
from probekit.maths.resampling import cluster_bootstrap
from probekit.models.align import encode

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.models.attention import Attended
    from probekit.models.model import Model

Array = NDArray[Any]

CLUSTERS = 4000
"""Sums are kept for so many clusters at most: sentences, or of a larger corpus runs of neighbouring sentences."""
CELLS = 12_000_000
"""And there are at most so many sums: 100 MB."""

CHANNELS = (*KINDS, "far", "ordinary", "entropy", "confidence")
COUNTED = (*KINDS, "looks")
PARTS = {
    "entropy": ("entropy", "looks"),
    "to_special": ("special", "special"),
    "to_punctuation": ("punctuation", "punctuation"),
    "to_previous": ("offset=-1", "offset=-1"),
    "to_self": ("offset=0", "offset=0"),
    "to_next": ("offset=1", "offset=1"),
    "to_same_word": ("same_word", "same_word"),
    "to_same_type": ("same_type", "same_type"),
    "distance": ("far", ""),
    "confidence": ("confidence", "looks"),
}
"""Every statistic is a sum divided by a count of pieces; the distance is divided by the weight that it is of."""


def head_statistics(
    model: Model,
    corpus: Texts,
    layers: str | int | Iterable[int | str] = "all",
    *,
    twins: int | Sequence[Model] = 0,
    text_form: str | None = None,
    pieces_per_batch: int = PIECES_PER_BATCH,
    resamples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> HeadStatistics:
    """What every head of some layers looks at, averaged over the ordinary pieces of a corpus, with intervals.

    Special pieces are looked at, but do not count as looking. A weight to something is averaged over the pieces that
    have such a thing to look at, so that a score of 1 is possible; the same numbers of attention spread evenly over all
    that is visible stand beside it (control "uniform"), and those of random `twins` (how many, or models).

    entropy
        Of a row of weights, in bits.
    to_special, to_punctuation, to_previous, to_self, to_next
        Weight given to special pieces, to pieces made of punctuation, to the piece before, itself, and the piece after.
    to_same_word, to_same_type
        Weight given to other pieces of the same word; to the same piece at other places of the sentence.
    distance
        How many pieces away the weight given to ordinary pieces goes.
    confidence
        The largest weight given to an ordinary piece.

    Sentences are read batch by batch and only sums are kept, so memory does not grow with the corpus. Intervals
    resample sentences. Sources: Clark et al. 2019, section 3; Voita et al. 2019, section 4 (confidence).

    Raises ModelError where the model gives no attention, ConfigError (layers, an option), DataError (no text, no word).

    >>> found = pk.head_statistics(pk.load_model("demo:minilm"), pk.generate_corpus(20, 5, 5), layers=[1, 6])
    >>> found.value("to_special").shape
    (2, 12)
    """
    texts = as_corpus(corpus)
    wanted = model.resolve_layers(layers, "heads")
    controls = twins_of(model, twins)
    options = _Options(text_form, pieces_per_batch, progress)
    sums, left = _read(model, texts, wanted, options)
    profile = _profile(sums)
    value, low, high, n = _bounds(sums, resamples, seed)
    heads = value.shape[1] - 1
    return HeadStatistics(
        layers=wanted,
        values=value[:, :heads],
        low=low[:, :heads],
        high=high[:, :heads],
        uniform=value[:, heads],
        twins=_twin_values(model, controls, texts, wanted, options, value[:, :heads].shape),
        twin_seeds=tuple(-1 if twin.seed is None else twin.seed for twin in controls),
        n=n,
        profile=profile[:, :heads],
        profile_uniform=profile[:, heads],
        offsets=OFFSETS,
        n_sentences=sums.n_sentences,
        n_clusters=len(sums.sums),
        left_out=left,
        resamples=resamples,
        model=model.name,
        model_kind=model.kind,
        corpus=texts.name,
        split=split_of(texts),
    )


class _Options(NamedTuple):
    text_form: str | None
    pieces_per_batch: int
    progress: Progress


class _Sums(NamedTuple):
    """Sums of every cluster, float64 ``[clusters, layers, heads + 1, channels]`` (the last head looks evenly at all),
    and how many pieces each is of, ``[clusters, layers, kinds]``."""

    sums: Array
    counts: Array
    n_sentences: int


class _Reader:
    """Adds up what it is shown; made anew for every model and corpus."""

    def __init__(self, layers: tuple[Layer, ...], n_sentences: int, punctuation: torch.Tensor) -> None:
        self.number = {layer: at for at, layer in enumerate(layers)}
        self.n_sentences, self.punctuation = n_sentences, punctuation
        self.read = 0
        self.sums = self.counts = torch.zeros(0)
        self.before: tuple[PieceBatch, torch.Tensor, Targets] | None = None

    def __call__(self, batch: PieceBatch, layer: Layer, attended: Attended) -> None:
        weights, at = attended.weights.float(), self.number[layer]
        if not len(self.sums):
            self._begin(weights)
        targets = self._targets(batch, weights, attended.visible)
        cluster = batch.sentences * len(self.sums) // self.n_sentences
        both = torch.cat([weights, targets.even.expand(len(weights), -1, -1, -1)], 1)
        self.sums[:, at].index_add_(0, cluster, _channels(both, targets).double())
        counts = torch.cat([targets.rows, targets.looks.sum(1, keepdim=True)], 1)
        self.counts[:, at].index_add_(0, cluster, counts.double())
        self.read += len(batch.sentences) * (at == 0)

    def _begin(self, weights: torch.Tensor) -> None:
        layers, heads = len(self.number), weights.shape[1] + 1
        clusters = min(self.n_sentences, CLUSTERS, max(2, CELLS // (layers * heads * len(CHANNELS))))
        self.sums = weights.new_zeros((clusters, layers, heads, len(CHANNELS)), dtype=torch.float64)
        self.counts = weights.new_zeros((clusters, layers, len(COUNTED)), dtype=torch.float64)

    def _targets(self, batch: PieceBatch, weights: torch.Tensor, visible: torch.Tensor | None) -> Targets:
        """The targets of a batch, made once where its layers see the same."""
        visible = visible_in(weights) if visible is None else visible
        if self.before is not None and self.before[0] is batch and torch.equal(self.before[1], visible):
            return self.before[2]
        read = with_start(batch) if weights.shape[-1] > batch.ids.shape[1] else batch
        self.before = (batch, visible, find_targets(read, visible, self.punctuation))
        return self.before[2]


def _read(
    model: Model, corpus: Corpus, layers: tuple[Layer, ...], options: _Options
) -> tuple[_Sums, dict[str, int]]:
    encoding = encode(model, corpus.sentences, text_form=options.text_form or corpus.text_form)  # type: ignore[arg-type]
    if not (encoding.word_reason == 0).any():
        raise DataError(
            f"corpus {corpus.name!r} has no word that {model.name} reads; nothing looks at anything"
        )
    punctuation = find_punctuation(model, np.unique(encoding.piece_ids).tolist())
    reader = _Reader(layers, len(corpus), punctuation)
    read_batches(
        model,
        encoding,
        corpus,
        reader,
        layers,
        pieces_per_batch=options.pieces_per_batch,
        progress=options.progress,
    )
    return _Sums(reader.sums.cpu().numpy(), reader.counts.cpu().numpy(), reader.read), dict(
        left_out(encoding)
    )


def _channels(weights: torch.Tensor, targets: Targets) -> torch.Tensor:
    """The sums of every sentence and head, ``[batch, heads, channels]``."""
    linear = torch.cat([targets.kind, targets.far[:, None], targets.ordinary[:, None]], 1)
    sums = weights.flatten(2) @ linear.flatten(2).transpose(1, 2)
    looks = targets.looks[:, None].to(weights.dtype)
    entropy = (torch.special.entr(weights).sum(3) * looks).sum(2) / np.log(2)
    largest = ((weights * looks[:, :, None]).amax(3) * looks).sum(2)
    return torch.cat([sums, entropy[..., None], largest[..., None]], 2)


def _bounds(sums: _Sums, resamples: int, seed: int) -> tuple[Array, Array, Array, Array]:
    """Values and bounds, float64 ``[layers, heads + 1, metrics]``, and over how many pieces, ``[layers, metrics]``."""
    _, layers, heads, _ = sums.sums.shape
    found = np.full((3, layers, heads, len(METRICS)), np.nan)
    n = np.zeros((layers, len(METRICS)), np.int64)

    def ratio(both: Array) -> Array:
        top, bottom = both[..., :heads], both[..., heads:]
        with np.errstate(divide="ignore", invalid="ignore"):
            share: Array = np.where(bottom > 0, top / bottom, np.nan)
        return share

    read = sums.counts[:, 0, -1] > 0  # a cluster of sentences none of which was read is no cluster
    for layer in range(layers):
        for at, metric in enumerate(METRICS):
            channel, counted = PARTS[metric]
            top = sums.sums[read, layer, :, CHANNELS.index(channel)]
            if counted:
                count = sums.counts[read, layer, COUNTED.index(counted)]
                n[layer, at] = round(count.sum())
                bottom = np.repeat(count[:, None], heads, 1)
            else:
                n[layer, at] = round(sums.counts[read, layer, COUNTED.index("looks")].sum())
                bottom = sums.sums[read, layer, :, CHANNELS.index("ordinary")]
            found[:, layer, :, at] = cluster_bootstrap(
                np.concatenate([top, bottom], 1), ratio, resamples=resamples, seed=seed
            )
    return found[0], found[1], found[2], n


def _profile(sums: _Sums) -> Array:
    """Weight by distance, float64 ``[layers, heads + 1, offsets]``; NaN where no piece may look there."""
    total, count = sums.sums.sum(0), sums.counts.sum(0)
    at = slice(KINDS.index(f"offset={OFFSETS[0]}"), len(KINDS))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = np.where(count[:, None, at] > 0, total[:, :, at] / count[:, None, at], np.nan)
    return found


def _twin_values(
    model: Model,
    twins: Sequence[Model],
    corpus: Corpus,
    layers: tuple[Layer, ...],
    options: _Options,
    shape: tuple[int, ...],
) -> Array:
    """float64 ``[twins, layers, heads, metrics]``."""
    found = np.zeros((len(twins), *shape))
    for number, twin in enumerate(twins):
        found[number] = _bounds(_read(twin, corpus, layers, options)[0], 2, 0)[0][:, :-1]
    return found
