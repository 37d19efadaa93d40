"""Plain text: a sentence a line, or a paragraph a sentence."""

from __future__ import annotations

from probekit.data.corpus import Corpus
from probekit.data.lines import Paths, common_name, expand, read_lines, split_of, stem
from probekit.data.sentence import Sentence


def read_text(
    paths: Paths, *, paragraphs: bool = False, split: str | None = None, name: str = "", licence: str = ""
) -> Corpus:
    """One sentence per line that is not blank; with `paragraphs`, lines up to a blank one are joined by a space.

    Words are what whitespace separates. Each file is a document; splits come from the file names unless given.
    Raises DataError for what is not UTF-8 text.

    >>> _ = Path("notes-test.txt").write_text("Keys rust.\\nThey do.\\n")
    >>> [sentence.words for sentence in read_text("notes-test.txt")]
    [('Keys', 'rust.'), ('They', 'do.')]
    """
    files = expand(paths)
    sentences: list[Sentence] = []
    for path in files:
        lines = read_lines(path)
        texts = _paragraphs(lines) if paragraphs else [(n, t) for n, t in enumerate(lines, 1) if t.strip()]
        sentences += (
            Sentence.from_text(
                f"{stem(path)}-{number}",
                text,
                split=split_of(path, split),
                document=stem(path),
                place=f"{path}:{line}",
            )
            for number, (line, text) in enumerate(texts, 1)
        )
    return Corpus(sentences, name or common_name(files), [p.name for p in files], licence)


def _paragraphs(lines: list[str]) -> list[tuple[int, str]]:
    found: list[tuple[int, list[str]]] = []
    inside = False
    for number, line in enumerate(lines, 1):
        if line.strip():
            if not inside:
                found.append((number, []))
            found[-1][1].append(line.strip())
        inside = bool(line.strip())
    return [(number, " ".join(parts)) for number, parts in found]
