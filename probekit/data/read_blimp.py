"""BLiMP: pairs of a good and a bad sentence, one JSON object a line."""

from __future__ import annotations

from probekit.data.json_text import read_json_lines, text_at
from probekit.data.lines import Paths, common_name, expand, stem
from probekit.data.suite import Item, Suite, pair_suite, sentence_pair


def read_blimp(paths: Paths, *, name: str = "") -> Suite:
    """The pairs of one or several paradigms; phenomenon is the UID, and field and linguistics_term are groups.

    Pairs whose two sentences are equal (7 of 67,000) stay in the suite: judging leaves them out and counts them.
    Warstadt, Parrish, Liu, Mohananey, Peng, Wang and Bowman 2020, "BLiMP: The Benchmark of Linguistic Minimal Pairs
    for English", TACL. Raises DataError with file:line.

    >>> line = '{"sentence_good": "She left.", "sentence_bad": "Her left.", "UID": "case", "pairID": "0"}'
    >>> _ = Path("case.jsonl").write_text(line)
    >>> from probekit.data.read_blimp import read_blimp
    >>> read_blimp("case.jsonl").items[0].id
    'case-0'
    """
    files = expand(paths)
    items = []
    for path in files:
        for number, (place, record) in enumerate(read_json_lines(path)):
            paradigm = text_at(record, "UID", place) if "UID" in record else stem(path)
            groups = {"phenomenon": paradigm}
            for key in ("field", "linguistics_term"):
                if key in record:
                    groups[key] = text_at(record, key, place)
            pair = sentence_pair(
                text_at(record, "sentence_good", place), text_at(record, "sentence_bad", place)
            )
            items.append(Item(f"{paradigm}-{record.get('pairID', number)}", pair, "", groups, place))
    return pair_suite(name or common_name(files), items, "sentence")
