"""Small networks over the words of texts: batches by length, Adam, the best epoch kept."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probekit.adaptation.features import Features, WordRows
from probekit.adaptation.frozen.parts import layer_of
from probekit.estimators.holding_out import Best, hold_out
from probekit.estimators.logits import log_softmax
from probekit.estimators.mixing import mean_loss, mistakes_of, weights_of

WINDOW = 50
"""Batches are cut from so many batches' worth of shuffled texts, sorted by length; a window is read at a time."""
HELD_BYTES = 256 * 2**20
"""Words' states are held where they fit into this, else read window by window in every epoch."""
CHUNK = 8192


@dataclass(frozen=True)
class Words:
    """The words of some texts, none of them empty: ``states`` [words, dim], one text after the other; ``lengths``."""

    states: Tensor
    lengths: Tensor

    def padded(self, states: Tensor | None = None) -> Tensor:
        """States [texts, longest, dim], 0 behind the end of a text."""
        own = self.states if states is None else states
        return nn.utils.rnn.pad_sequence(list(torch.split(own, self.lengths.tolist())), batch_first=True)


class WordNet(nn.Module, ABC):
    """What a strategy brings. ``word_width`` and ``text_width``: features of a word (0: none) and of a text."""

    word_width: int
    text_width: int

    def of_words(self, words: Words) -> Tensor:
        """Features of each word, [words, word_width]; a net that knows texts alone has none."""
        return words.states[:, :0]

    @abstractmethod
    def of_texts(self, words: Words) -> Tensor:
        """Features of each text, [texts, text_width]."""


class Tagger(nn.Module):
    """A net over words and a linear layer: on words, on texts, or on pairs of texts as [u, v, |u-v|, u*v]."""

    shift: Tensor
    scale: Tensor

    def __init__(
        self, net: WordNet, dim: int, sides: int, outputs: int, *, labelled: bool, dropout: float
    ) -> None:
        super().__init__()
        width = net.word_width if labelled else net.text_width * (1 if sides == 1 else 4)
        self.net, self.labelled, self.dropout = net, labelled, nn.Dropout(dropout)
        self.out = nn.Linear(width, outputs)
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def forward(self, sides: list[Words]) -> Tensor:
        """Outputs [units, outputs]."""
        ready = [Words((side.states - self.shift) / self.scale, side.lengths) for side in sides]
        if self.labelled:
            found = self.net.of_words(Words(self.dropout(ready[0].states), ready[0].lengths))
        else:
            texts = [self.net.of_texts(Words(self.dropout(one.states), one.lengths)) for one in ready]
            found = texts[0]
            if len(texts) == 2:
                u, v = texts
                found = torch.cat([u, v, (u - v).abs(), u * v], dim=1)
        outputs: Tensor = self.out(self.dropout(found))
        return outputs


