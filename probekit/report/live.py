"""Views of attention panels that can be clicked, inside the page of a run; without their packages, a line instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probekit.results.fragment import Fragment
from probekit.results.panel import Panel
from probekit.results.views.page import script_hashes, view_frame
from probekit.results.views.scripts import views_missing

LIVE = 5_000_000  # bytes; a page with more carries the other panels as pictures alone


@dataclass(frozen=True)
class Live:
    """For each panel (by name) a frame, or a sentence that says why there is none; and the scripts the page allows."""

    frames: dict[str, Fragment]
    notes: dict[str, str]
    scripts: tuple[str, ...]


def live_views(panels: Sequence[Panel]) -> Live:
    """The views of all attention panels; the same panels and packages give the same text."""
    shown = [panel for panel in panels if panel.kind == "attention"]
    if shown and (missing := views_missing()):
        note = f"A view that can be clicked is not here: {missing}, then build the page again."
        return Live({}, {panel.name: note for panel in shown}, ())
    frames: dict[str, Fragment] = {}
    notes: dict[str, str] = {}
    scripts: set[str] = set()
    size = 0
    for panel in shown:
        view = str(panel.labels.get("view") or "head")
        frame = view_frame(panel, view)
        size += len(frame.html)
        if size > LIVE:
            notes[panel.name] = (
                "Its view is left out to keep this page small; `pk.attention_view` makes one of any text."
            )
            continue
        frames[panel.name] = frame
        scripts.update(script_hashes(view))
    return Live(frames, notes, tuple(sorted(scripts)))
