"""Full fine-tuning: every parameter of the model is trained (Devlin et al. 2019)."""

from __future__ import annotations

from typing import Any

from probekit.adaptation.strategies.parts import PlainTuning, no_options


def tuning(options: dict[str, Any]) -> PlainTuning:
    """All parameters."""
    no_options("full", options)
    return PlainTuning()
