"""Attention flow: how much can run from an input word to a state, if every attention weight is a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.attention.maps import PieceBatch, Texts
from probekit.attention.mixing import Level, Mixing, encoder_layers, mix
from probekit.attention.rollout import layer_steps
from probekit.errors import ConfigError
from probekit.glossary import Progress, silent

if TYPE_CHECKING:
    from probekit.models.model import Model

Array = NDArray[Any]
SCALE = 2**30
"""A weight of 1 as the whole number that the solver takes; a flow is exact to (pieces of a layer)^2 / 2^31."""


def attention_flow(
    model: Model,
    texts: Texts,
    layer: int | str = "last",
    *,
    residual: float = 0.5,
    most_pieces: int = 64,
    level: Level = "word",
    text_form: str | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Mixing:
    """The maximum flow from each word's state at a layer down to each input word, through all layers below.

    The graph has a node for each piece and layer; between layers the capacity is what that layer mixes
    (``(1 - residual) A + residual I``, A the mean of its heads). A word of several pieces is one sink; as a source the
    flows of its pieces are averaged. A flow is computed for each pair by itself, so a row need not add up to 1; rows
    of `Mixing.rows` are shares. Capacities are whole multiples of 2^-30. Abnar & Zuidema 2020.

    A text of n pieces takes n^2 flow problems: about a second for 40 pieces, growing with n^4; texts of more than
    `most_pieces` are refused. Raises ConfigError (that, layer, residual, level), ModelError where the
    model gives no attention, DataError (no text).

    >>> found = pk.attention_flow(pk.load_model("demo:minilm"), "Keys rust.", 2)
    >>> found.map().shape
    (2, 2)
    """
    if not 0 <= residual < 1:
        raise ConfigError(f"residual must be at least 0 and below 1, not {residual}")
    all_layers = encoder_layers(model)
    [top] = all_layers[-1:] if layer == "last" else encoder_layers(model, [layer])
    below = all_layers[: all_layers.index(top) + 1]

    def compute(batch: PieceBatch) -> torch.Tensor:
        pieces = batch.ids.shape[1]
        if pieces > most_pieces:
            raise ConfigError(
                f"a text of {pieces} pieces needs {pieces**2:,} flow problems; take shorter texts, `rollout`, or "
                f"most_pieces={pieces}"
            )
        steps = layer_steps(model, batch, below, residual).cpu().numpy()
        if level == "piece":
            groups = [[[piece] for piece in range(pieces)]] * len(steps)
        else:
            groups = [_word_groups(batch, row) for row in range(len(steps))]
        flows = np.zeros((len(steps), pieces, max(len(own) for own in groups)))
        for row, own in enumerate(groups):
            flows[row, :, : len(own)] = max_flows(steps[row], own)
        return torch.from_numpy(flows)[:, None, None]

    def pool(batch: PieceBatch, flows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        width = batch.present.shape[1]
        rows = batch.mean.double()[:, None, None] @ flows
        return rows[..., :width], rows[..., width]

    return mix(
        model, texts, compute, layers=(top,), heads=("all",), kind="flow",
        method="attention flow" + ("" if residual == 0.5 else f" (residual {residual:g})"),
        value_label="maximum flow from the input", level=level, pool=pool, text_form=text_form,
        pieces_per_batch=1, resamples=resamples, progress=progress,
    )  # fmt: skip


def max_flows(steps: Array, groups: Sequence[Sequence[int]]) -> Array:
    """Maximum flow from each piece at the top to each group of pieces at the bottom: float64 ``[pieces, groups]``.

    `steps` float ``[layers, pieces, pieces]``, from low to high: ``steps[l, i, j]`` is the capacity of the edge from
    piece i above layer l to piece j below it. An empty group gets 0.

    >>> max_flows(np.array([[[0.5, 0.5], [0.0, 1.0]]]), [[0], [1], [0, 1]]).tolist()
    [[0.5, 0.5, 1.0], [0.0, 1.0, 1.0]]
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    n_layers, pieces, _ = steps.shape
    capacity = np.rint(steps * SCALE).astype(np.int64)
    layer, upper, lower = np.nonzero(capacity)
    rows, columns = (layer + 1) * pieces + upper, layer * pieces + lower
    sink = (n_layers + 1) * pieces
    flows = np.zeros((pieces, len(groups)))
    for number, group in enumerate(groups):
        if not len(group):
            continue
        into = np.asarray(group)
        data = np.concatenate([capacity[layer, upper, lower], np.full(len(into), 2**31 - 1)])
        at = (np.concatenate([rows, into]), np.concatenate([columns, np.full(len(into), sink)]))
        graph = csr_array((data.astype(np.int32), at), shape=(sink + 1, sink + 1), dtype=np.int32)
        for piece in range(pieces):
            flows[piece, number] = maximum_flow(graph, n_layers * pieces + piece, sink).flow_value / SCALE
    return flows


def _word_groups(batch: PieceBatch, row: int) -> list[list[int]]:
    """The pieces of each word of a sentence, and last those that are special."""
    member = batch.member[row].cpu().numpy() > 0
    special = np.flatnonzero(batch.special[row].cpu().numpy())
    return [*(np.flatnonzero(own).tolist() for own in member), special.tolist()]
