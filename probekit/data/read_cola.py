"""CoLA: sentences judged acceptable or not."""

from __future__ import annotations

from collections.abc import Mapping

from probekit.data.corpus import Corpus
from probekit.data.labelled_lines import read_labelled_lines
from probekit.data.lines import Paths

FORM = "four tab-separated columns (source, 0 or 1, mark, sentence)"


def read_cola(paths: Paths, *, split: str | None = None, name: str = "cola", licence: str = "") -> Corpus:
    """The raw files of CoLA; ``label`` is "1" (acceptable) or "0", ``source`` and ``mark`` are kept.

    The labels of CoLA's own test set are not public: ``out_of_domain_dev`` is test here, ``in_domain_dev`` is dev.
    Warstadt, Singh and Bowman 2019, "Neural network acceptability judgments", TACL.

    >>> _ = Path("in_domain_train.tsv").write_text("gj04\\t0\\t*\\tThey drank the pub.\\n")
    >>> read_cola("in_domain_train.tsv")[0].attributes["label"]
    '0'
    """
    special = {"out_of_domain": "test"}
    return read_labelled_lines(
        paths, parse_cola, FORM, split=split, special=special, name=name, licence=licence
    )


def parse_cola(line: str) -> tuple[str, Mapping[str, str]] | None:
    """A line of CoLA -> text and attributes.

    >>> parse_cola("gj04\\t0\\t*\\tThey drank the pub.")
    ('They drank the pub.', {'label': '0', 'source': 'gj04', 'mark': '*'})
    """
    parts = line.split("\t")
    if len(parts) != 4 or parts[1] not in ("0", "1"):
        return None
    source, label, mark, text = parts
    return text, {"label": label, "source": source, "mark": mark}
