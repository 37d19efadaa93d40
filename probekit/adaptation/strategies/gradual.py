"""ULMFiT: gradual unfreezing, discriminative rates, a slanted triangular schedule (Howard and Ruder 2018,
arXiv:1801.06146).
"""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.layout import Layout, find_layout
from probekit.adaptation.strategies.parts import PlainTuning, no_options
from probekit.adaptation.strategy import ParameterGroup
from probekit.errors import ConfigError


class Gradual(PlainTuning):
    """Levels from the top: the head (0), the last block with a final norm (1), ... the first block, the embeddings.

    Level i learns at ``decay ** -i`` of the rate. With ``unfreezing``, see `levels_at`.
    """

    def __init__(self, unfreezing: bool, decay: float) -> None:
        self.unfreezing, self.decay = unfreezing, decay
        self.levels: list[list[nn.Parameter]] = []

    def prepare(self, live: Live) -> None:
        """Find the levels; all but the head is frozen until an epoch unfreezes it."""
        layout = find_layout(live)
        self.levels = _levels(layout)
        self._unfreeze(0 if self.unfreezing else len(self.levels))

    def begin_epoch(self, live: Live, epoch: int, epochs: int) -> bool:
        """Unfreeze what is due. True where that is more than before."""
        if not self.unfreezing:
            return False
        before = sum(level[0].requires_grad for level in self.levels)
        now = levels_at(epoch, epochs, len(self.levels))
        self._unfreeze(now)
        return now != before

    def groups(self, live: Live) -> list[ParameterGroup]:
        """One group a level."""
        names = {id(parameter): name for name, parameter in live.named_parameters()}
        levels = [list(live.head.parameters()), *self.levels]
        return [
            ParameterGroup(tuple((names[id(p)], p) for p in level), self.decay**-number)
            for number, level in enumerate(levels)
            if level[0].requires_grad
        ]

    def _unfreeze(self, n: int) -> None:
        for number, level in enumerate(self.levels):
            for parameter in level:
                parameter.requires_grad_(number < n)


def _levels(layout: Layout) -> list[list[nn.Parameter]]:
    blocks = [list(block.parameters()) for block in reversed(layout.blocks)]
    blocks[0] += layout.above
    return [level for level in (*blocks, list(layout.below)) if level]


def levels_at(epoch: int, epochs: int, levels: int) -> int:
    """How many levels below the head are trained in an epoch (from 0): none in the first, all in the last.

    With more epochs than levels it is one more in each, as published; with fewer, several at once.

    >>> from probekit.adaptation.strategies.gradual import levels_at
    >>> [levels_at(epoch, 6, 3) for epoch in range(6)], [levels_at(epoch, 3, 7) for epoch in range(3)]
    ([0, 1, 2, 3, 3, 3], [0, 4, 7])
    """
    if epochs <= 1:
        return levels
    return min(levels, max(epoch, math.ceil(levels * epoch / (epochs - 1))))


def tuning(options: dict[str, Any]) -> Gradual:
    """``unfreezing`` (True), ``decay`` of the rate per level (2.6; 1 for the same everywhere). The schedule is the
    estimator's own setting: ``schedule="linear"`` switches the slanted triangle off.
    """
    no_options("gradual", options, ("unfreezing", "decay"))
    unfreezing, decay = options.get("unfreezing", True), options.get("decay", 2.6)
    if not isinstance(unfreezing, bool):
        raise ConfigError(f"strategy 'gradual': unfreezing is true or false; got {unfreezing!r}")
    if isinstance(decay, bool) or not isinstance(decay, int | float) or not 1 <= decay < math.inf:
        raise ConfigError(f"strategy 'gradual': decay is a number from 1 on; got {decay!r}")
    return Gradual(unfreezing, float(decay))
