"""IA3 through peft: factors on keys, values and neurons (Liu et al. 2022, arXiv:2205.05638)."""

from __future__ import annotations

from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.parts import no_options
from probekit.adaptation.strategies.targets import KEY, VALUE, attention_maps, is_transposed
from probekit.adaptation.strategies.through_peft import PeftTuning, import_peft
from probekit.models.hooks.sites import find_place


class Ia3(PeftTuning):
    """Every factor begins as 1, so that at first nothing is changed."""

    name = "ia3"

    def configure(self, live: Live) -> Any:
        """Keys and values (or the one map that makes both and the query), and what the down projection reads."""
        maps = attention_maps(live, KEY, VALUE)
        if not maps:
            raise self.impossible(live, "its maps of keys and values are not known")
        stack = live.model.stacks[0]
        names = {id(module): name for name, module in live.body.named_modules()}
        downs = [
            names[id(find_place(live.model, f"{stack.prefix}{number}", "mlp").module)]
            for number in range(1, stack.blocks + 1)
        ]
        targets = [*maps, *downs]
        return import_peft().IA3Config(
            target_modules=targets,
            feedforward_modules=downs,
            fan_in_fan_out=is_transposed(live, targets),
        )


def tuning(options: dict[str, Any]) -> Ia3:
    """It has no options."""
    no_options("ia3", options)
    return Ia3(options)
