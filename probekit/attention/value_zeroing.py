"""Value zeroing: how much a block's output changes where one piece has nothing to give."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch

from probekit.attention.maps import PieceBatch, Texts
from probekit.attention.mixing import Level, Mixing, encoder_layers, mix
from probekit.glossary import Layer, Progress, silent
from probekit.models.attention import attend
from probekit.models.attention_edits import changed_values
from probekit.models.hooks.place import Act
from probekit.models.hooks.sites import find_place

if TYPE_CHECKING:
    from probekit.models.model import Model

PIECES_AT_ONCE = 4096


def value_zeroing(
    model: Model,
    texts: Texts,
    layers: str | int | Iterable[int | str] = "all",
    *,
    level: Level = "word",
    text_form: str | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Mixing:
    """How much each word's state in a layer depends on what each other word gives in that layer.

    The value vector of one piece is set to zero in one layer, in all heads, weights unchanged; the cosine distance
    between the block's output with and without it, for every piece, is a column of the map. Rows are divided by their
    sum. Mohebbi et al. 2023. All pieces are zeroed side by side in copies of the text, and all layers in one pass: each
    block of every copy is given what the untouched copy gave. Edits in force are in force here.

    Raises ModelError for a family whose values cannot be reached, ConfigError (layers, level), DataError (no text).

    >>> found = pk.value_zeroing(pk.load_model("demo:minilm"), "The keys are here.", [1, 6])
    >>> found.map(6).shape, bool((found.map(6) >= 0).all())
    ((4, 4), True)
    """
    wanted = encoder_layers(model, layers)
    with changed_values(model, lambda values: values):  # a family that cannot is refused before any work
        pass

    def compute(batch: PieceBatch) -> torch.Tensor:
        distances = torch.stack([zeroed_distances(model, ids[None], wanted) for ids in batch.ids])
        return (distances / distances.sum(-1, keepdim=True).clamp(min=1e-300))[:, :, None]

    return mix(
        model, texts, compute, layers=wanted, heads=("all",), kind="value-zeroing", method="value zeroing",
        value_label="share of the change of the block's output", level=level, text_form=text_form,
        resamples=resamples, progress=progress,
    )  # fmt: skip


@torch.no_grad()
def zeroed_distances(
    model: Model, ids: torch.Tensor, layers: tuple[Layer, ...], pieces_at_once: int = PIECES_AT_ONCE
) -> torch.Tensor:
    """Cosine distances float64 ``[layers, pieces that look, pieces zeroed]`` of one text, ids ``[1, pieces]``."""
    pieces = ids.shape[1]
    found = torch.zeros(len(layers), pieces, pieces, dtype=torch.float64)
    blocks = encoder_layers(model)
    places = [find_place(model, layer, "hidden") for layer in blocks]
    step = max(1, pieces_at_once // pieces - 1)
    for start in range(0, pieces, step):
        zeroed = torch.arange(start, min(pieces, start + step), device=ids.device)
        rows = torch.arange(1, len(zeroed) + 1, device=ids.device)

        def zero(values: torch.Tensor, rows: torch.Tensor = rows, at: torch.Tensor = zeroed) -> torch.Tensor:
            changed = values.clone()
            changed[rows, :, at] = 0
            return changed

        with ExitStack() as cleanup:
            cleanup.enter_context(changed_values(model, zero))  # first: it may try the model out, unwatched
            for place in places:
                out = found[layers.index(place.layer)] if place.layer in layers else None
                cleanup.callback(place.attach(_compared(out, zeroed), first=False).remove)
            attend(model, ids.expand(len(zeroed) + 1, -1), None, lambda _layer, _seen: None, blocks[:1])
    return found


def _compared(out: torch.Tensor | None, zeroed: torch.Tensor) -> Act:
    """Keeps how far each copy of a block's output is from the first, and gives the first on to all."""
    thread = threading.get_ident()

    def act(states: torch.Tensor) -> torch.Tensor:
        if threading.get_ident() != thread:
            return states
        if out is not None:
            cosine = torch.nn.functional.cosine_similarity(states[1:].double(), states[:1].double(), dim=-1)
            out[:, zeroed.cpu()] = (1 - cosine).clamp(min=0).T.cpu()
        return states[:1].expand_as(states).contiguous()

    return act
