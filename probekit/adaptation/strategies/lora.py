"""LoRA through peft: a low-rank change of queries and values (Hu et al. 2022, arXiv:2106.09685)."""

from __future__ import annotations

from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.parts import no_options
from probekit.adaptation.strategies.targets import QUERY, VALUE, attention_maps
from probekit.adaptation.strategies.through_peft import PeftTuning, import_peft


class Lora(PeftTuning):
    """``W + alpha / rank * B A`` for each target; B begins as zeros, so that at first nothing is changed."""

    name = "lora"
    mergeable = True

    def configure(self, live: Live) -> Any:
        """Queries and values, or the one map that makes both."""
        rank = self.whole("rank", 8)
        targets = self.options.get("targets") or attention_maps(live, QUERY, VALUE)
        if not targets:
            raise self.impossible(live, "its maps of queries and values are not known; name maps with the "
                                        "option targets=[...]")  # fmt: skip
        return import_peft().LoraConfig(
            r=rank,
            lora_alpha=self.options.get("alpha", 2 * rank),
            lora_dropout=self.options.get("dropout", 0.0),
            target_modules=list(targets),
        )


def tuning(options: dict[str, Any]) -> Lora:
    """``rank`` (8), ``alpha`` (twice the rank), ``dropout`` (0), ``targets`` (names of modules)."""
    no_options("lora", options, ("rank", "alpha", "dropout", "targets"))
    return Lora(options)
