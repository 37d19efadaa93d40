"""What the one-sentence-a-line formats of text classification share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from probekit.data.corpus import Corpus
from probekit.data.lines import Paths, common_name, expand, read_lines, split_of, stem
from probekit.data.sentence import Sentence
from probekit.errors import DataError

Parse = Callable[[str], tuple[str, Mapping[str, str]] | None]
"""A line -> its text and attributes, or None where the line is not of the format."""


def read_labelled_lines(
    paths: Paths,
    parse: Parse,
    form: str,
    *,
    split: str | None = None,
    special: dict[str, str] | None = None,
    encodings: Sequence[str] = ("utf-8",),
    name: str = "",
    licence: str = "",
) -> Corpus:
    """A sentence per line, as `parse` takes it apart; DataError with file:line and `form` where it cannot.

    `special` says what parts of a file's name mean for the split, before the common words do.
    """
    files = expand(paths)
    sentences = []
    for path in files:
        for number, line in enumerate(read_lines(path, encodings), 1):
            parsed = parse(line)
            if parsed is None:
                raise DataError(f"{path}:{number}: {form} expected, got {line[:60]!r}")
            text, attributes = parsed
            sentences.append(
                Sentence.from_text(
                    f"{stem(path)}-{number}",
                    text,
                    attributes=attributes,
                    split=split_of(path, split, special=special),
                    place=f"{path}:{number}",
                )
            )
    return Corpus(sentences, name or common_name(files), [p.name for p in files], licence)
