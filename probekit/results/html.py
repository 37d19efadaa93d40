"""Text into HTML: what stands in a corpus, a label or a model name is text and never becomes markup."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from probekit.results.formats import format_cell
from probekit.results.fragment import Fragment

LONG = 32  # characters; a longer text may be broken into lines

# control characters become their pictures (U+2400 ...): an escape sequence in a word is seen, not obeyed
_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {127: 0x2421}


def visible(text: object) -> str:
    """The text with control characters made visible and lone surrogates replaced.

    >>> visible("a\\x1b[31mb")
    'a␛[31mb'
    """
    return str(text).translate(_PICTURES).encode("utf-8", "replace").decode("utf-8")


def escape(text: object) -> str:
    """The text as HTML, safe in content and in quoted attributes.

    >>> escape("</script><img onerror=x>")
    '&lt;/script&gt;&lt;img onerror=x&gt;'
    """
    return html.escape(visible(text), quote=True)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], formats: Sequence[str] | None = None
) -> Fragment:
    """An HTML table; formats as in `probekit.results.formats.format_cell`, by default all "text".

    >>> table(["layer", "accuracy"], [["3", 0.9481]], ["text", "score"]).html.count("<td")
    2
    """
    formats = formats or ["text"] * len(columns)
    kinds = ["" if how == "text" else ' class="num"' for how in formats]
    names = zip(columns, kinds, strict=True)
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in names)
    body = []
    for row in rows:
        cells = zip(row, formats, kinds, strict=True)
        texts = [_cell(format_cell(value, how), kind) for value, how, kind in cells]
        body.append(f"<tr>{''.join(texts)}</tr>")
    return Fragment(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>")


def _cell(text: str, kind: str) -> str:
    if not kind and len(text) > LONG:
        kind = ' class="long"'
    return f"<td{kind}>{escape(text)}</td>"
