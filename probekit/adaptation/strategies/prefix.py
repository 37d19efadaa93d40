"""Prefix tuning through peft: keys and values in front of every layer's own (Li and Liang 2021, arXiv:2101.00190)."""

from __future__ import annotations

from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.fronted import FrontTuning
from probekit.adaptation.strategies.parts import no_options
from probekit.adaptation.strategies.through_peft import import_peft
from probekit.models.hooks.sites import n_heads


class Prefix(FrontTuning):
    """``pieces`` of them, without the network that re-parametrises them. A family whose text has absolute positions
    reads it at the positions behind them, as transformers does with whatever is remembered.
    """

    name = "prefix"
    keys = True
    reason = "its attention reads no keys and values in front of the text's own; 'prompt' comes nearest"

    def configure(self, live: Live) -> Any:
        """The shape of keys and values, from the model."""
        peft = import_peft()
        stack = live.model.stacks[0]
        return peft.PrefixTuningConfig(
            task_type=peft.TaskType.FEATURE_EXTRACTION,
            num_virtual_tokens=self.whole("pieces", 20),
            num_layers=stack.blocks,
            num_attention_heads=n_heads(live.model, stack),
            num_transformer_submodules=1,
            token_dim=live.model.dim,
        )


def tuning(options: dict[str, Any]) -> Prefix:
    """``pieces`` in front (20)."""
    no_options("prefix", options, ("pieces",))
    return Prefix(options)