class WordNetHead(ABC):
    """Trains a `Tagger`. A strategy says how its net is made."""

    reads_words = True

    def __init__(
        self,
        layer: int | str = "last",
        dropout: float = 0.2,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.01,
        batch_size: int = 32,
        max_epochs: int = 20,
        patience: int = 3,
        seed: int = 0,
    ) -> None:
        self.layer, self.dropout, self.learning_rate, self.weight_decay = (
            layer,
            dropout,
            learning_rate,
            weight_decay,
        )
        self.batch_size, self.max_epochs, self.patience, self.seed = batch_size, max_epochs, patience, seed
        self.history: list[dict[str, Any]] = []
        self.n_trained = 0

    @abstractmethod
    def make(self, dim: int, *, labelled: bool) -> WordNet:
        """The net over vectors of `dim` numbers."""

    def fit(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None = None,
        y_dev: NDArray[Any] | None = None,
        class_weight: NDArray[np.float64] | None = None,
    ) -> None:
        """Fit on the words of a layer; ``n_classes=0``: y are numbers. Dev, or a tenth held out, says when to stop."""
        self.used, self.numeric = layer_of(features, self.layer), not n_classes
        self.target = (0.0, 1.0) if n_classes else (float(y.mean()), float(y.std()) or 1.0)
        self.shape = {"dim": features.dim, "sides": len(features.words), "outputs": max(n_classes, 1),
                      "labelled": features.words[0].labelled}  # fmt: skip
        texts = _readable(features)
        rng = np.random.default_rng([self.seed, 2])
        if features_dev is None or y_dev is None:
            train, held = (texts[part] for part in hold_out(len(texts), 0.1, self.seed))
            features_dev, y_dev = features, y
        else:
            train, held = texts, _readable(features_dev)
        shown, judged = _Texts(features, self.used), _Texts(features_dev, self.used)
        gold, gold_dev = self._coded(y), self._coded(y_dev)
        weigh = weights_of(class_weight, y)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.tagger = self._built()
            self.tagger.shift, self.tagger.scale = shown.moments(train)
            adam = torch.optim.AdamW(
                self.tagger.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
            )
            best, kept = Best(self.patience), _copy(self.tagger)
            self.history = []
            for epoch in range(1, self.max_epochs + 1):
                begun, total, count = time.process_time(), 0.0, 0
                self.tagger.train()
                for sides, units in shown.batches(train, self.batch_size, rng):
                    loss = mean_loss(self.tagger(sides), gold[units], weigh)
                    adam.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    nn.utils.clip_grad_norm_(self.tagger.parameters(), 1.0)
                    adam.step()
                    total, count = total + float(loss.detach()) * len(units), count + len(units)
                record = {"epoch": epoch, "loss": total / max(count, 1)}
                lost, mistakes, wrong, n = self._judge(judged, held, gold_dev, weigh)
                record["dev_loss"] = lost
                if n_classes:
                    record["dev_accuracy"] = 1.0 - wrong / max(n, 1)
                self.history.append({**record, "cpu_seconds": time.process_time() - begun})
                if best.tell(mistakes, lost):
                    kept = _copy(self.tagger)
                if best.done:
                    break
        self.tagger.load_state_dict(kept)
        self._count()

    def _built(self) -> Tagger:
        net = self.make(self.shape["dim"], labelled=bool(self.shape["labelled"]))
        return Tagger(net, self.shape["dim"], self.shape["sides"], self.shape["outputs"],
                      labelled=bool(self.shape["labelled"]), dropout=self.dropout)  # fmt: skip

    def _count(self) -> None:
        self.n_trained = sum(parameter.numel() for parameter in self.tagger.parameters())

    def _coded(self, y: NDArray[Any]) -> Tensor:
        if not self.numeric:
            return torch.from_numpy(y.astype(np.int64))
        return torch.from_numpy(((y - self.target[0]) / self.target[1]).astype(np.float32))

    @torch.no_grad()
    def _judge(
        self, shown: _Texts, texts: NDArray[Any], gold: Tensor, weigh: Tensor | None
    ) -> tuple[float, float, float, int]:
        """Mean loss and mistakes (weighted), mistakes (not weighted; 0 for numbers) and units of some texts. Units of
        unknown label count in none of them."""
        self.tagger.eval()
        total, mistakes, wrong, n = 0.0, 0.0, 0.0, 0
        for sides, units in shown.batches(texts, 256):
            found, own = self.tagger(sides), gold[units]
            if not self.numeric:
                found, own = found[own >= 0], own[own >= 0]
                mistakes += mistakes_of(found, own, weigh)
                wrong += mistakes_of(found, own, None)
            if len(own):
                total, n = total + float(mean_loss(found, own, weigh)) * len(own), n + len(own)
        return total / max(n, 1), mistakes, wrong, n

    @torch.no_grad()
    def outputs(self, features: Features) -> NDArray[np.float32]:
        """Log-probabilities [units, classes], or numbers [units, 1]; 0 for a unit that has nothing to be read."""
        self.tagger.eval()
        found = np.zeros((len(features), self.shape["outputs"]), np.float32)
        for sides, units in _Texts(features, self.used).batches(_readable(features), 256):
            found[units] = self.tagger(sides).numpy()
        if self.numeric:
            return (found * self.target[1] + self.target[0]).astype(np.float32)
        return log_softmax(found).astype(np.float32)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The net's tensors, and what it was made for."""
        arrays = {name: tensor.numpy() for name, tensor in self.tagger.state_dict().items()}
        words = {
            "layer": self.used,
            "numeric": self.numeric,
            "shape": self.shape,
            "target": list(self.target),
        }
        return arrays, words

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""
        self.used, self.numeric, self.shape = words["layer"], words["numeric"], dict(words["shape"])
        self.target = (words["target"][0], words["target"][1])
        with torch.random.fork_rng(devices=[]):
            self.tagger = self._built()
        self.tagger.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        self._count()


