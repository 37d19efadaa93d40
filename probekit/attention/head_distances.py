"""How unlike two heads look at the same text: Jensen-Shannon divergence between every two, averaged over pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.attention.counted import split_of
from probekit.attention.head_plane import HeadDistances, find_clusters
from probekit.attention.maps import PIECES_PER_BATCH, PieceBatch, Texts, as_corpus, left_out, read_batches
from probekit.attention.twins import twins_of
from probekit.errors import ConfigError, DataError
from probekit.glossary import Layer, Progress, silent
from probekit.maths.scaling import scale_to_plane
from probekit.models.align import encode

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.models.attention import Attended
    from probekit.models.model import Model

Array = NDArray[Any]

CLUSTERS = 4000
"""Sums per sentence, or per run of neighbouring sentences of a larger corpus, are kept for so many at most."""
CELLS = 8_000_000
"""Weights of all heads held at once, 32 MB: of a batch of long sentences fewer pieces are taken."""
CHUNK = 1_000_000


def head_distances(
    model: Model,
    corpus: Texts,
    layers: str | int | Iterable[int | str] = "all",
    *,
    pieces: int = 5000,
    clusters: int | None = None,
    twins: int | Sequence[Model] = 0,
    text_form: str | None = None,
    pieces_per_batch: int = PIECES_PER_BATCH,
    resamples: int = 1000,
    permutations: int = 9999,
    seed: int = 0,
    progress: Progress = silent,
) -> HeadDistances:
    """How unlike any two heads of some layers look at the same pieces, as a table, a plane, and clusters.

    The distance of two heads is the Jensen-Shannon divergence (bits, 0 to 1) of the rows of weights of an ordinary
    piece, special pieces among what is looked at, averaged over about `pieces` pieces drawn evenly from the corpus. The
    plane is metric multidimensional scaling, its stress printed; clusters are those of average linkage, `clusters` of
    them or, of 2 to 10, as many as have the best silhouette with two clusters of several heads at least.
    Are heads of one layer alike? The mean distance between layers less that within, with an interval over sentences,
    and p by dealing the heads out to layers anew; the same for random `twins` (how many, or models).

    Source: Clark et al. 2019, section 6.

    Raises ModelError where the model gives no attention, ConfigError (layers, an option, fewer than three heads),
    DataError (no text, no word).

    >>> found = pk.head_distances(pk.load_model("demo:minilm"), pk.generate_corpus(20, 5, 5), pieces=200)
    >>> found.distance.shape, found.plane.shape
    ((72, 72), (72, 2))
    """
    if pieces < 1 or permutations < 1:
        raise ConfigError(f"pieces and permutations must be at least 1; got {pieces} and {permutations}")
    texts = as_corpus(corpus)
    wanted = model.resolve_layers(layers, "heads")
    options = _Options(text_form, pieces_per_batch, pieces, seed, progress)
    sums, left = _read(model, texts, wanted, options)
    n_heads = len(sums.pairs) // len(wanted)
    if len(sums.pairs) < 3:
        raise ConfigError(
            f"{len(sums.pairs)} heads make no plane; ask for layers with three heads or more together"
        )
    if clusters is not None and not 1 < clusters < len(sums.pairs):
        raise ConfigError(f"{len(sums.pairs)} heads make 2 to {len(sums.pairs) - 1} clusters, not {clusters}")
    distance = sums.pairs / sums.n_pieces
    layer_of = np.repeat(np.arange(len(wanted)), n_heads)
    codes, silhouette = find_clusters(distance, clusters)
    others = twins_of(model, twins)
    return HeadDistances(
        layers=wanted,
        distance=distance,
        plane=scale_to_plane(distance),
        layer_of=layer_of,
        cluster_of=codes,
        silhouette=silhouette,
        sums=sums.layers,
        twins=tuple(_read(twin, texts, wanted, options)[0].layers for twin in others),
        twin_seeds=tuple(-1 if twin.seed is None else twin.seed for twin in others),
        n_pieces=sums.n_pieces,
        left_out=left,
        resamples=resamples,
        permutations=permutations,
        seed=seed,
        model=model.name,
        model_kind=model.kind,
        corpus=texts.name,
        split=split_of(texts),
        n_sentences=len(texts),
    )


class _Options(NamedTuple):
    text_form: str | None
    pieces_per_batch: int
    pieces: int
    seed: int
    progress: Progress


class _Sums(NamedTuple):
    """``pairs`` float64 ``[heads, heads]`` over all pieces taken. ``layers`` float64 ``[clusters, 3]``: mean distance
    of heads of one layer and of two, added up over the pieces of each cluster of sentences, and how many pieces."""

    pairs: Array
    layers: Array
    n_pieces: int


class _Reader:
    """Holds the rows taken of one batch until its last layer has come by, then compares them."""

    def __init__(self, layers: tuple[Layer, ...], n_sentences: int, share: float, seed: int) -> None:
        self.layers, self.n_sentences, self.share = layers, n_sentences, share
        self.rng = np.random.default_rng([seed, 5])
        self.pairs = torch.zeros(0)
        self.sums = np.zeros((min(n_sentences, CLUSTERS), 3))
        self.n_pieces = 0
        self.held: list[torch.Tensor] = []
        self.rows = torch.zeros(0)

    def __call__(self, batch: PieceBatch, layer: Layer, attended: Attended) -> None:
        weights = attended.weights
        if layer == self.layers[0]:
            self.held, self.rows = [], self._draw(batch, weights.shape[1] * len(self.layers))
        if len(self.rows):
            start = weights.shape[2] - batch.ids.shape[1]
            taken = weights[self.rows[:, 0], :, self.rows[:, 1] + start].float()
            self.held.append(taken if start else torch.nn.functional.pad(taken, (1, 0)))
            if layer == self.layers[-1]:
                self._compare(batch)

    def _draw(self, batch: PieceBatch, heads: int) -> torch.Tensor:
        """Which pieces of the batch are taken, int64 ``[rows, 2]``: sentence and piece."""
        looks = torch.nonzero(~batch.special)
        most = max(1, CELLS // (heads * (batch.ids.shape[1] + 1)))
        count = min(int(self.rng.binomial(len(looks), self.share)), most)
        drawn = np.sort(self.rng.choice(len(looks), count, replace=False))
        return looks[torch.from_numpy(drawn).to(looks.device)]

    def _compare(self, batch: PieceBatch) -> None:
        rows = torch.cat(self.held, 1)
        self.held = []
        count, heads, _ = rows.shape
        if not len(self.pairs):
            self.pairs = rows.new_zeros((heads, heads), dtype=torch.float64)
        own = rows.new_zeros((count, 2))
        layer_of = torch.arange(heads, device=rows.device) // (heads // len(self.layers))
        entropy = torch.special.entr(rows).sum(2)
        step = max(1, CHUNK // (heads * rows.shape[2]))
        for begin in range(0, count, step):
            part, alone = rows[begin : begin + step], entropy[begin : begin + step]
            for head in range(heads - 1):
                both = torch.special.entr((part[:, head : head + 1] + part[:, head + 1 :]) / 2).sum(2)
                apart = (both - (alone[:, head : head + 1] + alone[:, head + 1 :]) / 2).clamp(min=0) / np.log(
                    2
                )
                self.pairs[head, head + 1 :] += apart.double().sum(0)
                same = layer_of[head + 1 :] == layer_of[head]
                own[begin : begin + step, 0] += apart[:, same].sum(1)
                own[begin : begin + step, 1] += apart[:, ~same].sum(1)
        sentence = batch.sentences[self.rows[:, 0]].cpu().numpy()
        cluster = sentence * len(self.sums) // self.n_sentences
        np.add.at(self.sums, cluster, np.concatenate([own.cpu().double().numpy(), np.ones((count, 1))], 1))
        self.n_pieces += count


def _read(
    model: Model, corpus: Corpus, layers: tuple[Layer, ...], options: _Options
) -> tuple[_Sums, dict[str, int]]:
    encoding = encode(model, corpus.sentences, text_form=options.text_form or corpus.text_form)  # type: ignore[arg-type]
    there = int((~encoding.special).sum())
    if not (encoding.word_reason == 0).any():
        raise DataError(
            f"corpus {corpus.name!r} has no word that {model.name} reads; nothing looks at anything"
        )
    reader = _Reader(layers, len(corpus), min(1.0, options.pieces / there), options.seed)
    read_batches(
        model, encoding, corpus, reader, layers,
        pieces_per_batch=options.pieces_per_batch, progress=options.progress,
    )  # fmt: skip
    if not reader.n_pieces:
        raise DataError(f"of {there:,} pieces none was drawn; ask for more than {options.pieces} pieces")
    pairs = reader.pairs.cpu().numpy()
    heads, own = len(pairs), len(pairs) // len(layers)
    within, between = (
        len(layers) * own * (own - 1) / 2,
        (heads * (heads - 1) - len(layers) * own * (own - 1)) / 2,
    )
    sums = reader.sums[reader.sums[:, 2] > 0] / np.array([max(within, 1.0), max(between, 1.0), 1.0])
    return _Sums(pairs + pairs.T, sums, reader.n_pieces), dict(left_out(encoding))
