"""The scorer for a model, by what its head is; and the log-probability of every piece of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError
from probekit.models.head import load_head
from probekit.models.model import Model
from probekit.models.scoring.base import ModelScorer
from probekit.models.scoring.causal import CausalScorer
from probekit.models.scoring.masked import MaskedScorer, Pll
from probekit.models.scoring.pieces import BosRule
from probekit.models.scoring.seq2seq import Seq2SeqScorer


@dataclass(frozen=True, eq=False)
class PieceScores:
    """The pieces of one text without special ones: ids, ``spans`` of characters ``[pieces, 2]``, numbers of their
    words, and log-probabilities in nats, NaN where a piece is not scored (unknown, without context, too long a text).
    """

    pieces: tuple[int, ...]
    spans: NDArray[np.int64]
    words: NDArray[np.int64]
    logprob: NDArray[np.float64]


def make_scorer(
    model: Model,
    *,
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    pieces_per_batch: int | None = None,
) -> ModelScorer:
    """The scorer for a language model: surprisals, in bits, of spans of texts.

    A causal model scores left to right. ``bos`` says whether a piece stands in front of the text: ``with`` (the
    first piece is scored given it), ``without`` (the first piece is not scored), or ``auto``: with, where the
    tokenizer has one. A masked model gives pseudo-log-likelihoods, ``pll`` says which: ``original`` (Salazar et al.
    2020) or ``within_word_l2r`` (Kauf & Ivanova 2023). An encoder-decoder scores with its decoder, given the source.
    ``pieces_per_batch`` bounds the size of a batch.

    Raises ModelError where the model has no language-model head, and ConfigError on an option.

    >>> scorer = make_scorer(pk.load_model("gpt2"))                         # doctest: +SKIP
    >>> scorer.rule                                                         # doctest: +SKIP
    'left to right, <|endoftext|> in front: the first piece is scored given it; ...'
    """
    kind = load_head(model).kind
    if kind != "causal" and bos != "auto":
        raise ConfigError(f"bos={bos!r} is for causal models; {model.name} is {kind}, so leave it out")
    if kind == "causal":
        return CausalScorer(model, bos, pieces_per_batch)
    if kind == "masked":
        return MaskedScorer(model, pll, pieces_per_batch)
    return Seq2SeqScorer(model, pieces_per_batch)


def score_pieces(
    model: Model,
    texts: Sequence[str],
    *,
    sources: Sequence[str] | None = None,
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    pieces_per_batch: int | None = None,
) -> list[PieceScores]:
    """The log-probability of every piece of every text, in nats, by the rules of `make_scorer`.

    ``sources`` are what the encoder of an encoder-decoder reads, one for each text.

    >>> scores = score_pieces(pk.load_model("gpt2"), ["The keys are here."])    # doctest: +SKIP
    >>> scores[0].logprob.shape                                                 # doctest: +SKIP
    (5,)
    """
    if isinstance(texts, str):
        raise ConfigError("texts must be a list of texts, not one text; write [text]")
    if sources is not None and len(sources) != len(texts):
        raise ConfigError(f"{len(sources)} sources for {len(texts)} texts; give one for each")
    scorer = make_scorer(model, bos=bos, pll=pll, pieces_per_batch=pieces_per_batch)
    queries = scorer.ask_pieces(texts, [""] * len(texts) if sources is None else sources)
    logprob = scorer.logprobs(queries)
    found = [np.full(len(pieces), np.nan) for pieces in queries.asked.pieces]
    for ask, piece, value in zip(queries.ask, queries.span, logprob, strict=True):
        found[ask][piece] = value
    scores = []
    for pieces, values in zip(queries.asked.pieces, found, strict=True):
        own = ~pieces.special
        ids = tuple(int(piece) for piece in pieces.ids[own])
        scores.append(PieceScores(ids, pieces.spans[own], pieces.words[own], values[own]))
    return scores
