"""CoNLL-U, the ten-column format of Universal Dependencies."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from probekit.data.corpus import Corpus
from probekit.data.lines import Paths, common_name, expand, read_lines, split_of, stem
from probekit.data.sentence import MISSING, Sentence, spans_inside
from probekit.errors import DataError

COLUMNS = ("lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")

_SURFACE_COMMENTS = {"sent_id", "text", "newdoc id", "newpar id", "newdoc", "newpar", "global.columns"}


def read_conllu(paths: Paths, *, split: str | None = None, name: str = "", licence: str = "") -> Corpus:
    """Sentences of one or more CoNLL-U files (paths or globs); splits come from the file names unless given.

    Words keep all eight annotation columns. The words of a multiword token share its span in the text, unless they
    spell it (do + n't): then each has its own letters. Empty nodes
    are skipped. ``# text`` is the running text and must be made up of the words (spaces of any kind between or
    inside them are ignored); without it the words are joined as SpaceAfter says. Other ``# key = value`` comments
    become attributes; a missing ``sent_id`` is made from the file's name and the sentence's number.

    Raises DataError with file:line. Format: https://universaldependencies.org/format.html

    >>> pk.write_conllu(pk.generate_corpus(3, 0, 0), "mini-train.conllu")
    >>> read_conllu("mini-train.conllu").sizes
    {'train': 3}
    """
    files = expand(paths)
    sentences: list[Sentence] = []
    for path in files:
        found = list(_read_file(path, split_of(path, split)))
        if not found:
            raise DataError(f"{path}: comments and no sentence")
        sentences += found
    return Corpus(sentences, name or common_name(files), [p.name for p in files], licence)


def _read_file(path: Path, split: str) -> Iterator[Sentence]:
    document, n_documents, number = "", 0, 0
    for line, block in _blocks(read_lines(path)):
        comments, rows = {}, []
        for at, text in enumerate(block, line):
            if text.startswith("#"):
                key, equals, value = text[1:].partition("=")
                comments[key.strip()] = value.strip() if equals else ""
            else:
                rows.append((at, text))
        if "newdoc" in comments or "newdoc id" in comments:
            n_documents += 1
            document = comments.get("newdoc id", "") or f"{stem(path)}-document-{n_documents}"
        if not rows and not {"sent_id", "text"} & comments.keys():
            continue
        number += 1
        yield _sentence(path, line, rows, comments, number, split, document)


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines between blank lines, each with the number of its first line."""
    block: list[str] = []
    for number, line in enumerate(lines, 1):
        if line and not line.isspace():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []
    if block:
        yield len(lines) - len(block) + 1, block


def _sentence(
    path: Path,
    line: int,
    numbered: list[tuple[int, str]],
    comments: dict[str, str],
    number: int,
    split: str,
    document: str,
) -> Sentence:
    words: list[list[str]] = []
    at_line: list[int] = []
    surface: list[tuple[str, int, int, str]] = []  # form, first word, word after its last, misc
    stop = 0  # words below this number stand inside a multiword token
    for at, text in numbered:
        row = text.split("\t")
        if len(row) != 10:
            raise DataError(
                f"{path}:{at}: {len(row)} tab-separated columns where CoNLL-U has 10: {text[:60]!r}"
            )
        index = row[0]
        if index.isdecimal():
            if index != str(len(words) + 1):
                raise DataError(f"{path}:{at}: word number {index} where {len(words) + 1} was expected")
            if not row[1]:
                raise DataError(f"{path}:{at}: word {index} has no form")
            if len(words) >= stop:
                surface.append((row[1], len(words), len(words) + 1, row[9]))
            words.append(row)
            at_line.append(at)
        elif "-" in index:
            first, last = _range(index, len(words) + 1, f"{path}:{at}")
            if first <= stop:
                raise DataError(f"{path}:{at}: multiword token {index} overlaps the one before it")
            surface.append((row[1], first - 1, last, row[9]))
            stop = last
        elif not index.replace(".", "", 1).isdecimal():
            raise DataError(
                f"{path}:{at}: {index!r} is not a word number, a range (3-4) or an empty node (3.1)"
            )
    if stop > len(words):
        raise DataError(
            f"{path}:{line}: a multiword token reaches to word {stop}, but there are {len(words)} words"
        )
    place = f"{path}:{line}"
    id = comments.get("sent_id") or f"{stem(path)}-{number}"
    if comments.get("text"):
        text, spans = comments["text"], _locate(comments["text"], surface, place)
    else:
        text, spans = _join(surface)
    offsets = [(0, 0)] * len(words)
    for (_, begin, end, _), span in zip(surface, spans, strict=True):
        offsets[begin:end] = spans_inside(text, span, [row[1] for row in words[begin:end]])
    columns = {}
    if words:
        _, forms, *values = (tuple(map(sys.intern, column)) for column in zip(*words, strict=True))
        columns = dict(zip(COLUMNS, values, strict=True))
        _check_heads(columns["head"], path, at_line)
    else:
        forms = ()
    attributes = {key: value for key, value in comments.items() if value and key not in _SURFACE_COMMENTS}
    return Sentence(id, forms, text, tuple(offsets), columns, attributes, split, document, place)


def _range(index: str, expected: int, place: str) -> tuple[int, int]:
    first, _, last = index.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) == expected and int(first) <= int(last)):
        raise DataError(
            f"{place}: multiword token {index!r} where one that begins at {expected} was expected"
        )
    return int(first), int(last)


def _check_heads(heads: tuple[str, ...], path: Path, at_line: list[int]) -> None:
    known = {str(n) for n in range(len(heads) + 1)} | {MISSING}
    if known.issuperset(heads):
        return
    word = next(i for i, head in enumerate(heads) if head not in known)
    raise DataError(
        f"{path}:{at_line[word]}: head {heads[word]!r} of word {word + 1} is not a number from 0 to {len(heads)}"
    )


def _locate(text: str, surface: list[tuple[str, int, int, str]], place: str) -> list[tuple[int, int]]:
    """Spans of the surface forms in the text, in order; whitespace between and inside forms is free."""
    spans, position, end = [], 0, len(text)
    for form, first, _, _ in surface:
        while position < end and text[position].isspace():
            position += 1
        start = position
        if text.startswith(form, start):
            position = start + len(form)
        else:
            position = _match_loosely(text, start, form)
            if position < 0:
                raise DataError(
                    f"{place}: word {first + 1} ({form!r}) is not what '# text' has at character {start + 1}"
                    f" ({text[start : start + len(form) + 8]!r}); mend the comment or delete it"
                )
        spans.append((start, position))
    if text[position:].strip():
        raise DataError(f"{place}: '# text' goes on after the last word: {text[position : position + 30]!r}")
    return spans


def _match_loosely(text: str, position: int, form: str) -> int:
    """Where `form` ends in `text`, if they agree but for whitespace; else -1."""
    for character in form:
        if character.isspace():
            continue
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text) or text[position] != character:
            return -1
        position += 1
    return position


def _join(surface: list[tuple[str, int, int, str]]) -> tuple[str, list[tuple[int, int]]]:
    parts: list[str] = []
    spans, position = [], 0
    for number, (form, _, _, misc) in enumerate(surface, 1):
        spans.append((position, position + len(form)))
        space = "" if "SpaceAfter=No" in misc.split("|") or number == len(surface) else " "
        parts.append(form + space)
        position += len(form) + len(space)
    return "".join(parts), spans
