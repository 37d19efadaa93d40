"""Attention panels made by hand, of the size of a small model: 6 layers of 12 heads."""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.results.panel import Panel

ATTACK = "</script><img src=x onerror=document.title='XSS'>"
WORDS = ["the", "keys", "to", "the", "cabinets", "of", "the", "old", "gardener", "are", "here"]


def softmax(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def attention(
    pieces: int = 13,
    layers: int = 6,
    heads: int = 12,
    *,
    dim: int = 0,
    tokens: list[str] | None = None,
    causal: bool = False,
    seed: int = 0,
    **labels: Any,
) -> Panel:
    """Weights between [CLS], words and [SEP]; with `dim`, those of queries and keys."""
    rng = np.random.default_rng(seed)
    queries, keys = (rng.normal(0, 1.5, (layers, heads, pieces, dim or 4)) for _ in range(2))
    scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(dim or 4)
    if causal:
        scores[..., np.triu(np.ones((pieces, pieces), dtype=bool), 1)] = -np.inf
    arrays = {"weights": softmax(scores).astype(np.float32)}
    if dim:
        arrays |= {"queries": queries.astype(np.float32), "keys": keys.astype(np.float32)}
    words = tokens or ["[CLS]", *(WORDS[i % len(WORDS)] for i in range(pieces - 2)), "[SEP]"]
    given: dict[str, Any] = {
        "tokens": words, "layers": [str(i + 1) for i in range(layers)], "heads": [str(i) for i in range(heads)],
        "special": [0, pieces - 1],
    }  # fmt: skip
    return Panel("attention", "attention", "Attention of a model", "", arrays, given | labels)
