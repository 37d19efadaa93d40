"""Of every head and word: which other word it attends to most. Streamed; a number per head and word is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.attention.maps import PIECES_PER_BATCH, PieceBatch, read_pieces
from probekit.data.corpus import Corpus
from probekit.glossary import Layer, Progress, silent

if TYPE_CHECKING:
    from probekit.models.attention import Attended
    from probekit.models.model import Model

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class MostAttended:
    """Which word each word attends to most, for every head.

    ``word`` int16 [heads of all layers, words of the corpus]: its number in the sentence, -1 where a head gives no
    other word any weight; ``place`` [(layer, head)] names the heads; words of sentence i are
    ``word_start[i]:word_start[i + 1]``. ``present`` bool [words] is false for words the model did not read, which look
    at nothing and are looked at by none. ``ties`` counts, per head, the words with two most attended ones (the lower
    number is taken), ``silent`` those that attend to no other word.
    """

    word: Array
    place: tuple[tuple[Layer, int], ...]
    word_start: Array
    present: Array
    ties: Array
    silent: Array
    left_out: Counter[str]

    def of(self, sentence: Array, source: Array) -> Array:
        """int16 [heads, n]: what the words attend to most."""
        found: Array = self.word[:, self.word_start[sentence] + source]
        return found

    def is_present(self, sentence: Array, word: Array) -> Array:
        """bool [n]: whether the model read these words."""
        found: Array = self.present[self.word_start[sentence] + word]
        return found


def most_attended(
    model: Model,
    corpus: Corpus,
    layers: str | int | Iterable[int | str] = "all",
    *,
    text_form: str | None = None,
    pieces_per_batch: int = PIECES_PER_BATCH,
    progress: Progress = silent,
) -> MostAttended:
    """Read a corpus once and note, for every head, the other word that each word attends to most.

    Neither the word itself nor special pieces are candidates (Clark et al. 2019, section 4.2). Weights to the pieces of
    a word are added up, weights from them averaged. Raises as `read_maps`.

    >>> from probekit.attention.most_attended import most_attended
    >>> most_attended(pk.load_model("demo:minilm"), pk.generate_corpus(2, 1, 1), layers=[3]).word.shape[0]
    12
    """
    wanted = model.resolve_layers(layers, "heads")
    starts = np.concatenate([[0], np.cumsum([len(sentence) for sentence in corpus])]).astype(np.int64)
    n_words, heads = int(starts[-1]), model.n_heads
    word = np.full((len(wanted) * heads, n_words), -1, np.int16)
    present = np.zeros(n_words, bool)
    ties, silent_words = (np.zeros(len(wanted) * heads, np.int64) for _ in range(2))
    at_layer = {layer: number * heads for number, layer in enumerate(wanted)}
    batch_at: list[Any] = [
        None,
        None,
        None,
    ]  # the batch, where its words stand in the corpus, who is no candidate

    def visit(batch: PieceBatch, layer: Layer, attended: Attended) -> None:
        if batch_at[0] is not batch:
            rows, columns = np.nonzero(batch.present.cpu().numpy())
            flat = starts[batch.sentences.cpu().numpy()[rows]] + columns
            present[flat] = True
            own = torch.eye(batch.present.shape[1], dtype=torch.bool, device=batch.present.device)
            batch_at[:] = [
                batch,
                (torch.from_numpy(rows), torch.from_numpy(columns), flat),
                own | ~batch.present[:, None],
            ]
        rows, columns, flat = batch_at[1]
        weights = batch.to_words(attended.weights)
        weights.masked_fill_(batch_at[2][:, None], -1.0)
        most, index = weights.max(3)
        nothing = most <= 0  # a causal head has nothing to its left, or gives it no weight
        several = ((weights == most[..., None]).sum(3) > 1) & ~nothing
        index = torch.where(nothing, -1, _first(weights, most, index, several))
        first = at_layer[layer]
        word[first : first + heads, flat] = index.cpu()[rows, :, columns].T.numpy().astype(np.int16)
        ties[first : first + heads] += several.sum((0, 2)).cpu().numpy()
        silent_words[first : first + heads] += (nothing & batch.present[:, None]).sum((0, 2)).cpu().numpy()

    left_out = read_pieces(
        model,
        corpus,
        visit,
        wanted,
        text_form=text_form,
        pieces_per_batch=pieces_per_batch,
        progress=progress,
    )
    place = tuple((layer, head) for layer in wanted for head in range(heads))
    return MostAttended(word, place, starts, present, ties, silent_words, left_out)


def _first(
    weights: torch.Tensor, most: torch.Tensor, index: torch.Tensor, several: torch.Tensor
) -> torch.Tensor:
    """The lowest word number that has the most weight; torch's own choice among equals is no rule."""
    if not several.any():
        return index
    words = weights.shape[-1]
    numbers = torch.arange(words, device=weights.device)
    lowest = torch.where(weights == most[..., None], numbers, words).amin(3)
    return torch.where(several, lowest, index)
