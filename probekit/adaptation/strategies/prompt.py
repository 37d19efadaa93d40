"""Prompt tuning through peft: vectors in front of the text's embeddings (Lester et al. 2021, arXiv:2104.08691)."""

from __future__ import annotations

from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.fronted import FrontTuning
from probekit.adaptation.strategies.parts import no_options
from probekit.adaptation.strategies.through_peft import import_peft
from probekit.models.hooks.sites import n_heads


class Prompt(FrontTuning):
    """``pieces`` vectors in front of every text; they begin as embeddings of pieces drawn from the vocabulary."""

    name = "prompt"
    reason = "it reads piece ids only, no vectors in their place"

    def configure(self, live: Live) -> Any:
        """As wide as the embeddings."""
        peft = import_peft()
        stack = live.model.stacks[0]
        return peft.PromptTuningConfig(
            task_type=peft.TaskType.FEATURE_EXTRACTION,
            prompt_tuning_init=peft.PromptTuningInit.SAMPLE_VOCAB,
            num_virtual_tokens=self.whole("pieces", 20),
            num_layers=stack.blocks,
            num_attention_heads=n_heads(live.model, stack),
            num_transformer_submodules=1,
            token_dim=live.body.get_input_embeddings().weight.shape[1],
        )


def tuning(options: dict[str, Any]) -> Prompt:
    """``pieces`` in front (20)."""
    no_options("prompt", options, ("pieces",))
    return Prompt(options)
