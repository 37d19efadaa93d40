"""The head alone, through the live model: what feature extraction does, without a store."""

from __future__ import annotations

from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.parts import PlainTuning, no_options


class HeadOnly(PlainTuning):
    """Nothing of the body is trained."""

    def prepare(self, live: Live) -> None:
        """Freeze the body."""
        live.body.requires_grad_(False)


def tuning(options: dict[str, Any]) -> HeadOnly:
    """The head alone."""
    no_options("head-only", options)
    return HeadOnly()
