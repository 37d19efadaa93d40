"""The upper blocks are drawn anew before full fine-tuning (Zhang et al. 2021, arXiv:2006.05987)."""

from __future__ import annotations

from typing import Any

import torch

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.layout import find_blocks, how_many
from probekit.adaptation.strategies.parts import PlainTuning, no_options
from probekit.models.twins import random_twin


class Reinit(PlainTuning):
    """The upper ``k`` blocks begin as a fresh model's do; then everything is trained."""

    def __init__(self, k: object) -> None:
        self.k = k

    def prepare(self, live: Live) -> None:
        """Draw the upper blocks anew, with the seed of the live model."""
        live.body.requires_grad_(True)
        blocks = find_blocks(live)
        k = how_many("reinit", self.k, len(blocks))
        names = {id(parameter): name for name, parameter in live.model.module.named_parameters()}
        fresh = dict(random_twin(live.model, live.seed).module.named_parameters())
        with torch.no_grad():
            for block in blocks[-k:]:
                for parameter in block.parameters():
                    parameter.copy_(fresh[names[id(parameter)]])


def tuning(options: dict[str, Any]) -> Reinit:
    """``k`` blocks: a number (1 by default), or "half" of them."""
    no_options("reinit", options, ("k",))
    return Reinit(options.get("k", 1))
