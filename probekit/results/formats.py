"""Numbers as people read them (a rounded one never says 0 or 1 unless that is true), and names as files bear them."""

from __future__ import annotations

import math
import re
from typing import Any

NOTHING = "–"
ROUNDING = 1e-6
"""What single precision may add to a number of size 1."""


def format_score(value: float | None, places: int = 3) -> str:
    """A score or a difference of scores; "–" for none.

    >>> [format_score(x) for x in (0.5, 1.0, 0.99999, 0.0001, 0.0, -0.0001, None)]
    ['0.500', '1.000', '>0.999', '<0.001', '0.000', '>-0.001', '–']

    What is above 1 by the rounding of single precision alone is 1.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if 1 < abs(value) < 1 + ROUNDING:
        value = math.copysign(1.0, value)
    text = f"{value:.{places}f}"
    rounded = float(text)
    step = 10.0**-places
    if rounded == value or rounded not in (-1.0, 0.0, 1.0):
        return "0." + "0" * places if rounded == 0 else text
    if abs(value) > 1:  # beyond one and rounded to it, as an R2 below -1 may be
        return f"{'>' if value > 0 else '<'}{rounded:.{places}f}"
    if rounded == 0:
        return f"<{step:.{places}f}" if value > 0 else f">-{step:.{places}f}"
    return f">{1 - step:.{places}f}" if value > 0 else f"<-{1 - step:.{places}f}"


def format_p(value: float | None) -> str:
    """A p-value: three places, "<0.001" below that.

    >>> format_p(0.0001), format_p(0.04)
    ('<0.001', '0.040')
    """
    if value is not None and 0 <= value < 0.001:
        return "<0.001"
    return format_score(value)


def format_interval(low: float | None, high: float | None) -> str:
    """Both bounds in brackets; nothing where either is missing.

    >>> format_interval(0.91, 0.93), format_interval(None, 0.9)
    ('[0.910, 0.930]', '')
    """
    texts = format_score(low), format_score(high)
    return "" if NOTHING in texts else f"[{texts[0]}, {texts[1]}]"


def format_range(low: float, high: float, places: int = 3) -> str:
    """From one number to another; one of them where they read alike, and where both are near 0 how near.

    >>> format_range(0.1, 0.25), format_range(20.52, 20.54, 1), format_range(-0.0011, -0.0002), format_range(0.0, 0.5)
    ('0.100 to 0.250', '20.5', 'within 0.002 of 0', '0.000 to 0.500')
    """
    step = 10.0**-places
    reach = max(abs(low), abs(high))
    tiny = [0 < abs(bound) < step / 2 for bound in (low, high)]
    if any(tiny) and reach < 10 * step:
        return f"within {step * math.ceil(reach / step):.{places}f} of 0"
    one, two = (
        "about 0" if near else format_score(bound, places)
        for bound, near in zip((low, high), tiny, strict=True)
    )
    return one if one == two else f"{one} to {two}"


def format_percent(share: float | None) -> str:
    """A share as a percentage with one place.

    >>> format_percent(0.123), format_percent(0.9999)
    ('12.3 %', '>99.9 %')
    """
    if share is None or not math.isfinite(share):
        return NOTHING
    text = f"{100 * share:.1f}"
    if text == "0.0" and share > 0:
        text = "<0.1"
    if text == "100.0" and share < 1:
        text = ">99.9"
    return f"{text} %"


def format_count(value: float | None) -> str:
    """A whole number with thousands set apart.

    >>> format_count(12544)
    '12,544'
    """
    return NOTHING if value is None or not math.isfinite(value) else f"{int(value):,}"


def format_seconds(value: float | None) -> str:
    """A duration in the unit that suits it.

    >>> format_seconds(0.25), format_seconds(75), format_seconds(7260)
    ('0.25 s', '1 min 15 s', '2 h 01 min')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if value < 10:
        return f"{value:.2g} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, seconds = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_cell(value: Any, how: str) -> str:
    """A table cell by its column's format: text, int, score, p or seconds; text stays as it is."""
    if value is None:
        return NOTHING
    if how == "text" or not isinstance(value, int | float):
        return str(value)
    return {"int": format_count, "score": format_score, "p": format_p, "seconds": format_seconds}[how](value)


def slug(*parts: str) -> str:
    """A file name made of names: lower case, anything but letters, digits and dots becomes a hyphen.

    Of a path only its last part counts, and of a long part its last 40 characters.

    >>> slug("models/My Model", "upos")
    'my-model-upos'
    """
    short = [part.rstrip("/").rpartition("/")[2][-40:] for part in parts]
    return re.sub(r"[^a-z0-9.]+", "-", "-".join(short).lower()).strip("-.") or "x"


def begin_large(text: str) -> str:
    """The text with a capital in front and the rest as it was: a caption is a sentence, and "ROC" stays large.

    >>> begin_large("area under the ROC curve")
    'Area under the ROC curve'
    """
    return text[:1].upper() + text[1:]
