"""TREC: questions and the kind of answer they ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from probekit.data.corpus import Corpus
from probekit.data.labelled_lines import read_labelled_lines
from probekit.data.lines import Paths

FORM = "'COARSE:fine question'"
_LINE = re.compile(r"([A-Z]+):([a-z]+) (.*)")


def read_trec(paths: Paths, *, split: str | None = None, name: str = "trec", licence: str = "") -> Corpus:
    """Questions with ``label`` and ``coarse`` (six classes) and ``fine`` (fifty, as "NUM:dist").

    ``TREC_10`` is test. Files are UTF-8, or else ISO-8859-1 (as the first release is).
    Li and Roth 2002, "Learning question classifiers", COLING.

    >>> _ = Path("TREC_10.label").write_text("LOC:city Where is Oulu ?\\n")
    >>> read_trec("TREC_10.label").sizes
    {'test': 1}
    """
    special = {"trec_10": "test"}
    return read_labelled_lines(
        paths,
        parse_trec,
        FORM,
        split=split,
        special=special,
        encodings=("utf-8", "iso-8859-1"),
        name=name,
        licence=licence,
    )


def parse_trec(line: str) -> tuple[str, Mapping[str, str]] | None:
    """A line of TREC -> text and attributes.

    >>> parse_trec("LOC:city Where is Oulu ?")
    ('Where is Oulu ?', {'label': 'LOC', 'coarse': 'LOC', 'fine': 'LOC:city'})
    """
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    coarse, fine, text = match.groups()
    return text, {"label": coarse, "coarse": coarse, "fine": f"{coarse}:{fine}"}
