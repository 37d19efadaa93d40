"""The line format of the Stanford Sentiment Treebank: a number, a space, a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping

from probekit.data.corpus import Corpus
from probekit.data.labelled_lines import read_labelled_lines
from probekit.data.lines import Paths

FORM = "'label sentence' with a label of digits"
_LINE = re.compile(r"(\d+) (.*)")


def read_sst(paths: Paths, *, split: str | None = None, name: str = "sst", licence: str = "") -> Corpus:
    """Sentences with ``label``: "0"/"1" in the binary files, "0" ... "4" in the fine ones.

    Socher et al. 2013, "Recursive deep models for semantic compositionality over a sentiment treebank", EMNLP.

    >>> _ = Path("stsa.binary.train").write_text("1 a fine film .\\n")
    >>> read_sst("stsa.binary.train")[0].attributes
    {'label': '1'}
    """
    return read_labelled_lines(paths, parse_sst, FORM, split=split, name=name, licence=licence)


def parse_sst(line: str) -> tuple[str, Mapping[str, str]] | None:
    """A line -> text and attributes.

    >>> parse_sst("1 a fine film .")
    ('a fine film .', {'label': '1'})
    """
    match = _LINE.fullmatch(line)
    return (match[2], {"label": match[1]}) if match else None
