"""Attention between words, streamed: what every analysis of this room reads.

Sentences are read in batches of one length, layer by layer. Of the pieces a word is split into, the weights *to* them
are added up and the weights *from* them are averaged (Clark et al. 2019), both as matrix products over a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from probekit.activations.batches import cut_batches, order_by_length
from probekit.activations.memory import TRIM_EVERY, return_memory
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError
from probekit.glossary import Layer, Progress, silent
from probekit.models.align import REASONS, Encoding, encode
from probekit.models.attention import attend, ready_to_attend

if TYPE_CHECKING:
    from probekit.models.attention import Attended
    from probekit.models.model import Model

STAGE = "attention (sentences)"
PIECES_PER_BATCH = 1024
"""Weights of one layer are at most heads x this x the longest sentence numbers."""

Texts: TypeAlias = Corpus | str | Sentence | Sequence[str | Sentence]


@dataclass(frozen=True, eq=False)
class PieceBatch:
    """Sentences of one number of pieces, and which pieces make up which word.

    ``ids`` int64 ``[batch, pieces]``, nothing padded; ``special`` bool ``[batch, pieces]``; ``sentences`` int64
    ``[batch]``, their numbers in the corpus; ``n_words`` int64 ``[batch]``; ``present`` bool ``[batch, words]``, false
    beyond a sentence's words and for words left out. ``member`` float ``[batch, words, pieces]`` has 1 where a piece
    belongs to a word that is there; a piece of several words is shared out equally in ``share``.
    """

    ids: torch.Tensor
    special: torch.Tensor
    sentences: torch.Tensor
    n_words: torch.Tensor
    present: torch.Tensor
    member: torch.Tensor

    @cached_property
    def share(self) -> torch.Tensor:
        """What of a piece's weight each word gets, ``[batch, words, pieces]``; columns add up to 1 or 0."""
        return self.member / self.member.sum(1, keepdim=True).clamp(min=1)

    @cached_property
    def mean(self) -> torch.Tensor:
        """What each piece counts in its word, ``[batch, words, pieces]``; rows add up to 1, or 0 where left out."""
        return self.member / self.member.sum(2, keepdim=True).clamp(min=1)

    def to_words(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps between pieces ``[batch, heads, pieces, pieces]`` as maps between words, float32.

        Added up over the pieces of the word looked at, averaged over those of the word that looks: ``[batch, heads,
        words, words]``, 0 where a word is left out.
        """
        return self.mean[:, None] @ self._behind_start(maps) @ self.share[:, None].transpose(2, 3)

    def to_special(self, maps: torch.Tensor) -> torch.Tensor:
        """What each word gives to special pieces, ``[batch, heads, words]``; a decoder's start piece is one."""
        pieces = self.ids.shape[1]
        given = (self._behind_start(maps) * self.special[:, None, None]).sum(3)
        if maps.shape[-1] > pieces:
            given += maps[..., -pieces:, :-pieces].float().sum(3)
        return (self.mean[:, None] @ given[..., None])[..., 0]

    def _behind_start(self, maps: torch.Tensor) -> torch.Tensor:
        pieces = self.ids.shape[1]
        return maps[..., -pieces:, -pieces:].float()


@dataclass(frozen=True, eq=False)
class WordMaps:
    """The attention of one layer between the words of a batch of sentences.

    ``weights`` ``[batch, heads, words, words]``, rows look; special pieces are left out and nothing is renormalised:
    ``special`` ``[batch, heads, words]`` is what went to them, and what both leave of 1 went to words left out and to
    bare spaces. Rows and columns beyond a sentence's ``n_words`` and of words left out are 0, and false in ``present``
    ``[batch, words]``. ``sentences`` are numbers in the corpus.
    """

    layer: Layer
    sentences: torch.Tensor
    weights: torch.Tensor
    special: torch.Tensor
    n_words: torch.Tensor
    present: torch.Tensor


def read_maps(
    model: Model,
    corpus: Texts,
    visit: Callable[[WordMaps], None],
    layers: str | int | Iterable[int | str] = "all",
    *,
    text_form: str | None = None,
    pieces_per_batch: int = PIECES_PER_BATCH,
    progress: Progress = silent,
) -> Counter[str]:
    """Hand `visit` the word-level attention of every sentence, batch by batch and layer by layer; nothing is kept.

    Gives back how many words were left out, by reason: ``"truncated"`` (beyond what the model reads), ``"no piece"``,
    ``"unknown piece"``. Edits in force are in force here. Source: Clark et al. 2019, section 4.1.

    Raises ModelError where the model gives no attention, ConfigError (layers, an option), DataError (no sentence).

    >>> seen = []
    >>> left_out = read_maps(pk.load_model("demo:minilm"), "The keys are here.", seen.append, layers=[1])
    >>> seen[0].weights.shape, left_out.total()
    (torch.Size([1, 12, 4, 4]), 0)
    """

    def pooled(batch: PieceBatch, layer: Layer, attended: Attended) -> None:
        weights = attended.weights
        visit(
            WordMaps(
                layer,
                batch.sentences,
                batch.to_words(weights),
                batch.to_special(weights),
                batch.n_words,
                batch.present,
            )
        )

    return read_pieces(
        model,
        corpus,
        pooled,
        layers,
        text_form=text_form,
        pieces_per_batch=pieces_per_batch,
        progress=progress,
    )


def read_pieces(
    model: Model,
    corpus: Texts,
    visit: Callable[[PieceBatch, Layer, Attended], None],
    layers: str | int | Iterable[int | str] = "all",
    *,
    text_form: str | None = None,
    pieces_per_batch: int = PIECES_PER_BATCH,
    progress: Progress = silent,
) -> Counter[str]:
    """Hand `visit` what every head did (`Attended`, between pieces) with the batch it was done in; else as `read_maps`.

    A decoder's start piece stands in front of the pieces of the batch: its maps have a row and a column more. A pass
    ends with the last layer asked for, so that no states come to their end.
    """
    found = as_corpus(corpus)
    encoding = _encode(model, found, text_form)
    read_batches(model, encoding, found, visit, layers, pieces_per_batch=pieces_per_batch, progress=progress)
    return left_out(encoding)


def read_batches(
    model: Model,
    encoding: Encoding,
    corpus: Corpus,
    visit: Callable[[PieceBatch, Layer, Attended], None],
    layers: str | int | Iterable[int | str] = "all",
    *,
    pieces_per_batch: int = PIECES_PER_BATCH,
    progress: Progress = silent,
) -> None:
    """As `read_pieces`, for a corpus whose pieces are known."""
    wanted = model.resolve_layers(layers, "heads")
    done = 0
    progress(STAGE, 0, len(corpus))
    with ready_to_attend(model):
        for count, batch in enumerate(piece_batches(model, encoding, corpus, pieces_per_batch)):
            if count % TRIM_EVERY == 0:
                return_memory()
            attend(model, batch.ids, None, partial(visit, batch), wanted, whole=False)
            done += len(batch.sentences)
            progress(STAGE, done, len(corpus))


def left_out(encoding: Encoding) -> Counter[str]:
    """How many words were left out, by reason."""
    counts = np.bincount(encoding.word_reason, minlength=len(REASONS)).tolist()
    return Counter({reason: n for reason, n in zip(REASONS, counts, strict=True) if reason and n})


def as_corpus(texts: Texts) -> Corpus:
    """A corpus as it is; of one text or several, a corpus whose words are what white space separates.

    Raises DataError where there is no text or something else.

    >>> [sentence.words for sentence in as_corpus(["Keys rust.", "Dogs bark."])]
    [('Keys', 'rust.'), ('Dogs', 'bark.')]
    """
    if isinstance(texts, Corpus):
        found = texts
    else:
        given = [texts] if isinstance(texts, str | Sentence) else list(texts)
        for number, one in enumerate(given, start=1):
            if not isinstance(one, str | Sentence):
                raise DataError(f"text {number} must be a string or a Sentence; got {type(one).__name__}")
        found = Corpus(
            [
                Sentence.from_text(str(number), one) if isinstance(one, str) else one
                for number, one in enumerate(given, start=1)
            ],
            name="texts",
        )
    if not len(found):
        raise DataError("there is no text; give at least one sentence")
    return found


def piece_batches(
    model: Model, encoding: Encoding, corpus: Corpus, pieces_per_batch: int = PIECES_PER_BATCH
) -> Iterator[PieceBatch]:
    """Batches of one length, longest first; sentences of which no word is left are not read."""
    if pieces_per_batch < 1:
        raise ConfigError(f"pieces_per_batch must be at least 1, not {pieces_per_batch}")
    kept = encoding.word_reason == 0
    used = np.unique(encoding.word_input[kept])
    lengths = np.diff(encoding.input_start)
    inputs = used[order_by_length(lengths[used])]
    words = np.flatnonzero(kept)
    words = words[np.argsort(encoding.word_input[words], kind="stable")]
    begins = np.searchsorted(encoding.word_input[words], np.arange(len(lengths) + 1))
    n_words = np.array([len(sentence) for sentence in corpus])
    for start, stop in cut_batches(lengths[inputs], pieces_per_batch) if len(inputs) else []:
        chosen = inputs[start:stop]
        pieces = int(lengths[chosen[0]])
        places = encoding.input_start[chosen][:, None] + np.arange(pieces)
        own = np.concatenate([words[begins[one] : begins[one + 1]] for one in chosen])
        row = np.repeat(np.arange(len(chosen)), begins[chosen + 1] - begins[chosen])
        sentences = encoding.input_sentence[chosen].astype(np.int64)
        width = int(n_words[sentences].max())
        number = encoding.word_index[own]
        present = np.zeros((len(chosen), width), np.bool_)
        present[row, number] = True
        sizes = (encoding.word_stop - encoding.word_first)[own]
        piece = np.arange(sizes.sum()) + np.repeat(
            encoding.word_first[own] - (np.cumsum(sizes) - sizes), sizes
        )
        member = np.zeros((len(chosen), width, pieces), np.float32)
        member[np.repeat(row, sizes), np.repeat(number, sizes), piece] = 1.0

        def tensor(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> torch.Tensor:
            return torch.from_numpy(array).to(model.device)

        yield PieceBatch(
            ids=tensor(encoding.piece_ids[places].astype(np.int64)),
            special=tensor(encoding.special[places]),
            sentences=tensor(sentences),
            n_words=tensor(n_words[sentences]),
            present=tensor(present),
            member=tensor(member),
        )


def _encode(model: Model, corpus: Corpus, text_form: str | None) -> Encoding:
    return encode(model, corpus.sentences, text_form=text_form or corpus.text_form)  # type: ignore[arg-type]
