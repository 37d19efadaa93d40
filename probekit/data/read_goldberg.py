"""Masked target words: a sentence with ``***mask***``, the right form and the wrong one."""

from __future__ import annotations

from probekit.data.lines import Paths, common_name, expand, read_lines, stem
from probekit.data.read_linzen import number_of
from probekit.data.suite import Condition, Item, Suite, pair_suite
from probekit.errors import DataError

MASK = "***mask***"
FORM = "a sentence with ***mask***, the right form and the wrong form, between tabs, expected"


def read_goldberg(paths: Paths, *, name: str = "") -> Suite:
    """Pairs of a right and a wrong form in place of ``***mask***``; targets of several pieces are kept.

    A line has either the sentence and the two forms, or, as bert-syntax writes them, the number of attractors and the
    original sentence before these three. Groups: attractors (where given) and number.
    Goldberg 2019, "Assessing BERT's syntactic abilities", arXiv 1901.05287. Raises DataError with file:line.
    """
    files = expand(paths)
    items = []
    for path in files:
        for number, line in enumerate(read_lines(path), 1):
            place = f"{path}:{number}"
            fields = [field.strip() for field in line.split("\t")]
            if len(fields) not in (3, 5) or not all(fields[-2:]):
                raise DataError(f"{place}: {FORM}, got {line[:60]!r}")
            sentence, right, wrong = fields[-3:]
            if sentence.count(MASK) != 1:
                raise DataError(f"{place}: {MASK} must stand once in the sentence, got {sentence[:60]!r}")
            groups = {}
            if len(fields) == 5:
                if not fields[0].isdecimal():
                    raise DataError(f"{place}: the number of attractors expected first, got {fields[0]!r}")
                groups["attractors"] = fields[0]
            if number_of(right, wrong):
                groups["number"] = number_of(right, wrong)
            before, _, after = sentence.partition(MASK)
            conditions = (
                Condition.of_slot("good", before, right, after),
                Condition.of_slot("bad", before, wrong, after),
            )
            items.append(Item(f"{stem(path)}-{number}", conditions, "", groups, place))
    return pair_suite(name or common_name(files), items, "target")
