"""Texts and their versions without one of their words: where every word and the place of a prediction then stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import DataError

Span = tuple[int, int]
GONE: Span = (0, 0)


@dataclass(frozen=True)
class Version:
    """A text as given or without a word. ``origin`` is the number of the text it was made of.

    ``words`` are the characters of each of its words (`GONE` for the one left out), ``place`` those that a prediction
    is about, None where it is about the whole text.
    """

    origin: int
    text: str
    words: tuple[Span, ...]
    place: Span | None = None


def as_sentences(texts: str | Sentence | Sequence[str | Sentence] | Corpus) -> list[Sentence]:
    """Sentences of what a user may give: one text, several, sentences with words of their own, or a corpus.

    Words of a plain text are what white space separates. Raises DataError where there is none.
    """
    given = [texts] if isinstance(texts, str | Sentence) else list(texts)
    if not given:
        raise DataError("there is no text; give at least one")
    found = []
    for number, one in enumerate(given, start=1):
        if not isinstance(one, str | Sentence):
            raise DataError(f"text {number} must be a string or a Sentence; got {type(one).__name__}")
        found.append(Sentence.from_text(str(number), one) if isinstance(one, str) else one)
    return found


def without_word(version: Version, word: int) -> Version:
    """The text without one word and the white space in front of it (behind it, for a word that begins the text).

    >>> kept = without_word(Version(0, "The old cat, too", ((0, 3), (4, 7), (8, 11))), 1)
    >>> kept.text, kept.words
    ('The cat, too', ((0, 3), (0, 0), (4, 7)))
    """
    start, stop = version.words[word]
    text = version.text
    while start and text[start - 1].isspace():
        start -= 1
    if not start:
        start = 0
        while stop < len(text) and text[stop].isspace():
            stop += 1

    def moved(at: int) -> int:
        return at if at <= start else max(start, at - (stop - start))

    spans = tuple(GONE if i == word else (moved(a), moved(b)) for i, (a, b) in enumerate(version.words))
    place = None if version.place is None else (moved(version.place[0]), moved(version.place[1]))
    return Version(version.origin, text[:start] + text[stop:], spans, place)


def erasable(version: Version) -> list[int]:
    """The words of a version that may be left out: all with characters that the place does not touch."""
    return [
        number
        for number, (start, stop) in enumerate(version.words)
        if start < stop and not touches((start, stop), version.place)
    ]


def touches(word: Span, place: Span | None) -> bool:
    """Whether a word shares characters with the place of a prediction.

    >>> touches((4, 7), (4, 4)), touches((4, 7), (5, 6)), touches((4, 7), None)
    (False, True, False)
    """
    return place is not None and word[0] < place[1] and place[0] < word[1]


def deletions(versions: Sequence[Version]) -> Iterator[tuple[int, int, Version]]:
    """Every version without each of its erasable words: number of the text, number of the word, version."""
    for number, version in enumerate(versions):
        for word in erasable(version):
            yield number, word, without_word(version, word)
