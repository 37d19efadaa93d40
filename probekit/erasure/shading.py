"""Texts with their words shaded by importance, as HTML in which every word is text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probekit.results.html import escape

if TYPE_CHECKING:
    from probekit.erasure.importance import Importance, TextImportance

RAISES, LOWERS = "33, 102, 172", "178, 24, 43"
"""Blue and red, the ends of the heat map's colours."""
TEXTS = 20


def shaded(found: Importance) -> str:
    """The texts with their words shaded, a legend with the unit, and the summary."""
    known = [np.abs(one.importance[np.isfinite(one.importance)]) for one in found.texts]
    reach = float(np.concatenate([np.zeros(1), *known]).max())
    body = "".join(_text(one, reach, found.unit) for one in found.texts[:TEXTS])
    more = len(found.texts) - TEXTS
    rest = f"<p>... and {more:,} more texts</p>" if more > 0 else ""
    scale = "".join(
        f'<span style="background: rgba({colour}, .6); padding: 0 .4em">{escape(words)}</span> '
        for colour, words in (
            (RAISES, f"raises it, up to {reach:.3g}"),
            (LOWERS, f"lowers it, down to -{reach:.3g}"),
        )
    )
    return (
        f"<div><p>{escape(found.summary)}</p>{body}{rest}"
        f"<p><small>{scale}{escape(found.legend)} Underlined with dots: not left out.</small></p></div>"
    )


def _text(one: TextImportance, reach: float, unit: str) -> str:
    parts, end = [], 0
    order = sorted(range(len(one.spans)), key=lambda number: one.spans[number])
    for number in order:
        start, stop = one.spans[number]
        parts.append(escape(one.text[end:start]))
        if start < end:  # a word that shares the letters of the one before
            continue
        parts.append(_word(one.text[start:stop], float(one.importance[number]), one.why[number], reach, unit))
        end = stop
    parts.append(escape(one.text[end:]))
    shown = f"{one.before:.3g} {unit}" if np.isfinite(one.before) else f"not read: {one.left_out}"
    return f'<p style="line-height: 2">{"".join(parts)} <small>({escape(shown)})</small></p>'


def _word(word: str, value: float, why: str, reach: float, unit: str) -> str:
    if not np.isfinite(value):
        return f'<span style="border-bottom: 1px dotted" title="{escape(why)}">{escape(word)}</span>'
    depth = 0.6 * abs(value) / reach if reach else 0.0
    colour = RAISES if value > 0 else LOWERS
    return (
        f'<span style="background: rgba({colour}, {depth:.3f}); padding: .15em" '
        f'title="{value:+.4g} {escape(unit)}">{escape(word)}</span>'
    )
