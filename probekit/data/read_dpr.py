"""Definite pronoun resolution: sentences with a pronoun and two names for what it may stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from probekit.data.corpus import Corpus
from probekit.data.lines import Paths, expand, read_lines, split_of, stem
from probekit.data.sentence import Sentence
from probekit.errors import DataError

_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
BLOCK = "sentence / pronoun / two candidates with a comma between / the right one"


def read_dpr(paths: Paths, *, split: str | None = None, name: str = "dpr", licence: str = "") -> Corpus:
    """Pairs of sentences that differ in a few words and thereby in what their pronoun stands for.

    Blocks of four lines (sentence, pronoun, two candidates, the right one) and an empty one. Sentences have the
    attributes ``pronoun``, ``answer`` and ``other``: numbers of words, from 1, of the pronoun, the right candidate and
    the wrong one. Where a pronoun stands twice or is a phrase, or a candidate stands nowhere, the sentence has
    ``unclear`` instead, which says why. Two sentences in a row that share their candidates are one document: intervals
    may resample them together (`attribute_links`). Rahman and Ng 2012, Resolving complex cases of definite pronouns,
    EMNLP.

    Raises DataError with file:line.

    >>> _ = Path("test.c.txt").write_text("Ann thanked Sue because she helped.\\nshe\\nAnn,Sue\\nSue\\n")
    >>> corpus = pk.read_dpr("test.c.txt")
    >>> corpus[0].attributes["pronoun"], corpus[0].attributes["answer"], corpus.sizes
    ('5', '3', {'test': 1})
    """
    files = expand(paths)
    sentences: list[Sentence] = []
    for path in files:
        where = split_of(path, split)
        before: frozenset[str] = frozenset()
        document = ""
        for number, (line, (text, pronoun, candidates, answer)) in enumerate(_blocks(path), 1):
            named = [part.strip() for part in candidates.split(",")]
            if len(named) != 2 or answer.strip() not in named:
                raise DataError(
                    f"{path}:{line + 2}: two candidates, one of them the answer {answer.strip()!r}, expected; "
                    f"got {candidates!r}"
                )
            same = frozenset(named)
            if same != before:
                before, document = same, f"{stem(path)}-{number}"
            else:
                before = frozenset()  # the pair is full
            other = named[1 - named.index(answer.strip())]
            spans = tuple(match.span() for match in _WORD.finditer(text))
            attributes = _numbered(text, spans, pronoun.strip(), answer.strip(), other)
            words = tuple(text[begin:end] for begin, end in spans)
            place = f"{path}:{line}"
            sentences.append(
                Sentence(f"{stem(path)}-{number}", words, text, spans, {}, attributes, where, document, place)
            )
    return Corpus(sentences, name, [path.name for path in files], licence)


def _blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(number of the first line, four lines) of every block."""
    lines = read_lines(path)
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        block = lines[at : at + 4]
        if len(block) < 4 or not all(line.strip() for line in block):
            raise DataError(f"{path}:{at + 1}: a block of four lines expected ({BLOCK}); got {len(block)}")
        if at + 4 < len(lines) and lines[at + 4].strip():
            raise DataError(f"{path}:{at + 5}: an empty line expected after four lines ({BLOCK})")
        yield at + 1, block
        at += 5


def _numbered(
    text: str, spans: tuple[tuple[int, int], ...], pronoun: str, answer: str, other: str
) -> dict[str, str]:
    """The attributes of a sentence, or why they are unclear."""
    found: dict[str, str] = {}
    for name, part in (("pronoun", pronoun), ("answer", answer), ("other", other)):
        matches = [m.span() for m in re.finditer(rf"(?<!\w){re.escape(part)}(?!\w)", text)]
        if not matches:
            return {"unclear": f"{part!r} does not stand in the sentence"}
        if name == "pronoun" and len(matches) > 1:
            return {"unclear": f"{part!r} stands in the sentence {len(matches)} times"}
        if name == "pronoun" and _WORD.fullmatch(part) is None:
            return {"unclear": f"{part!r} is more than one word"}
        words = [
            number
            for number, (begin, end) in enumerate(spans, 1)
            if any(begin < stop and end > start for start, stop in matches)
        ]
        found[name] = " ".join(map(str, words))
    if found["pronoun"] in found["answer"].split() + found["other"].split():
        return {"unclear": f"the pronoun {pronoun!r} is part of a candidate"}
    return found
