"""A text as a weighted mean of its words' states, the weights learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from probekit.adaptation.frozen.parts import take_options
from probekit.adaptation.frozen.word_nets import WordNet, WordNetHead, Words
from probekit.errors import ConfigError


class AttentionPool(WordNet):
    """Each of ``heads`` weighs the words by softmax(v tanh(U x)) (Lin et al. 2017, eq. 6) and gives a mean."""

    word_width = 0

    def __init__(self, dim: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(dim, hidden, bias=False), nn.Tanh(), nn.Linear(hidden, heads, bias=False)
        )
        self.text_width = heads * dim

    def weights(self, words: Words) -> Tensor:
        """The weight of each word, [texts, heads, longest]; they sum to 1 over a text, and are 0 behind its end."""
        scores = words.padded(self.score(words.states)).transpose(1, 2)
        beyond = torch.arange(scores.shape[2]) >= words.lengths.unsqueeze(1)
        return torch.softmax(scores.masked_fill(beyond.unsqueeze(1), -torch.inf), dim=2)

    def of_texts(self, words: Words) -> Tensor:
        """Weighted means, [texts, heads*dim]."""
        return (self.weights(words) @ words.padded()).flatten(1)


class AttentionPoolingHead(WordNetHead):
    """Options: those of training (`WordNetHead`), ``hidden`` (width of U) and ``heads``."""

    def __init__(self, layer: int | str = "last", hidden: int = 64, heads: int = 1, dropout: float = 0.2,
                 learning_rate: float = 2e-3, weight_decay: float = 0.01, batch_size: int = 32, max_epochs: int = 20,
                 patience: int = 3, seed: int = 0) -> None:  # fmt: skip
        super().__init__(layer, dropout, learning_rate, weight_decay, batch_size, max_epochs, patience, seed)
        self.hidden, self.heads = hidden, heads

    def make(self, dim: int, *, labelled: bool) -> AttentionPool:
        """The attention; ConfigError for labels of words."""
        if labelled:
            raise ConfigError(
                "attention-pooling makes one vector of a text, and here words have labels; take bilstm or frozen-linear"
            )
        return AttentionPool(dim, self.hidden, self.heads)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The net's tensors, and what it was made for."""
        arrays, words = super().state()
        return arrays, {**words, "hidden": self.hidden, "heads": self.heads}

    def restore(self, arrays: Mapping[str, Any], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""
        self.hidden, self.heads = words["hidden"], words["heads"]
        super().restore(arrays, words)


def head(options: Mapping[str, Any], seed: int) -> AttentionPoolingHead:
    """Attention over words; `seed` draws weights, dropout, the texts held out and the order."""
    found: AttentionPoolingHead = take_options("attention-pooling", AttentionPoolingHead, options, seed)
    return found
