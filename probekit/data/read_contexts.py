"""Occurrences of one word in many texts, with the sense of each: tables like play_contexts.tsv."""

from __future__ import annotations

from pathlib import Path

from probekit.data.catalogue import probes_folder
from probekit.data.corpus import Corpus
from probekit.data.lines import Paths, common_name, expand, read_lines
from probekit.data.sentence import MISSING, Sentence
from probekit.data.task import Task
from probekit.errors import DataError, did_you_mean

COLUMNS = ("source", "id", "token_index", "form", "upos", "sentence")
SENSE_COLUMNS = ("source", "id", "token_index", "sense")

SENSE = Task(name="sense", question="In which sense is the word used?", label="sense", where="upos != _")
"""The task whose labels are the senses that `read_contexts` has put into the column ``sense``."""

Key = tuple[str, str, str]
Rows = list[tuple[str, dict[str, str]]]


def read_contexts(paths: Paths, *, senses: str | Path | None = None, name: str = "") -> Corpus:
    """Sentences with marked occurrences of a word, from a table with tabs and a header.

    A row has ``source``, ``id``, ``token_index`` (from 0, in the words between single spaces), ``form``, ``upos`` and
    ``sentence``; further columns are not read. `senses` is a table with ``source``, ``id``, ``token_index`` and
    ``sense``: a path, or the name of a built-in one (``"play"``: 242 occurrences in eleven coarse senses, given by one
    annotator who had the sentences alone; near copies and doubtful cases have none). Columns ``upos`` and ``sense`` of
    a sentence hold "_" at every other word, so the tasks `SENSE` and ``upos`` label the occurrences alone. A text
    that stands in several rows is one sentence, with all of its occurrences; all sentences are in the split train.

    Raises DataError with file:line for a row that does not fit, and for senses of occurrences that are not there.

    >>> rows = [COLUMNS, ("x", "1", "0", "Play", "VERB", "Play chess .")]
    >>> _ = Path("play.tsv").write_text("\\n".join(map("\\t".join, rows)))
    >>> read_contexts("play.tsv")[0].columns["upos"]
    ('VERB', '_', '_')
    """
    files = expand(paths)
    rows = [row for path in files for row in _rows(path, COLUMNS)]
    given = {} if senses is None else _senses(senses)
    at: dict[str, dict[int, tuple[str, str]]] = {}
    first: dict[str, tuple[str, Key]] = {}
    seen: set[Key] = set()
    for place, row in rows:
        key = (row["source"], row["id"], row["token_index"])
        words = row["sentence"].split(" ")
        if not row["token_index"].isdecimal() or int(row["token_index"]) >= len(words):
            raise DataError(
                f"{place}: token_index {row['token_index']!r} in a sentence of {len(words)} words"
            )
        index = int(row["token_index"])
        if words[index] != row["form"]:
            raise DataError(
                f"{place}: word {index} of the sentence is {words[index]!r}, and the form {row['form']!r}"
            )
        seen.add(key)
        first.setdefault(row["sentence"], (place, key))
        own = at.setdefault(row["sentence"], {})
        # a copy of a text may have its sense in any of the rows
        own[index] = (row["upos"], given.get(key) or own.get(index, ("", MISSING))[1])
    for key in given:
        if key not in seen:
            raise DataError(f"a sense is given for {' '.join(key)!r}, and {files[0]} has no such occurrence")
    sentences = [
        _sentence(f"{n}", text, *first[text], at[text], senses is not None) for n, text in enumerate(at, 1)
    ]
    return Corpus(sentences, name or common_name(files), [path.name for path in files], text_form="words")


def _sentence(
    id: str, text: str, place: str, key: Key, own: dict[int, tuple[str, str]], with_senses: bool
) -> Sentence:
    words = text.split(" ")
    columns = {"upos": [own[i][0] if i in own else MISSING for i in range(len(words))]}
    if with_senses:
        columns["sense"] = [own[i][1] if i in own else MISSING for i in range(len(words))]
    about = {"source": key[0], "source_id": key[1]}
    return Sentence.from_words(id, words, columns=columns, attributes=about, split="train", place=place)


def _senses(senses: str | Path) -> dict[Key, str]:
    path = Path(senses)
    if not path.is_file():
        folder = probes_folder() / "senses"
        path = folder / f"{senses}.tsv"
        if not path.is_file():
            known = [one.stem for one in folder.glob("*.tsv")]
            raise DataError(f"no table of senses {str(senses)!r}; {did_you_mean(str(senses), known)}")
    found: dict[Key, str] = {}
    for place, row in _rows(path, SENSE_COLUMNS):
        key = (row["source"], row["id"], row["token_index"])
        if key in found or not row["sense"]:
            raise DataError(f"{place}: {' '.join(key)!r} has {'two senses' if key in found else 'no sense'}")
        found[key] = row["sense"]
    return found


def _rows(path: Path, needed: tuple[str, ...]) -> Rows:
    lines = read_lines(path)
    header = lines[0].split("\t")
    for column in needed:
        if column not in header:
            raise DataError(f"{path}:1: no column {column!r}; {did_you_mean(column, header)}")
    found: Rows = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(header):
            raise DataError(
                f"{path}:{number}: {len(cells)} columns where {len(header)} were expected: {line[:60]!r}"
            )
        found.append((f"{path}:{number}", dict(zip(header, cells, strict=True))))
    if not found:
        raise DataError(f"{path}: a header and no rows")
    return found