class _Texts:
    """The words of a layer, text by text, for one or two sides."""

    def __init__(self, features: Features, layer: str) -> None:
        self.rows, self.layer = features.words, layer
        size = sum(4 * len(rows.source) * rows.source.dim for rows in self.rows)
        self.held = [rows.source.vectors(layer) for rows in self.rows] if size <= HELD_BYTES else None

    def states(self, side: int, words: NDArray[Any]) -> NDArray[np.float32]:
        """Vectors of words of a side, by number."""
        return self.held[side][words] if self.held else self.rows[side].source.vectors(self.layer, words)

    def moments(self, texts: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Mean and deviation of every number over the words of some texts; constants have deviation 1."""
        dim = self.rows[0].source.dim
        total, squares, n = np.zeros(dim), np.zeros(dim), 0
        for side, rows in enumerate(self.rows):
            words = _words_of(rows, texts)
            for at in range(0, len(words), CHUNK):
                chunk = self.states(side, words[at : at + CHUNK]).astype(np.float64)
                total, squares, n = (
                    total + chunk.sum(axis=0),
                    squares + np.square(chunk).sum(axis=0),
                    n + len(chunk),
                )
        mean = total / n
        deviation = np.sqrt(np.maximum(squares / n - mean**2, 0.0))
        deviation[deviation <= 1e-6 * np.abs(mean) + 1e-30] = 1.0
        return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(deviation.astype(np.float32))

    def batches(
        self, texts: NDArray[Any], size: int, rng: np.random.Generator | None = None
    ) -> Iterator[tuple[list[Words], NDArray[Any]]]:
        """Batches of texts of near lengths, shuffled with a generator, with the numbers of their units."""
        order = texts if rng is None else rng.permutation(texts)
        lengths = np.sum([np.diff(rows.start) for rows in self.rows], axis=0)
        for begin in range(0, len(order), size * WINDOW):
            window = order[begin : begin + size * WINDOW]
            window = window[np.argsort(-lengths[window], kind="stable")]
            held = [self.states(side, _words_of(rows, window)) for side, rows in enumerate(self.rows)]
            first = [np.concatenate([[0], np.cumsum(np.diff(rows.start)[window])]) for rows in self.rows]
            starts = np.arange(0, len(window), size)
            for at in starts if rng is None else rng.permutation(starts):
                part = window[at : at + size]
                sides = []
                for side, rows in enumerate(self.rows):
                    own = held[side][first[side][at] : first[side][at + len(part)]]
                    sides.append(Words(torch.from_numpy(own), torch.from_numpy(np.diff(rows.start)[part])))
                rows = self.rows[0]
                yield sides, rows.units[_words_of(rows, part)] if rows.labelled else part


def _words_of(rows: WordRows, texts: NDArray[Any]) -> NDArray[np.int64]:
    """The numbers of the words of some texts, text after text."""
    lengths = np.diff(rows.start)[texts]
    begins = np.cumsum(lengths) - lengths
    found: NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(rows.start[texts] - begins, lengths)
    return found


def _readable(features: Features) -> NDArray[np.int64]:
    """The texts that have a word on every side."""
    return np.flatnonzero(np.stack([np.diff(rows.start) > 0 for rows in features.words]).all(axis=0))


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
