"""LoRA through peft: a low-rank change of queries and values (Hu et al. 2022, arXiv:2106.09685)."""

from __future__ import annotations

from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.parts import no_options
from probekit.adaptation.strategies.targets import QUERY, VALUE, attention_maps, is_transposed
from probekit.adaptation.strategies.through_peft import PeftTuning, import_peft
from probekit.errors import ConfigError


class Lora(PeftTuning):
    """``W + alpha / rank * B A`` for each target; B begins as zeros, so that at first nothing is changed."""

    name = "lora"

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self.rank = self.whole("rank", 8)
        self.alpha = self.number("alpha", 2 * self.rank)
        self.dropout = self.number("dropout", 0.0)
        if self.dropout >= 1:
            raise ConfigError(f"strategy 'lora': dropout is below 1; got {self.dropout}")
        self.targets = options.get("targets")
        if self.targets is not None and (
            not isinstance(self.targets, list | tuple)
            or not self.targets
            or not all(isinstance(one, str) for one in self.targets)
        ):
            raise ConfigError(f"strategy 'lora': targets is a list of names of modules; got {self.targets!r}")

    def configure(self, live: Live) -> Any:
        """Queries and values, or the one map that makes both."""
        targets = list(self.targets or attention_maps(live, QUERY, VALUE))
        if not targets:
            raise self.impossible(
                live, "its maps of queries and values are not known; name maps with the option targets=[...]"
            )
        return import_peft().LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=targets,
            fan_in_fan_out=is_transposed(live, targets),
        )


def tuning(options: dict[str, Any]) -> Lora:
    """``rank`` (8), ``alpha`` (twice the rank), ``dropout`` (0), ``targets`` (names of modules)."""
    no_options("lora", options, ("rank", "alpha", "dropout", "targets"))
    return Lora(options)
