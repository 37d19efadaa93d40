"""A bidirectional LSTM over the states of words (the featurised recurrent network)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from probekit.adaptation.frozen.parts import take_options
from probekit.adaptation.frozen.word_nets import WordNet, WordNetHead, Words


class BiLSTM(WordNet):
    """One layer in each direction. A text is the largest value of each unit over its words (Conneau et al. 2017)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, hidden, bidirectional=True, batch_first=True)
        self.word_width = self.text_width = 2 * hidden

    def of_words(self, words: Words) -> Tensor:
        """The states of both directions at each word, [words, 2*hidden]."""
        states = self._run(words)
        place = torch.arange(states.shape[1]) < words.lengths.unsqueeze(1)
        return states[place]

    def of_texts(self, words: Words) -> Tensor:
        """The largest value over the words, [texts, 2*hidden]."""
        states = self._run(words)
        beyond = torch.arange(states.shape[1]) >= words.lengths.unsqueeze(1)
        return states.masked_fill(beyond.unsqueeze(2), -torch.inf).amax(dim=1)

    def _run(self, words: Words) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            words.padded(), words.lengths, batch_first=True, enforce_sorted=False
        )
        states: Tensor = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]
        return states


class BiLSTMHead(WordNetHead):
    """Options: those of training (`WordNetHead`), and ``hidden``, the units of each direction."""

    def __init__(self, layer: int | str = "last", hidden: int = 64, dropout: float = 0.2, learning_rate: float = 2e-3,
                 weight_decay: float = 0.01, batch_size: int = 32, max_epochs: int = 20, patience: int = 3,
                 seed: int = 0) -> None:  # fmt: skip
        super().__init__(layer, dropout, learning_rate, weight_decay, batch_size, max_epochs, patience, seed)
        self.hidden = hidden

    def make(self, dim: int, *, labelled: bool) -> BiLSTM:
        """The LSTM."""
        return BiLSTM(dim, self.hidden)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The net's tensors, and what it was made for."""
        arrays, words = super().state()
        return arrays, {**words, "hidden": self.hidden}

    def restore(self, arrays: Mapping[str, Any], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""
        self.hidden = words["hidden"]
        super().restore(arrays, words)


def head(options: Mapping[str, Any], seed: int) -> BiLSTMHead:
    """A BiLSTM; `seed` draws weights, dropout, the texts held out and the order."""
    found: BiLSTMHead = take_options("bilstm", BiLSTMHead, options, seed)
    return found
