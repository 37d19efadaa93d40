"""How a classifier's answer moves when a word of the text is left out: all of them asked in one call."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from probekit.data.sentence import Sentence
from probekit.erasure.importance import Importance, TextImportance
from probekit.erasure.versions import Version, without_word
from probekit.erasure.word_importance import NO_LETTER, NOTHING_LEFT, READ
from probekit.experiment.fitted import Example, Fitted

Variant = tuple[int, int, Example, int]
"""Number of the part (0, or 1 of a pair), number of the word, the example without it, the place asked about then."""


def leave_words_out(
    fitted: Fitted, example: Example, code: int, place: int = 0, most: int = 64
) -> Importance:
    """The answer with every word minus that without it, for the words of an example (both texts of a pair).

    `code` is the class whose probability is meant (0 for numbers), `place` the word whose label it is where words are
    labelled; that word itself stays. After `most` words of a text the rest stays too.
    """
    sentences = parts(fitted, example)
    why = [_reasons(fitted, sentence, place, most) for sentence in sentences]
    variants = list(_variants(fitted, sentences, example, why, place))
    asked = [example, *(variant for _, _, variant, _ in variants)]
    values = fitted.ask(asked, [place, *(at for *_, at in variants)])[:, code]
    after = [np.full(len(sentence), np.nan) for sentence in sentences]
    for (part, word, _, _), value in zip(variants, values[1:], strict=True):
        after[part][word] = value
    numeric = fitted.classes is None
    return Importance(
        texts=tuple(
            TextImportance.erased(sentence, float(values[0]), after[part], why[part])
            for part, sentence in enumerate(sentences)
        ),
        how="the text read without it",
        prediction="number predicted" if fitted.classes is None else f"probability of {fitted.classes[code]}",
        unit="what is predicted" if numeric else "probability",
        model=fitted.model_name,
    )


def parts(fitted: Fitted, example: Example) -> list[Sentence]:
    """The texts of an example, with their words."""
    if fitted.unit == "word":
        return [Sentence.from_words("text", example)]
    texts = [example] if isinstance(example, str) else list(example)
    names = ["text"] if len(texts) == 1 else ["first", "second"]
    return [Sentence.from_text(name, text) for name, text in zip(names, texts, strict=True)]


def _reasons(fitted: Fitted, sentence: Sentence, place: int, most: int) -> list[str]:
    """Why each word stays; "" for those that are left out."""
    found = []
    for word, (start, stop) in enumerate(sentence.offsets):
        if fitted.unit == "word" and word == place:
            found.append(READ)
        elif start == stop:
            found.append(NO_LETTER)
        elif len(sentence) == 1:
            found.append(NOTHING_LEFT)
        else:
            found.append("" if word < most else f"only the first {most} words are left out")
    return found


def _variants(
    fitted: Fitted, sentences: list[Sentence], example: Example, why: list[list[str]], place: int
) -> Iterator[Variant]:
    for part, sentence in enumerate(sentences):
        version = Version(part, sentence.text, sentence.offsets)
        for word in (number for number, reason in enumerate(why[part]) if not reason):
            if fitted.unit == "word":
                kept = sentence.words[:word] + sentence.words[word + 1 :]
                yield part, word, kept, place - (word < place)
                continue
            text = without_word(version, word).text
            if fitted.unit == "pair":
                yield part, word, (text, example[1]) if part == 0 else (example[0], text), 0
            else:
                yield part, word, text, 0
