"""Adapters after attention and after feed-forward of every block (Houlsby et al. 2019, arXiv:1902.00751).

Each stands behind the projection back to the width of the states and before the residual sum, as published. Norms stay
as they are.
"""

from __future__ import annotations

from typing import Any

from probekit.adaptation.strategies.bottleneck import Adapters, make_adapters


def tuning(options: dict[str, Any]) -> Adapters:
    """``reduction`` (16) and ``activation`` ("gelu")."""
    return make_adapters("houlsby", ("attention_output", "mlp"), options, "gelu")
