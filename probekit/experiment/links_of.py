"""Links between words that the attributes of sentences number, such as verb and subject; a place may be moved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from probekit.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from probekit.attention.links import Links
    from probekit.data.corpus import Corpus
    from probekit.data.sentence import Sentence


def links_of(corpus: Corpus, name: str, places: Sequence[str]) -> Links:
    """A link in every sentence from the first place to the second: attributes that hold word numbers from 1, or such
    a place moved by words ("target-1" is the word before the target).

    A sentence in which a place is missing, is no word or in which both are one word has no link. Raises DataError for
    an attribute that no sentence has, and where no link is left.

    >>> from probekit.experiment.links_of import links_of
    >>> corpus = pk.generate_agreement(6, 2, 2, constructions=["simple"])
    >>> len(links_of(corpus, "verb to subject", ["target", "subject"]))
    10
    """
    from probekit.attention.links import Links

    for place in places:
        attribute = re.split(r"[+-]", place)[0]
        if attribute not in corpus.attributes:
            hint = did_you_mean(attribute, corpus.attributes)
            raise DataError(
                f"link {name!r}: sentences of {corpus.name!r} have no attribute {attribute!r}; {hint}"
            )
    found = []
    for number, sentence in enumerate(corpus):
        source, target = (_word(sentence, place) for place in places)
        if source is not None and target is not None and source != target:
            found.append((number, source, [target]))
    if not found:
        raise DataError(
            f"link {name!r}: no sentence of {corpus.name!r} has both {' and '.join(places)} apart"
        )
    return Links.of(name, "", found)


def _word(sentence: Sentence, place: str) -> int | None:
    """The number of a word, from 0; None where the sentence has none there."""
    attribute, sign, moved = re.fullmatch(r"(\w+?)(?:([+-])(\d+))?", place).groups()  # type: ignore[union-attr]
    text = sentence.attributes.get(attribute, "")
    if not (text.isascii() and text.isdigit()):
        return None
    word = int(text) - 1 + (int(moved) * (1 if sign == "+" else -1) if moved else 0)
    return word if 0 <= word < len(sentence) else None
