"""Minimal pairs to patch between: which pieces stand at the same place, and what is predicted there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.errors import DataError
from probekit.models.scoring import Ask
from probekit.models.scoring.pieces import owned

if TYPE_CHECKING:
    from probekit.models.scoring import Queries
    from probekit.models.scoring.base import ModelScorer
    from probekit.models.scoring.pieces import TextPieces

Ints = NDArray[np.int64]

PLACE = "___"
OTHER_LENGTH = "base and source have different numbers of pieces"
OTHER_WORDS = "words of base and source stand at different pieces"
OTHER_TARGET = "target or foil is split differently after base and source"
OTHER_CONTEXT = "target and foil begin behind different pieces"
SEVERAL_PIECES = "target or foil is several pieces at the mask"
BEHIND = "a role stands behind the prediction"
SAME = "base and source are the same to the model"


@dataclass(frozen=True)
class PatchPair:
    """A sentence and its minimal pair, and what to predict: ``target`` against ``foil``.

    base, source
        Two texts that differ in little; states of `source` are put into the pass over `base`. Target and foil stand
        where a text says ``___``, else at its end, after a space where neither side has one.
    roles
        Name -> numbers of words (from 0, as white space splits `base`): pieces of all of them are patched together.
        Words of `source` at the same numbers must have as many pieces.
    cluster
        What the pair shares with others (its template, its lexical items); pairs without one are their own.

    >>> PatchPair("The key to the cabinets", "The keys to the cabinets", "is", "are", {"subject": [1]}).target
    'is'
    """

    base: str
    source: str
    target: str
    foil: str
    roles: Mapping[str, Sequence[int]] = field(default_factory=dict)
    cluster: str = ""

    def asks(self) -> list[Ask]:
        """Base with target, base with foil, source with target, source with foil."""
        return [_ask(text, word) for text in (self.base, self.source) for word in (self.target, self.foil)]


@dataclass(frozen=True, eq=False)
class Reading:
    """One pass that is patched: ``base`` and ``source`` int64 [pieces]; the prediction is the sum over k of
    ``weight[k]`` times the log-probability of piece ``target[k]`` at ``position[k]``."""

    pair: int
    base: Ints
    source: Ints
    position: Ints
    target: Ints
    weight: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinedUp:
    """A pair as the model reads it: its passes, and the positions of every place by name, from left to right.

    ``anchor`` is the position that the prediction begins at, ``context`` how many positions there are, ``shared`` how
    many pieces base and source begin with alike. Where ``left_out`` gives a reason, there is nothing.
    """

    readings: tuple[Reading, ...] = ()
    places: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    anchor: int = 0
    context: int = 0
    shared: int = 0
    left_out: str = ""


def line_up(scorer: ModelScorer, pairs: Sequence[PatchPair]) -> list[LinedUp]:
    """Every pair as pieces, or the reason why it cannot be patched. Raises DataError for a role that is no word."""
    queries = scorer.queries([pair.asks() for pair in pairs])
    order = np.argsort(queries.ask, kind="stable")
    ends = np.searchsorted(queries.ask[order], np.arange(4 * len(pairs) + 1))
    found = []
    for number, pair in enumerate(pairs):
        own = [order[ends[ask] : ends[ask + 1]] for ask in range(4 * number, 4 * number + 4)]
        found.append(_line_up(scorer, queries, number, pair, own))
    return found


def _ask(text: str, word: str) -> Ask:
    before, place, after = text.partition(PLACE)
    if not place:
        spaced = not before or before[-1:].isspace() or word[:1].isspace()
        before += "" if spaced else " "
    elif before[-1:].isspace() and word[:1].isspace():
        word = word.lstrip()
    return Ask(before + word + after, ((len(before), len(before) + len(word)),))


def _line_up(
    scorer: ModelScorer, queries: Queries, number: int, pair: PatchPair, own: Sequence[Any]
) -> LinedUp:
    asked = queries.asked
    asks = range(4 * number, 4 * number + 4)
    reasons = [asked.left_out[ask] for ask in asks if asked.left_out[ask]]
    if reasons:
        return LinedUp(left_out=reasons[0])
    masked = scorer.kind == "masked"
    if masked and any(len(rows) != 1 for rows in own):
        return LinedUp(left_out=SEVERAL_PIECES)
    inputs = [queries.inputs[queries.input[rows[0]]].astype(np.int64) for rows in own]
    first = [int(queries.position[rows].min()) for rows in own]
    if len(inputs[0]) != len(inputs[2]) or len(inputs[1]) != len(inputs[3]):
        return LinedUp(left_out=OTHER_LENGTH)
    for one, two in ((own[0], own[2]), (own[1], own[3])):
        same = np.array_equal(queries.target[one], queries.target[two])
        if not same or not np.array_equal(queries.position[one], queries.position[two]):
            return LinedUp(left_out=OTHER_TARGET)
    if first[0] != first[1]:
        return LinedUp(left_out=OTHER_CONTEXT)
    context = len(inputs[0]) if masked else first[0] + 1
    for one, two in ((0, 1), (2, 3)):
        if not np.array_equal(inputs[one][:context], inputs[two][:context]):
            return LinedUp(left_out=OTHER_CONTEXT)
    differs = np.flatnonzero(inputs[0][:context] != inputs[2][:context])
    if not len(differs):
        return LinedUp(left_out=SAME)
    shift = len(inputs[0]) - len(asked.pieces[asks[0]]) if masked else len(getattr(scorer, "front", ()))
    base, source = (asked.pieces[asks[k]] for k in (0, 2))
    if not np.array_equal(base.words[: context - shift], source.words[: context - shift]):
        return LinedUp(left_out=OTHER_WORDS)
    places: dict[str, tuple[int, ...]] = {}
    for role, words in pair.roles.items():
        at = [_pieces_of(text, pair.asks()[k].text, pieces, words, role) + shift
              for k, text, pieces in ((0, pair.base, base), (2, pair.source, source))]  # fmt: skip
        if not np.array_equal(at[0], at[1]):
            return LinedUp(left_out=OTHER_WORDS)
        if (at[0] >= context).any():
            return LinedUp(left_out=BEHIND)
        places[role] = tuple(at[0].tolist())
    named = {position for positions in places.values() for position in positions}
    for position in range(context):
        if position not in named:
            name = _name(position, context, first[0], masked, shift, base.special)
            places[name] = (*places.get(name, ()), position)
    readings = []
    for k, sign in ((0, 1.0), (1, -1.0)):
        rows = own[k]
        weight = np.full(len(rows), sign)
        readings.append(
            Reading(number, inputs[k], inputs[k + 2], queries.position[rows], queries.target[rows], weight)
        )
    return LinedUp(
        _joined(readings),
        dict(sorted(places.items(), key=lambda item: item[1])),
        first[0],
        context,
        int(differs[0]),
    )


def _joined(readings: list[Reading]) -> tuple[Reading, ...]:
    """One reading where target and foil are read from the same pass."""
    one, two = readings
    if not np.array_equal(one.base, two.base):
        return one, two
    columns = [
        np.concatenate([getattr(one, name), getattr(two, name)]) for name in ("position", "target", "weight")
    ]
    return (Reading(one.pair, one.base, one.source, *columns),)


def _pieces_of(text: str, whole: str, pieces: TextPieces, words: Sequence[int], role: str) -> Ints:
    """The pieces of some words of a text, in `whole`, which has target or foil in it."""
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    place = text.find(PLACE)
    chosen = []
    for word in words:
        if isinstance(word, bool) or not isinstance(word, int | np.integer) or not 0 <= word < len(spans):
            raise DataError(
                f"role {role!r} names word {word!r} of {text!r}, whose words are numbered 0 to {len(spans) - 1}"
            )
        begin, end = spans[word]
        # what stands in for the place is longer or shorter
        grown = len(whole) - len(text) if place >= 0 else 0
        chosen.append((begin + (grown if begin > place else 0), end + (grown if end > place else 0)))
    if not chosen:
        raise DataError(f"role {role!r} names no word of {text!r}")
    return np.unique(owned(pieces, chosen)[0])


def _name(
    position: int, context: int, mask: int, masked: bool, shift: int, special: NDArray[np.bool_]
) -> str:
    """What a position without a role is called: by its distance from what is predicted."""
    if position < shift or special[position - shift]:
        return "end" if masked and position > mask else "begin"
    if masked:
        return f"mask{position - mask:+d}" if position != mask else "mask"
    return f"last-{context - 1 - position}" if position < context - 1 else "last"
