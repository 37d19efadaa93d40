"""Number agreement in Wikipedia sentences with counted attractors: three line-aligned files."""

from __future__ import annotations

from pathlib import Path

from probekit.data.lines import Paths, common_name, expand, read_lines
from probekit.data.suite import Item, Suite, pair_suite, target_pair
from probekit.errors import DataError

END = "<eos>"
SINGULAR = {"is", "was", "has", "does"}


def read_linzen(paths: Paths, *, name: str = "") -> Suite:
    """Pairs of a right and a wrong verb form in place, from NAME.text, NAME.gold and (where there) NAME.eval.

    A line of .gold has the place of the verb in the words of .text (from 0), its right and its wrong form, and the
    number of attractors. .eval repeats the place and must agree. Groups: attractors, and number, which is read off
    the two forms (see `number_of`). Forms are lower-cased where the sentence is ("Is" for "is"). Pairs of equal forms
    ("lie", "lie") stay in the suite: judging leaves them out and counts them.
    Linzen, Dupoux and Goldberg 2016, "Assessing the ability of LSTMs to learn syntax-sensitive dependencies", TACL.
    Raises DataError with file:line.
    """
    bases = dict.fromkeys(path.with_suffix("") for path in expand(paths))
    items = []
    for base in bases:
        text, gold = (Path(f"{base}{suffix}") for suffix in (".text", ".gold"))
        for file in (text, gold):
            if not file.is_file():
                raise DataError(
                    f"{file}: no such file; the three files .text, .gold and .eval stand together"
                )
        sentences, golds = read_lines(text), read_lines(gold)
        if len(sentences) != len(golds):
            raise DataError(f"{gold}:{len(golds)}: {len(golds)} lines, and {text.name} has {len(sentences)}")
        places = _places(Path(f"{base}.eval"), len(golds))
        for number, (sentence, line) in enumerate(zip(sentences, golds, strict=True), 1):
            items.append(_item(sentence, line, f"{gold}:{number}", f"{base.name}-{number}"))
            if places and places[number - 1] != line.split("\t")[0]:
                raise DataError(f"{base}.eval:{number}: {places[number - 1]!r}, and {gold.name} has {line!r}")
    return pair_suite(name or common_name(list(bases)), items, "target")


def number_of(right: str, wrong: str) -> str:
    """The number of the right form of an English verb in the present tense: is, was, has, does, else the longer one.

    >>> from probekit.data.read_linzen import number_of
    >>> number_of("passes", "pass"), number_of("are", "is"), number_of("lie", "lie")
    ('Sing', 'Plur', '')
    """
    if right == wrong:
        return ""
    for form, number in ((right, "Sing"), (wrong, "Plur")):
        if form.lower() in SINGULAR:
            return number
    return "Sing" if len(right) > len(wrong) else "Plur"


def _places(file: Path, n: int) -> list[str]:
    if not file.is_file():
        return []
    places = read_lines(file)
    if len(places) != n:
        raise DataError(f"{file}:{len(places)}: {len(places)} lines, and the .gold file has {n}")
    return places


def _item(sentence: str, line: str, place: str, identifier: str) -> Item:
    fields = line.split("\t")
    if len(fields) != 4 or not fields[0].isdecimal() or not fields[3].isdecimal():
        raise DataError(
            f"{place}: place, right form, wrong form and number of attractors expected, got {line!r}"
        )
    at, right, wrong = int(fields[0]), fields[1], fields[2]
    words = sentence.split()
    words = words[:-1] if words and words[-1] == END else words
    if at >= len(words):
        raise DataError(f"{place}: word {at} is asked for, and the sentence has {len(words)}")
    if words[at] == right.lower():
        right, wrong = right.lower(), wrong.lower()
    if words[at] != right:
        raise DataError(f"{place}: word {at} of the sentence is {words[at]!r}, not {right!r}")
    groups = {"attractors": fields[3]}
    if number_of(right, wrong):
        groups["number"] = number_of(right, wrong)
    conditions = target_pair(" ".join(words[:at]), right, wrong, " ".join(words[at + 1 :]))
    return Item(identifier, conditions, "", groups, place)
