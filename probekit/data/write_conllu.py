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

    Words that share a span, or touch where no SpaceAfter=No says why, become a multiword token. The format has no
    splits: write one file per split, named for it. Raises DataError for an id, text or attribute with a line break,
    which the format cannot hold.

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
    offsets, stop = sentence.offsets, 0
    for index, (word, *values) in enumerate(zip(sentence.words, *columns, strict=True)):
        if index >= stop:
            stop = index + 1
            while stop < len(offsets) and _written_together(sentence, stop - 1):
                stop += 1
            if stop > index + 1:
                form = sentence.text[offsets[index][0] : offsets[stop - 1][1]]
                yield "\t".join([f"{index + 1}-{stop}", form, *["_"] * 8])
        yield "\t".join([str(index + 1), word, *values])


def _written_together(sentence: Sentence, index: int) -> bool:
    """Whether a word and its follower are one written word: one span, or touching ones without SpaceAfter=No."""
    here, after = sentence.offsets[index : index + 2]
    if here == after:
        return True
    misc, upos = (sentence.columns.get(name) for name in ("misc", "upos"))
    apart = "SpaceAfter=No" in misc[index] if misc else True
    return here[1] == after[0] and not apart and not (upos and upos[index + 1] == "PUNCT")
