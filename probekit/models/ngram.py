"""An n-gram baseline: the pieces and rules of a model, and co-occurrence instead of its network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import ConfigError, DataError
from probekit.glossary import Progress, silent
from probekit.models.kneser_ney import Ngram
from probekit.models.model import Model
from probekit.models.scoring.asks import Answer, Ask
from probekit.models.scoring.pieces import BosRule, begin_piece
from probekit.models.scoring.queries import Queries, QueryList, read_asks

__all__ = ["Ngram", "NgramScorer", "fit_ngram", "read_sequences"]

TEXTS_AT_ONCE = 5_000


class NgramScorer:
    """Scores texts left to right with an n-gram model over the pieces of a model's tokenizer.

    The same spans, reasons to leave a text out and rule for the first piece (``bos``) hold as for a causal model; no
    text is too long. Beside a masked model this is still left to right, which ``rule`` says. Raises ConfigError where
    the n-gram model has another vocabulary.
    """

    kind = "n-gram"

    def __init__(self, model: Model, ngram: Ngram, *, bos: BosRule = "auto") -> None:
        if ngram.vocabulary != model.vocabulary:
            raise ConfigError(
                f"the n-gram model has {ngram.vocabulary:,} pieces and {model.name} {model.vocabulary:,}; fit it to "
                "this model's pieces (fit_ngram)"
            )
        self.model = model
        self.ngram = ngram
        self.skip_first = model.start_piece is None and begin_piece(model.tokenizer, bos) is None
        first = (
            "the first piece has no context and is not scored"
            if self.skip_first
            else "the first piece is scored as the beginning of a text"
        )
        self.rule = (
            f"{self.name} over the pieces of {model.name} (interpolated modified Kneser-Ney), left to right for every "
            f"kind of model: {first}; nothing scored after the last"
        )

    @property
    def name(self) -> str:
        """``unigram``, or the order: ``5-gram``."""
        return "unigram" if self.ngram.order == 1 else f"{self.ngram.order}-gram"

    def queries(self, groups: Sequence[Sequence[Ask]], *, shared_prefix_cancels: bool = False) -> Queries:
        """What will be looked up to score these groups; ``position`` is that of the piece itself."""
        asked = read_asks(
            self.model.tokenizer,
            groups,
            skip_first=self.skip_first,
            shared_prefix_cancels=shared_prefix_cancels,
        )
        found = QueryList(asked)
        for number, pieces in enumerate(asked.pieces):
            piece = asked.piece[number]
            if len(piece):
                ids = pieces.ids[: int(piece.max()) + 1].astype(np.int32)
                found.add(found.number(ids), piece, pieces.ids[piece], number, asked.span[number])
        return found.done()

    def logprobs(self, queries: Queries) -> NDArray[np.float64]:
        """The log-probability of every query, in nats."""
        start = np.cumsum([0, *map(len, queries.inputs)])
        values = np.concatenate([np.zeros(0), *self.ngram.logprob(queries.inputs)])
        return values[start[queries.input] + queries.position]

    def score(
        self,
        groups: Sequence[Sequence[Ask]],
        *,
        shared_prefix_cancels: bool = False,
        progress: Progress = silent,
    ) -> list[list[Answer]]:
        """An answer for every ask; see `Scorer`."""
        progress(f"scoring with the {self.name} model", 0, 1)
        queries = self.queries(groups, shared_prefix_cancels=shared_prefix_cancels)
        answers = queries.answers(self.logprobs(queries))
        progress(f"scoring with the {self.name} model", 1, 1)
        return answers


def fit_ngram(model: Model, texts: Sequence[str], order: int = 5, progress: Progress = silent) -> Ngram:
    """An n-gram model of texts over the pieces of a model: each text from its beginning, no end predicted.

    Raises DataError where the texts have no piece, ConfigError for an order other than 1 to 9.

    >>> model = pk.load_model("demo:minilm")
    >>> fit_ngram(model, ["The keys rust.", "The keys are here."], order=2)
    <Ngram of order 2 over 30,522 pieces: 6, 7 n-grams>
    """
    return Ngram.fit(
        read_sequences(model, texts, progress), order, vocabulary=model.vocabulary, progress=progress
    )


def read_sequences(
    model: Model, texts: Sequence[str], progress: Progress = silent
) -> list[NDArray[np.int32]]:
    """The pieces of every text without special ones, int32: what `Ngram.fit` counts, for models of several orders.

    Raises DataError where the texts are one text or are not valid Unicode.
    """
    if isinstance(texts, str):
        raise DataError("texts must be a list of texts, not one text; write [text]")
    backend: Any = model.tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    found: list[NDArray[np.int32]] = []
    for begin in range(0, len(texts), TEXTS_AT_ONCE):
        progress("reading text", begin, len(texts))
        chunk = list(texts[begin : begin + TEXTS_AT_ONCE])
        try:
            read = backend.encode_batch_fast(chunk, add_special_tokens=False)
        except (UnicodeEncodeError, TypeError):
            raise DataError(
                f"one of the texts {begin + 1} to {begin + len(chunk)} is not valid Unicode (half of a surrogate pair)"
                ", which no tokenizer can read; mend the text"
            ) from None
        found += [np.array(one.ids, dtype=np.int32) for one in read]
    progress("reading text", len(texts), len(texts))
    return found
