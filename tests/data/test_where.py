"""Filters: precedence, negation, quoting, and errors with their position."""

from __future__ import annotations

import pytest

from probekit.data.where import parse_where
from probekit.errors import ConfigError

NOUN = {"upos": "NOUN", "feats.Number": "Plur", "feats.Case": "_", "word": "and so"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("upos = NOUN", True),
        ("upos != NOUN", False),
        ("upos in [VERB, NOUN]", True),
        ("upos not in [VERB, NOUN]", False),
        ("feats.Case = _", True),
        ("feats.Case!=_", False),
        ('word = "and so"', True),
        # "and" binds closer than "or": read from left to right these would turn out the other way
        ("upos = NOUN or upos = VERB and feats.Number = Sing", True),
        ("(upos = NOUN or upos = VERB) and feats.Number = Sing", False),
        # "not" binds closest
        ("not upos = VERB and feats.Number = Sing", False),
        ("not (upos = VERB and feats.Number = Sing)", True),
        ("not not upos = NOUN", True),
    ],
)
def test_meaning(text: str, expected: bool) -> None:
    assert parse_where(text)(NOUN.__getitem__) is expected


def test_names() -> None:
    assert parse_where("upos = A or not (feats.X in [b] and word != c)").names == {"upos", "feats.X", "word"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("upos", "'=', '!=' or 'in' expected, got the end at character 5"),
        ("upos = ", "a value expected, got the end"),
        ("upos == NOUN", "a value expected, got '=' at character 7"),
        ("upos = NOUN VERB", "'and' or 'or' expected, got 'VERB' at character 13"),
        ("upos in [NOUN, VERB", r"',' or '\]' expected, got the end at character 20"),
        ("upos in NOUN", r"'\[' expected, got 'NOUN' at character 9"),
        ("(upos = NOUN", r"'\)' expected"),
        ("upos = NOUN and", "a name expected, got the end"),
        ("and upos = NOUN", "a name expected, got 'and' at character 1"),
        ("", "a name expected, got the end at character 1"),
        ('word = "x', "cannot be read at character 8"),
        ("__import__('os')", r"'=', '!=' or 'in' expected, got '\(' at character 11"),
    ],
)
def test_errors_name_the_position(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_where(text)
