"""One vector per word: what the input layer of a model holds, or the average of a word's occurrences in a corpus."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.data.sentence import Sentence
from probekit.errors import ConfigError, DataError, ModelError
from probekit.geometry.occurrences import about_of, layers_of
from probekit.geometry.stored import check_whole
from probekit.glossary import Layer
from probekit.models.align import encode
from probekit.results.measurement import About

if TYPE_CHECKING:
    from probekit.activations.activations import Activations
    from probekit.models.model import Model

Array = NDArray[Any]

CARRIER = "the"
"""Words are read behind this one: at the beginning of a text some tokenizers give a word other pieces."""


@dataclass(frozen=True, eq=False, repr=False)
class WordVectors:
    """Vectors float32[words, dim] of words that are all different; ``lower``: words are in lower case.

    ``how`` says in words what the vectors are; ``layer`` is theirs, "" for the input embeddings. ``why_not``: why a
    word that is asked for has none.
    """

    words: tuple[str, ...]
    vectors: Array
    how: str
    why_not: str
    layer: Layer = ""
    lower: bool = False
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.words):
            raise DataError(f"{len(self.words)} words and vectors of shape {self.vectors.shape}")
        if len(set(self.words)) < len(self.words):
            raise DataError("a word has two vectors; give each one")
        if not np.isfinite(self.vectors).all():
            raise DataError("some vectors hold NaN or infinity")

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        return f"<WordVectors: {len(self):,} words of {self.vectors.shape[1]}, {self.how}>"

    def place(self, word: str) -> int | None:
        """The row of a word, None where it has none."""
        return self._places.get(word.lower() if self.lower else word)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}


def static_vectors(model: Model) -> WordVectors:
    """The input embeddings of the vocabulary's whole words: pieces that are one word of letters and are read as such.

    A word is what the piece spells; it counts if a text with that word (behind another) is cut into this piece and no
    other. In lower case where the tokenizer does not tell capitals apart. Raises ModelError where the model has no
    input embedding.

    >>> vectors = static_vectors(pk.load_model("demo:minilm"))
    >>> vectors.place("Athens") is not None, vectors.place("unbelievability") is None
    (True, True)
    """
    tokenizer = model.tokenizer
    spelt = tokenizer.batch_decode([[i] for i in range(min(model.vocabulary, len(tokenizer)))])
    words = list(dict.fromkeys(word for text in spelt if (word := text.strip()).isalpha()))
    sentences = [Sentence.from_words(str(i), [CARRIER, word]) for i, word in enumerate(words)]
    form = "surface"
    encoding = encode(model, sentences, text_form=form)  # type: ignore[arg-type]
    second = encoding.word_index == 1
    first, stop = encoding.word_first[second], encoding.word_stop[second]
    good = (stop - first == 1) & (encoding.word_reason[second] == 0)
    start = encoding.input_start[encoding.word_input[second][good]]
    pieces = encoding.piece_ids[start + first[good]]
    kept: dict[int, str] = {}
    for place, piece in zip(np.flatnonzero(good).tolist(), pieces.tolist(), strict=True):
        kept.setdefault(piece, words[place])
    embed: Any = model.module.get_input_embeddings()
    if embed is None:
        raise ModelError(f"{model.name} has no input embedding of pieces")
    weights = embed.weight.detach().float().cpu().numpy()
    lower = _folds_case(model)
    names = [word.lower() if lower else word for word in kept.values()]
    first_of = {name: i for i, name in reversed(list(enumerate(names)))}
    rows = np.array(list(kept))[sorted(first_of.values())]
    return WordVectors(
        tuple(names[i] for i in sorted(first_of.values())), weights[rows], "static input embeddings of whole words",
        "more than one piece or not in the vocabulary", lower=lower,
        about=About(model=model.name, model_kind=model.kind, question="analogies"),
    )  # fmt: skip


def average_vectors(
    acts: Activations, layer: int | str, *, minimum: int = 5, lower: bool = True
) -> WordVectors:
    """The average of a word's vectors over a corpus, for words of letters that occur at least `minimum` times.

    `lower` counts "The" and "the" as one word. Raises ConfigError (rows that are no words, a layer), DataError (no
    word is that frequent).

    >>> acts = pk.extract(pk.load_model("demo:minilm"), pk.generate_corpus(20, 5, 5), layers=[3])
    >>> average_vectors(acts, 3).vectors.shape[1]
    384
    """
    check_whole(0, minimum=minimum)
    (name,) = layers_of(acts, layer)
    corpus = acts.corpus
    if corpus is None or acts.recipe["unit"] != "word" or minimum < 1:
        raise ConfigError("averages need one row per word, their corpus, and minimum from 1 on")
    places = zip(acts.index.sentence.tolist(), acts.index.number.tolist(), strict=True)
    forms = [corpus.sentences[s].words[w] for s, w in places]
    codes: dict[str, int] = {}
    code = np.array(
        [codes.setdefault(f.lower() if lower else f, len(codes)) if f.isalpha() else -1 for f in forms]
    )
    counts = np.bincount(code[code >= 0], minlength=len(codes))
    frequent = np.flatnonzero(counts >= minimum)
    if not len(frequent):
        raise DataError(f"no word of letters occurs {minimum} times in {corpus.name!r}; lower `minimum`")
    slot = np.full(len(codes) + 1, -1)  # the last one for words that are not counted
    slot[frequent] = np.arange(len(frequent))
    sums = np.zeros((len(frequent), acts.dim))
    start = 0
    for block in acts.iter_rows(name):
        own = slot[code[start : start + len(block)]]
        start += len(block)
        np.add.at(sums, own[own >= 0], block[own >= 0])
    words = tuple(np.array(list(codes), dtype=object)[frequent])
    return WordVectors(
        words, (sums / counts[frequent, None]).astype(np.float32),
        f"averages over the occurrences in {corpus.name or 'a corpus'}, words of {minimum} or more",
        f"fewer than {minimum} occurrences in the corpus", layer=name, lower=lower, about=about_of(acts, "analogies"),
    )  # fmt: skip


def _folds_case(model: Model) -> bool:
    """Whether the tokenizer gives a word with a capital the pieces of the word without."""
    pair = [Sentence.from_words(str(i), [CARRIER, word]) for i, word in enumerate(("House", "house"))]
    found = encode(model, pair)
    start = found.input_start
    halves: Iterable[Array] = (found.piece_ids[start[i] : start[i + 1]] for i in range(2))
    one, other = (half.tolist() for half in halves)
    return bool(one == other)
