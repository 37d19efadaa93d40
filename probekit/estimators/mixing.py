"""A weighted mean of layers, its weights trained together with the linear layer on it.

Peters et al. 2018 (Deep contextualized word representations, eq. 1)::

    z = gamma * sum_l s_l (x_l - mean_l) / deviation_l,   s = softmax(w);   outputs = W z + b
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from probekit.errors import DataError
from probekit.estimators.holding_out import Best, hold_out

Array = NDArray[Any]
CHUNK = 4096
WINDOW_BYTES = 256 * 2**20
"""Rows of all layers that are held at a time; where all fit, they are read once."""
FEWEST, STEPS = 8, 32
"""Rows in a batch at least, and steps that an epoch should have."""


class Layers(Protocol):
    """Rows of several layers, read when asked for."""

    n: int
    n_layers: int
    dim: int

    def take(self, layer: int, rows: Array) -> Array:
        """Some rows of a layer, float [rows, dim]."""


class ArrayLayers:
    """A matrix [n, layers*dim] as layers."""

    def __init__(self, X: Array, n_layers: int) -> None:
        self.X, self.n, self.n_layers, self.dim = X, len(X), n_layers, X.shape[1] // n_layers

    def take(self, layer: int, rows: Array) -> Array:
        """Some rows of a layer."""
        found: Array = self.X[rows, layer * self.dim : (layer + 1) * self.dim]
        return found


@dataclass(frozen=True, kw_only=True)
class MixSolution:
    """A trained mix: ``weights`` [layers] sum to 1, ``coef`` [outputs, dim] and ``intercept`` [outputs] stand on it.

    ``shift`` and ``scale`` [layers, dim] standardise the layers; numbers are ``target_shift + target_scale * output``.
    """

    weights: Array
    gamma: float
    coef: Array
    intercept: Array
    shift: Array
    scale: Array
    target_shift: float
    target_scale: float
    history: tuple[dict[str, Any], ...]
    converged: bool


def solve_mix(
    layers: Layers,
    y: Array,
    n_classes: int,
    *,
    dev: Layers | None = None,
    y_dev: Array | None = None,
    class_weight: Array | None = None,
    learning_rate: float = 5e-3,
    weight_decay: float = 0.1,
    batch_size: int = 128,
    max_epochs: int = 60,
    patience: int = 5,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> MixSolution:
    """Train mix and linear layer with Adam on codes y [n] (or numbers, ``n_classes=0``); the best epoch is kept.

    It stops after ``patience`` epochs without fewer mistakes or less loss on `dev`, or on a ``validation_fraction`` of
    the rows. Decoupled weight decay acts on the linear layer alone. ``class_weight`` [classes] weighs the loss.
    A batch has ``batch_size`` rows, or fewer (from 8) so that an epoch has 32 steps. ``seed`` draws weights, rows held
    out and order. Memory does not grow with the rows beyond 256 MiB.

    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> solution = solve_mix(ArrayLayers(X, 2), (X[:, 3] > 0).astype(int), 2, max_epochs=30)
    >>> bool(solution.weights[1] > 0.6)
    True
    """
    y = np.asarray(y)
    if y.shape != (layers.n,):
        raise DataError(f"labels must be one per row, [{layers.n}]; got shape {y.shape}")
    if dev is None:
        train, held = hold_out(layers.n, validation_fraction, seed)
    else:
        train, held = np.arange(layers.n), np.arange(dev.n)
    shift, scale = _moments(layers, train)
    target = (0.0, 1.0)
    if not n_classes:
        y = y.astype(np.float64)
        target = (float(y[train].mean()), float(y[train].std()) or 1.0)
    net = _Mix(layers.n_layers, layers.dim, max(n_classes, 1), seed)
    if n_classes:
        net.begin(np.bincount(y[train], class_weight if class_weight is None else np.asarray(class_weight)[y[train]],
                              minlength=n_classes))  # fmt: skip
    gold = _coded(y, n_classes, target)
    gold_dev = gold if dev is None else _coded(np.asarray(y_dev), n_classes, target)
    weigh = weights_of(class_weight, y)
    size = max(FEWEST, min(batch_size, len(train) // STEPS))
    rng = np.random.default_rng([seed, 2])
    best, kept, history = Best(patience), net.copy(), []
    whole = _Windows(layers, train, shift, scale)
    others = _Windows(layers if dev is None else dev, held, shift, scale)
    for epoch in range(1, max_epochs + 1):
        begun, total = time.process_time(), 0.0
        for rows, block in whole.shuffled(rng):
            for at in range(0, len(rows), size):
                part = slice(at, at + size)
                loss = mean_loss(net(block(part)), gold[rows[part]], weigh)
                net.step(loss, learning_rate, weight_decay)
                total += float(loss.detach()) * len(rows[part])
        lost, mistakes, wrong = _judge(net, others, gold_dev, weigh)
        record = {"epoch": epoch, "loss": total / len(train), "dev_loss": lost}
        if n_classes:
            record["dev_accuracy"] = 1.0 - wrong / len(others.rows)
        history.append({**record, "cpu_seconds": time.process_time() - begun})
        if best.tell(mistakes, lost):
            kept = net.copy()
        if best.done:
            break
    weights, gamma, coef, intercept = kept
    return MixSolution(
        weights=weights, gamma=gamma, coef=coef, intercept=intercept, shift=shift, scale=scale,
        target_shift=target[0], target_scale=target[1], history=tuple(history), converged=best.done,
    )  # fmt: skip


def mix_outputs(solution: MixSolution, layers: Layers) -> NDArray[np.float32]:
    """Logits [n, classes], or numbers [n, 1], layer by layer and chunk by chunk."""
    coef = torch.from_numpy(solution.coef.T.copy())
    found = np.empty((layers.n, len(solution.intercept)), np.float32)
    for start in range(0, layers.n, CHUNK):
        rows = np.arange(start, min(start + CHUNK, layers.n))
        mixed = torch.zeros(len(rows), layers.dim)
        for layer, weight in enumerate(solution.weights.tolist()):
            mixed += weight * _standard(
                layers.take(layer, rows), solution.shift[layer], solution.scale[layer]
            )
        outputs = (solution.gamma * mixed) @ coef + torch.from_numpy(solution.intercept)
        found[rows] = outputs.numpy()
    if solution.target_scale != 1.0 or solution.target_shift:
        found = (found * solution.target_scale + solution.target_shift).astype(np.float32)
    return found


class _Mix:
    """The trained numbers, moved by Adam."""

    def __init__(self, n_layers: int, dim: int, outputs: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(int(seed))
        bound = (6.0 / (dim + outputs)) ** 0.5
        coef = (torch.rand(dim, outputs, generator=draw) * 2 - 1) * bound
        self.w = torch.zeros(n_layers, requires_grad=True)
        self.gamma = torch.ones((), requires_grad=True)
        self.coef = coef.requires_grad_()
        self.intercept = torch.zeros(outputs, requires_grad=True)
        self.adam: torch.optim.Optimizer | None = None

    def begin(self, mass: Array) -> None:
        """Intercepts as the frequencies (or weights) of the classes say; a class without any has half of the least."""
        with torch.no_grad():
            shares = np.maximum(mass, 0.5 * mass[mass > 0].min()) / mass.sum()
            self.intercept += torch.from_numpy(np.log(shares).astype(np.float32))

    def __call__(self, block: Tensor) -> Tensor:
        """block [m, layers, dim] -> outputs [m, outputs]."""
        mixed = torch.matmul(torch.softmax(self.w, dim=0), block)
        outputs: Tensor = torch.addmm(self.intercept, self.gamma * mixed, self.coef)
        return outputs

    def step(self, loss: Tensor, learning_rate: float, weight_decay: float) -> None:
        """One step of AdamW; only the linear layer decays."""
        if self.adam is None:
            self.adam = torch.optim.AdamW(
                [
                    {"params": [self.coef], "weight_decay": weight_decay},
                    {"params": [self.w, self.gamma, self.intercept], "weight_decay": 0.0},
                ],
                lr=learning_rate,
            )
        self.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()

    def copy(self) -> tuple[Array, float, Array, Array]:
        """Weights of the layers, gamma, coef [outputs, dim], intercept."""
        with torch.no_grad():
            weights = torch.softmax(self.w, dim=0).numpy().copy()
            return weights, float(self.gamma), self.coef.numpy().T.copy(), self.intercept.numpy().copy()


class _Windows:
    """Some rows, standardised, in windows that fit the memory; a single window is read once and kept."""

    def __init__(self, layers: Layers, rows: Array, shift: Array, scale: Array) -> None:
        self.layers, self.rows, self.shift, self.scale = layers, rows, shift, scale
        self.size = max(1024, WINDOW_BYTES // (4 * layers.n_layers * layers.dim))
        self.kept: Tensor | None = None

    def read(self, rows: Array) -> Tensor:
        """float32 [rows, layers, dim], standardised."""
        block = torch.empty(len(rows), self.layers.n_layers, self.layers.dim)
        for layer in range(self.layers.n_layers):
            block[:, layer] = _standard(self.layers.take(layer, rows), self.shift[layer], self.scale[layer])
        return block

    def in_order(self) -> Iterator[tuple[Array, Tensor]]:
        """Row numbers and their blocks, in order."""
        if len(self.rows) <= self.size:
            if self.kept is None:
                self.kept = self.read(self.rows)
            yield self.rows, self.kept
            return
        for start in range(0, len(self.rows), self.size):
            rows = self.rows[start : start + self.size]
            yield rows, self.read(rows)

    def shuffled(self, rng: np.random.Generator) -> Iterator[tuple[Array, Any]]:
        """Row numbers in a new order, window by window, and a function from a slice of them to its block."""
        order = rng.permutation(len(self.rows))
        if len(self.rows) <= self.size:
            [(_, kept)] = self.in_order()
            yield self.rows[order], lambda part: kept.index_select(0, torch.from_numpy(order[part]))
            return
        for start in range(0, len(order), self.size):
            rows = self.rows[order[start : start + self.size]]
            block = self.read(rows)
            yield rows, lambda part, block=block: block[part]


def _standard(rows: Array, shift: Array, scale: Array) -> Tensor:
    return torch.from_numpy(((rows - shift) / scale).astype(np.float32))


def _moments(layers: Layers, rows: Array) -> tuple[Array, Array]:
    """Mean and deviation of every number of every layer over some rows, float32 [layers, dim]; constants have 1."""
    shift = np.zeros((layers.n_layers, layers.dim), np.float32)
    scale = np.ones_like(shift)
    for layer in range(layers.n_layers):
        total, squares = np.zeros(layers.dim), np.zeros(layers.dim)
        first: Array | None = None
        for start in range(0, len(rows), CHUNK):
            chunk = np.asarray(layers.take(layer, rows[start : start + CHUNK]), np.float64)
            first = chunk[0] if first is None else first
            total += (chunk - first).sum(axis=0)
            squares += np.square(chunk - first).sum(axis=0)
        assert first is not None
        mean = total / len(rows)
        deviation = np.sqrt(np.maximum(squares / len(rows) - mean**2, 0.0))
        if not np.isfinite(deviation).all():
            raise DataError("features hold a value that is not a finite number; leave such rows out first")
        shift[layer] = first + mean
        scale[layer] = np.where(deviation <= 1e-6 * np.abs(first + mean) + 1e-30, 1.0, deviation)
    return shift, scale


def _coded(y: Array, n_classes: int, target: tuple[float, float]) -> Tensor:
    if n_classes:
        return torch.from_numpy(y.astype(np.int64))
    return torch.from_numpy(((y - target[0]) / target[1]).astype(np.float32))


def weights_of(class_weight: Array | None, codes: Array) -> Tensor | None:
    """Weights of the classes, scaled so that the training rows weigh 1 on average; None where all weigh alike."""
    if class_weight is None:
        return None
    weights = np.asarray(class_weight, np.float64)
    return torch.tensor(weights / weights[codes].mean(), dtype=torch.float32)


def mean_loss(outputs: Tensor, gold: Tensor, weigh: Tensor | None) -> Tensor:
    """Mean log loss of codes, each times the weight of its class; or mean squared error of numbers."""
    if gold.dtype != torch.int64:
        return functional.mse_loss(outputs[:, 0], gold)
    losses = functional.cross_entropy(outputs, gold, reduction="none")
    return losses.mean() if weigh is None else (losses * weigh[gold]).mean()


def mistakes_of(outputs: Tensor, gold: Tensor, weigh: Tensor | None) -> float:
    """How many rows are wrong, each times the weight of its class; 0 for numbers."""
    if gold.dtype != torch.int64:
        return 0.0
    wrong = outputs.argmax(dim=1) != gold
    return float(wrong.sum() if weigh is None else weigh[gold][wrong].sum())


@torch.no_grad()
def _judge(net: _Mix, windows: _Windows, gold: Tensor, weigh: Tensor | None) -> tuple[float, float, int]:
    """Mean loss and mistakes (both weighted), and mistakes (not weighted; 0 for numbers) over rows."""
    total, mistakes, plain = 0.0, 0.0, 0.0
    for rows, block in windows.in_order():
        outputs = net(block)
        total += float(mean_loss(outputs, gold[rows], weigh)) * len(rows)
        mistakes += mistakes_of(outputs, gold[rows], weigh)
        plain += mistakes_of(outputs, gold[rows], None)
    return total / len(windows.rows), mistakes, int(plain)
