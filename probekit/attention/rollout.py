"""Attention rollout: through all layers at once, with the residual stream as half of every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from probekit.attention.maps import PieceBatch, Texts
from probekit.attention.mixing import Level, Mixing, encoder_layers, mix
from probekit.errors import ConfigError
from probekit.glossary import Layer, Progress, silent
from probekit.models.attention import Attended, attend

if TYPE_CHECKING:
    from probekit.models.model import Model


def rollout(
    model: Model,
    texts: Texts,
    *,
    residual: float = 0.5,
    level: Level = "word",
    text_form: str | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Mixing:
    """How much of each word's state comes from each input word, if every layer mixed by its mean attention.

    A layer is ``(1 - residual) A + residual I`` with A the mean of its heads, rows divided by their sum; the map of
    layer i is the product of layers i to 1. Rows add up to 1 over words and special pieces. Abnar & Zuidema 2020. Of
    an encoder-decoder the encoder is read. It tells nothing of values or of what the feed-forward parts do: compare
    with `value_zeroing` (`compare_maps`).

    Raises ModelError where the model gives no attention, ConfigError (residual, level), DataError (no text).

    >>> found = pk.rollout(pk.load_model("demo:minilm"), "The keys are here.")
    >>> found.map(6).shape, bool(found.map(1).diagonal().min() > 0.5)
    ((4, 4), True)
    """
    if not 0 <= residual < 1:
        raise ConfigError(f"residual must be at least 0 and below 1, not {residual}")
    layers = encoder_layers(model)

    def compute(batch: PieceBatch) -> torch.Tensor:
        steps = layer_steps(model, batch, layers, residual)
        for number in range(1, len(layers)):
            steps[:, number] = steps[:, number] @ steps[:, number - 1]
        return steps[:, :, None].float()

    method = "attention rollout" + ("" if residual == 0.5 else f" (residual {residual:g})")
    return mix(
        model, texts, compute, layers=layers, heads=("all",), kind="rollout", method=method,
        value_label="share of the input word", level=level, text_form=text_form, resamples=resamples,
        progress=progress,
    )  # fmt: skip


def layer_steps(model: Model, batch: PieceBatch, layers: tuple[Layer, ...], residual: float) -> torch.Tensor:
    """What each layer mixes, its residual stream counted in: float64 ``[batch, layers, pieces, pieces]``, rows add up
    to 1."""
    steps: list[torch.Tensor] = []
    eye = torch.eye(batch.ids.shape[1], dtype=torch.float64, device=batch.ids.device)

    def keep(_layer: Layer, attended: Attended) -> None:
        mixed = (1 - residual) * attended.weights.double().mean(1) + residual * eye
        steps.append(mixed / mixed.sum(-1, keepdim=True))

    attend(model, batch.ids, None, keep, layers)
    return torch.stack(steps, 1)
