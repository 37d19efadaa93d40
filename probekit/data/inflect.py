"""Forms of English nouns, verbs and adjectives: given ones first, the rest by rule."""

from __future__ import annotations

import re

_SIBILANT = re.compile(r"(s|x|z|ch|sh)$")
_CONSONANT_Y = re.compile(r"[^aeiou]y$")


def inflect(word: str, paradigm: str) -> tuple[str, ...]:
    """All forms of ``"lemma/form/form"``, where an empty or missing slot follows the rule.

    noun: plural; verb: third person, past, past participle, -ing; more, most: comparative, superlative; others have
    the one form. Doubled consonants are no rule here and must be given.

    >>> inflect("carry", "verb"), inflect("child/children", "noun")
    (('carry', 'carries', 'carried', 'carried', 'carrying'), ('child', 'children'))
    """
    lemma, *given = word.split("/")
    if paradigm == "noun":
        regular = [with_s(lemma)]
    elif paradigm == "verb":
        past = given[1] if len(given) > 1 and given[1] else with_ed(lemma)
        regular = [with_s(lemma), past, past, with_ing(lemma)]
    else:
        regular = given
    given += [""] * (len(regular) - len(given))
    return (lemma, *(form or rule for form, rule in zip(given, regular, strict=True)))


def with_s(lemma: str) -> str:
    """Plural of a noun, third person of a verb."""
    if _CONSONANT_Y.search(lemma):
        return lemma[:-1] + "ies"
    return lemma + ("es" if _SIBILANT.search(lemma) else "s")


def with_ed(lemma: str) -> str:
    """Past tense of a regular verb."""
    if _CONSONANT_Y.search(lemma):
        return lemma[:-1] + "ied"
    return lemma + ("d" if lemma.endswith("e") else "ed")


def with_ing(lemma: str) -> str:
    """The -ing form."""
    return (lemma[:-1] if re.search(r"[^eo]e$", lemma) else lemma) + "ing"
