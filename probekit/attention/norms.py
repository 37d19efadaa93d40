"""Attention by norms: a weight says little of a vector that is nearly zero."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from probekit.attention.maps import PieceBatch, Texts
from probekit.attention.mixing import Level, Mixing, encoder_layers, mix
from probekit.errors import ModelError
from probekit.glossary import Layer, Progress, silent
from probekit.models.attention import Attended, attend
from probekit.models.hooks.capture import capture
from probekit.models.hooks.sites import find_place

if TYPE_CHECKING:
    from probekit.models.model import Model

CELLS = 20_000_000
"""Numbers of vectors alpha f(x) held at once when heads are added up: 80 MB."""
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
"""Of the largest number, how far sums may be off; half precision rounds each of them."""
ROUGH = 5e-2


def norm_maps(
    model: Model,
    texts: Texts,
    layers: str | int | Iterable[int | str] = "all",
    *,
    together: bool = False,
    level: Level = "word",
    text_form: str | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Mixing:
    """How long the vector is that each word hands to each other one, per head: ``|| alpha_ij f(x_j) ||``.

    f is what a head makes of a piece: its value through the head's part of the output projection; these vectors,
    over pieces and heads, and the bias of the projection add up to the output of self-attention, which is checked on
    every batch. With `together` the vectors of all heads are added up before the norm is taken, and there is one map
    per layer. Norms are not divided by anything; `rows` are of shares. Kobayashi et al. 2020.

    Raises ModelError where values cannot be seen, where the family's output projection is not known, or the
    vectors do not add up (an edit at site heads is in force); ConfigError (layers, level), DataError (no text).

    >>> found = pk.norm_maps(pk.load_model("demo:minilm"), "The keys are here.", [1])
    >>> found.map(1).shape
    (12, 4, 4)
    """
    wanted = encoder_layers(model, layers)
    projections = {layer: output_projection(model, layer) for layer in wanted}
    heads = ("all",) if together else tuple(str(number) for number in range(model.n_heads))

    def compute(batch: PieceBatch) -> torch.Tensor:
        found: list[torch.Tensor] = []

        def keep(layer: Layer, attended: Attended) -> None:
            values = _values(model, layer, attended)
            weights = attended.weights
            weight, _ = projections[layer]
            if together:
                found.append(joint_norms(weights, values, weight))
            else:
                found.append(weights * head_vectors(values, weight).norm(dim=-1)[:, :, None])
            sums[layer] = _projected(weights.float() @ values.float(), *projections[layer])

        sums: dict[Layer, torch.Tensor] = {}
        with torch.no_grad(), capture(model, wanted, "attention_output") as given:
            attend(model, batch.ids, None, keep, wanted)
            for layer in wanted:
                _check(model, layer, sums[layer], given[layer])
        return torch.stack(found, 1)

    what = "norm of the vector handed on"
    return mix(
        model, texts, compute, layers=wanted, heads=heads, kind="norms", method="norm-based attention",
        value_label=f"{what}, heads added up" if together else what, level=level, text_form=text_form,
        resamples=resamples, progress=progress,
    )  # fmt: skip


def output_projection(model: Model, layer: Layer) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weight float32 ``[heads, dim of a head, dim]`` and bias ``[dim]`` of a block's output projection.

    Raises ModelError where the family's is not known or is no linear map.
    """
    place = find_place(model, layer, "heads")
    module: Any = place.module
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
        raise ModelError(
            f"{model.name}: the output projection of layer {layer} is a {type(module).__name__}, not a linear map "
            "whose weights can be split by head"
        )
    mapped = weight.detach().float()
    if isinstance(module, nn.Linear):  # Conv1D of GPT-2 is stored the other way round
        mapped = mapped.T
    if mapped.shape[0] % place.heads:
        raise ModelError(
            f"{model.name}: layer {layer} projects {mapped.shape[0]} numbers, not {place.heads} equal heads"
        )
    bias = getattr(module, "bias", None)
    return mapped.reshape(place.heads, -1, mapped.shape[1]), None if bias is None else bias.detach().float()


def head_vectors(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """f(x_j) of every head: values ``[batch, heads, pieces, dim of a head]`` -> ``[batch, heads, pieces, dim]``."""
    return torch.einsum("bhjd,hde->bhje", values.float(), weight)


def joint_norms(weights: torch.Tensor, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Norms of the vectors of all heads added up, ``[batch, 1, pieces, pieces]``."""
    vectors = head_vectors(values, weight)
    batch, _, pieces, dim = vectors.shape
    step = max(1, CELLS // max(1, batch * pieces * dim))
    parts = [
        torch.einsum("bhij,bhje->bije", weights[:, :, start : start + step].float(), vectors).norm(dim=-1)
        for start in range(0, weights.shape[2], step)
    ]
    return torch.cat(parts, 1)[:, None]


def _values(model: Model, layer: Layer, attended: Attended) -> torch.Tensor:
    if attended.values is None:
        raise ModelError(
            f"{model.name}: {model.family} computes the values of layer {layer} out of sight, so that norms of what "
            "heads hand on are not known; its weights and `rollout` are"
        )
    return attended.values


def _projected(mixed: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    summed = torch.einsum("bhid,hde->bie", mixed, weight)
    return summed if bias is None else summed + bias


def _check(model: Model, layer: Layer, summed: torch.Tensor, given: torch.Tensor) -> None:
    """That the vectors add up to what self-attention gave, within rounding."""
    off = float((summed - given.float()).abs().max())
    scale = float(given.float().abs().max())
    if not off <= TOLERANCE.get(given.dtype, ROUGH) * max(scale, 1e-6):
        raise ModelError(
            f"{model.name}: at layer {layer} the vectors of all heads and the bias are {off:.2g} away from what "
            f"self-attention gave (at most {scale:.2g}): {model.family} does more there than its table row says, or an "
            "edit at site 'heads' or 'attention_output' is in force; norms would be wrong"
        )
