"""One adapter a block, after feed-forward (Pfeiffer et al. 2020, arXiv:2005.00052).

It stands behind the projection back to the width of the states and before the residual sum.
"""

from __future__ import annotations

from typing import Any

from probekit.adaptation.strategies.bottleneck import Adapters, make_adapters


def tuning(options: dict[str, Any]) -> Adapters:
    """``reduction`` (16) and ``activation`` ("relu")."""
    return make_adapters("pfeiffer", ("mlp",), options, "relu")
