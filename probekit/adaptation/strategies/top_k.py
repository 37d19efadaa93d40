"""The upper blocks and what lies above them are trained; embeddings and lower blocks stay as they are."""

from __future__ import annotations

from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.layout import find_layout, how_many
from probekit.adaptation.strategies.parts import PlainTuning, no_options


class TopK(PlainTuning):
    """The upper ``k`` blocks."""

    def __init__(self, k: object) -> None:
        self.k = k

    def prepare(self, live: Live) -> None:
        """Freeze all but the upper blocks and a final norm."""
        layout = find_layout(live)
        k = how_many("top-k", self.k, len(layout.blocks))
        live.body.requires_grad_(False)
        for block in layout.blocks[-k:]:
            block.requires_grad_(True)
        for parameter in layout.above:
            parameter.requires_grad_(True)


def tuning(options: dict[str, Any]) -> TopK:
    """``k`` blocks: a number, or "half" of them (the default)."""
    no_options("top-k", options, ("k",))
    return TopK(options.get("k", "half"))
