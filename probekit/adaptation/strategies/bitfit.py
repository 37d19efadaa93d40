"""BitFit: the biases alone are trained (Ben Zaken, Goldberg and Ravfogel 2022, arXiv:2106.10199)."""

from __future__ import annotations

from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.parts import PlainTuning, no_options
from probekit.errors import ModelError


class BitFit(PlainTuning):
    """Every parameter called ``bias``, those of the norms included."""

    def prepare(self, live: Live) -> None:
        """Freeze all but the biases. Raises ModelError for a body that has none."""
        live.body.requires_grad_(False)
        biases = [p for name, p in live.body.named_parameters() if name.rpartition(".")[2] == "bias"]
        if not biases:
            raise ModelError(
                f"{live.model.name}: the family {live.model.family!r} has no biases, so strategy 'bitfit' is "
                "impossible for this model; 'ia3' is as small"
            )
        for bias in biases:
            bias.requires_grad_(True)


def tuning(options: dict[str, Any]) -> BitFit:
    """All biases."""
    no_options("bitfit", options)
    return BitFit()
