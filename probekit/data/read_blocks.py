"""Pronouns to resolve, in blocks of four lines: sentence, pronoun, candidates, answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from probekit.data.formula import parse_formula
from probekit.data.lines import Paths, common_name, expand, read_lines, stem
from probekit.data.suite import Condition, Item, Prediction, Suite
from probekit.errors import DataError

PARTIAL = parse_formula("(3;%bad%) > (3;%good%)")
REGIONS = ("before", "candidate", "after")

POSSESSIVE = {"his", "its", "their", "her"}
DETERMINERS = {
    "the",
    "a",
    "an",
    "this",
    "that",
    "these",
    "those",
    "my",
    "your",
    "his",
    "her",
    "its",
    "our",
    "their",
}
AFTER_OBJECT = {
    "to",
    "for",
    "with",
    "at",
    "in",
    "on",
    "by",
    "from",
    "and",
    "or",
    "but",
    "because",
    "so",
    "when",
}


def read_blocks(paths: Paths, *, name: str = "") -> Suite:
    """The candidates of a pronoun put in its place; what is scored is the text *after* the candidate.

    The right candidate must make the rest of the sentence less surprising than a wrong one does: (3;%bad%) >
    (3;%good%). So the length and frequency of the candidates themselves do not count, and a causal model, which
    reads a candidate before it reads what decides, is asked the same as a masked one (the "partial" score of Trinh
    and Le 2018, "A simple method for commonsense reasoning", arXiv 1806.02847). The pronoun is its first occurrence
    after the candidates are mentioned; his, its, their (and her before a noun) become the candidate with 's; "The"
    within a sentence becomes "the". Blocks that follow each other with the same candidates are one cluster; a block
    with n candidates gives n - 1 items.
    Rahman and Ng 2012, "Resolving complex cases of definite pronouns", EMNLP. Raises DataError with file:line.
    """
    files = expand(paths)
    items: list[Item] = []
    for path in files:
        cluster = ""
        before: list[str] = []
        for number, (line, block) in enumerate(_blocks(path), 1):
            sentence, pronoun, listed, answer = (part.strip() for part in block)
            candidates = [part.strip() for part in listed.split(",")]
            right = [c for c in candidates if c.lower() == answer.lower()]
            if len(right) != 1 or len(candidates) < 2:
                raise DataError(f"{path}:{line + 3}: the answer {answer!r} is not one of {listed!r}")
            start, end = _slot(sentence, pronoun, candidates, f"{path}:{line}")
            if sorted(candidates) != before:
                cluster = f"{stem(path)}-{number}"
            before = sorted(candidates)
            wrong = [c for c in candidates if c != right[0]]
            for k, other in enumerate(wrong, 1):
                conditions = tuple(
                    _filled(which, sentence, start, end, candidate)
                    for which, candidate in (("good", right[0]), ("bad", other))
                )
                identifier = f"{stem(path)}-{number}" + (f"-{k}" if len(wrong) > 1 else "")
                groups = {"pronoun": pronoun.lower()}
                items.append(Item(identifier, conditions, cluster, groups, f"{path}:{line}"))
    prediction = Prediction("right candidate over wrong", PARTIAL)
    return Suite(name or common_name(files), tuple(items), (prediction,), "regions", REGIONS)


def _blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, four lines) of each block; blank lines stand between blocks."""
    block: list[str] = []
    for number, line in enumerate([*read_lines(path), ""], 1):
        if line.strip():
            block.append(line)
        elif block:
            if len(block) != 4:
                raise DataError(
                    f"{path}:{number - len(block)}: a block has four lines (sentence, pronoun, candidates, answer)"
                    f" and a blank one after it; this one has {len(block)}"
                )
            yield number - 4, block
            block = []


def _slot(sentence: str, pronoun: str, candidates: list[str], place: str) -> tuple[int, int]:
    found = [m.span() for m in re.finditer(rf"(?<!\w){re.escape(pronoun)}(?!\w)", sentence, re.IGNORECASE)]
    if not found:
        raise DataError(f"{place}: the pronoun {pronoun!r} does not stand in the sentence {sentence[:60]!r}")
    lower = sentence.lower()
    mentioned = max(lower.find(c.lower()) + len(c) for c in candidates)
    return next((span for span in found if span[0] >= mentioned), found[-1])


def _filled(name: str, sentence: str, start: int, end: int, candidate: str) -> Condition:
    before, pronoun, after = sentence[:start], sentence[start:end].lower(), sentence[end:]
    follows = re.match(r"\s+(\w+)", after)
    if pronoun in POSSESSIVE and follows and follows[1].lower() not in AFTER_OBJECT:
        candidate += "'" if candidate.endswith("s") else "'s"
    first, space, rest = candidate.partition(" ")
    if before.strip() and first.lower() in DETERMINERS:
        candidate = first.lower() + space + rest
    elif not before.strip():
        candidate = candidate[:1].upper() + candidate[1:]
    return Condition.of_slot(name, before, candidate, after)
