"""A corpus as a CoNLL-U file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from probekit.data.corpus import Corpus
from probekit.data.read_conllu import COLUMNS
from probekit.data.sentence import MISSING, Sentence
from probekit.errors import DataError
from probekit.results.files import write_bytes


def write_conllu(corpus: Corpus, path: str | Path) -> None:
    """Write the corpus as CoNLL-U; `read_conllu` gives back the same words, texts, offsets and columns.

    Words that share a span become a multiword token. The format has no splits: write one file per split, named for
    it. Raises DataError for an id, text or attribute with a line break, which the format cannot hold.

    >>> corpus = pk.generate_corpus(3, 0, 0)
    >>> write_conllu(corpus, "copy-train.conllu")
    >>> pk.read_conllu("copy-train.conllu").hash == corpus.hash
    True
    """
    lines = list(conllu_lines(corpus))
    for line in lines:
        if "\n" in line:
            raise DataError(f"CoNLL-U cannot hold a line break: {line[:60]!r}")
    write_bytes(Path(path), "".join(f"{line}\n" for line in lines).encode())


def conllu_lines(corpus: Corpus) -> Iterator[str]:
    """The lines of the corpus in CoNLL-U, without line ends."""
    document = ""
    for sentence in corpus:
        if sentence.document != document:
            document = sentence.document
            yield f"# newdoc id = {document}"
        yield f"# sent_id = {sentence.id}"
        yield f"# text = {sentence.text}"
        yield from (f"# {key} = {value}" for key, value in sentence.attributes.items())
        yield from _rows(sentence)
        yield ""


def _rows(sentence: Sentence) -> Iterator[str]:
    blank = (MISSING,) * len(sentence)
    columns = [sentence.columns.get(name, blank) for name in COLUMNS]
    offsets = sentence.offsets
    for index, (word, *values) in enumerate(zip(sentence.words, *columns, strict=True)):
        if index == 0 or offsets[index] != offsets[index - 1]:
            last = index
            while last + 1 < len(offsets) and offsets[last + 1] == offsets[index]:
                last += 1
            if last > index:
                start, stop = offsets[index]
                yield "\t".join([f"{index + 1}-{last + 1}", sentence.text[start:stop], *["_"] * 8])
        yield "\t".join([str(index + 1), word, *values])
