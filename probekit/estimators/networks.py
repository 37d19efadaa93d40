"""Small networks trained side by side: a task, its controls and several seeds over the same rows.

All nets of a call see the same minibatches, and every layer of all of them is one batched product. Each stops by
itself and keeps its best weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from probekit.errors import DataError
from probekit.estimators.rows import CHUNK, Rows

Array = NDArray[Any]
FEWEST_TO_HOLD_OUT = 100  # rows; with fewer nothing is held out, and the training loss says when to stop
BETAS, EPSILON = (0.9, 0.999), 1e-8


@dataclass(frozen=True, kw_only=True)
class NetProblem:
    """Labels over shared rows: codes [n] in ``0 .. n_classes-1``, or numbers [n] with ``n_classes=0``.

    ``seed`` draws the initial weights; ``y_dev`` are the labels of the call's X_dev.
    """

    y: Array
    n_classes: int
    seed: int = 0
    y_dev: Array | None = None


@dataclass(frozen=True, kw_only=True)
class NetSolution:
    """A trained net: ``(x - shift) / scale`` through weights [in, out] and biases [out], ReLU between layers.

    Outputs are logits, or ``target_shift + target_scale * output`` for numbers. ``loss`` is that on the
    held-out rows (mean log loss, or squared error in units of the target's variance), ``converged`` says that
    training stopped because it no longer fell.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    shift: Array
    scale: Array
    target_shift: float
    target_scale: float
    loss: float
    n_epochs: int
    converged: bool


def solve_mlp(
    X: Array,
    problems: Sequence[NetProblem],
    *,
    X_dev: Array | None = None,
    hidden: Sequence[int] = (100,),
    learning_rate: float = 1e-3,
    weight_decay: float = 0.3,
    batch_size: int = 256,
    max_epochs: int = 200,
    patience: int = 5,
    validation_fraction: float = 0.1,
    data_seed: int = 0,
) -> list[NetSolution]:
    """Train one net per problem over the rows of X [n, dim] with Adam; solutions come in the order of the problems.

    Inputs (and numeric targets) are standardised by the training rows. A net stops after ``patience`` epochs without
    fewer mistakes or less loss on X_dev where given (then every problem has ``y_dev``), else on a
    ``validation_fraction`` of the rows, and keeps the weights of its best epoch. ``data_seed`` draws that fraction
    and the order of the minibatches, ``NetProblem.seed`` the weights. Same seeds, same machine, same number of
    threads: same bits. ``weight_decay`` is decoupled from the gradient
    (Loshchilov & Hutter 2019, arXiv:1711.05101). All problems of a call have the same ``n_classes``.

    Raises DataError where labels and rows do not fit or a value is not finite.

    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> [net] = solve_mlp(X, [NetProblem(y=(X[:, 0] > 0).astype(int), n_classes=2)], hidden=(8,), max_epochs=5)
    >>> [w.shape for w in net.weights], net_outputs(net, X).shape
    ([(3, 8), (8, 2)], (200, 2))
    """
    if not problems:
        return []
    rows = Rows(X)
    dev = rows if X_dev is None else Rows(X_dev, dtype=rows.dtype)
    if dev.dim != rows.dim:
        raise DataError(f"dev features must have {rows.dim} columns, as those of training; got {dev.dim}")
    rng = np.random.default_rng(data_seed)
    train, held = (
        _split(rows.n, validation_fraction, rng) if X_dev is None else (np.arange(rows.n), np.arange(dev.n))
    )
    inputs = _Standardised(rows, train)
    targets = _Targets(problems, rows, None if X_dev is None else dev, train)
    nets = _Nets([p.seed for p in problems], [rows.dim, *hidden, targets.outputs], inputs.kind)
    races = [_Race(index) for index in range(len(problems))]
    active = races
    for epoch in range(1, max_epochs + 1):
        which = [race.index for race in active]
        for batch in np.array_split(rng.permutation(train), -(-len(train) // batch_size)):
            nets.step(
                targets.loss(nets.forward(inputs(rows, batch)), which, batch), learning_rate, weight_decay
            )
        losses, mistakes = np.zeros(len(active)), np.zeros(len(active))
        with torch.no_grad():
            for start in range(0, len(held), CHUNK):
                chunk = held[start : start + CHUNK]
                outputs = nets.forward(inputs(dev, chunk))
                losses += targets.loss(outputs, which, chunk, dev=True).numpy() * (len(chunk) / len(held))
                mistakes += targets.mistakes(outputs, which, chunk)
        for position, race in enumerate(active):
            race.tell(epoch, float(losses[position]), float(mistakes[position]), patience)
            if race.best_epoch == epoch:
                race.layers = nets.copy(position)
        running = [position for position, race in enumerate(active) if not race.converged]
        if len(running) < len(active):
            nets.keep(running)
            active = [active[position] for position in running]
        if not active:
            break
    return [
        NetSolution(
            weights=tuple(race.layers[0::2]),
            biases=tuple(race.layers[1::2]),
            shift=inputs.shift.numpy() + rows.center,
            scale=inputs.scale.numpy(),
            target_shift=float(targets.shift[race.index]),
            target_scale=float(targets.scale[race.index]),
            loss=race.best,
            n_epochs=race.epoch,
            converged=race.converged,
        )
        for race in races
    ]


def net_outputs(net: NetSolution, X: Array) -> Array:
    """What a trained net says of the rows of X [n, dim], in chunks: logits [n, classes], or numbers [n, 1]."""
    rows = Rows(X, dtype=net.weights[0].dtype)
    inputs = [torch.tensor(a, dtype=rows.kind) for a in (rows.center - net.shift, net.scale)]
    layers = [torch.tensor(a) for pair in zip(net.weights, net.biases, strict=True) for a in pair]
    outputs = np.empty((rows.n, layers[-1].shape[0]), dtype=rows.dtype)
    for span in rows.spans():
        x = (rows.chunk(span) + inputs[0]) / inputs[1]
        for depth in range(0, len(layers), 2):
            x = torch.addmm(layers[depth + 1], x.relu_() if depth else x, layers[depth])
        outputs[span] = x.numpy()
    return (
        outputs * net.target_scale + net.target_shift
        if net.target_scale != 1 or net.target_shift
        else outputs
    )


def _split(n: int, fraction: float, rng: np.random.Generator) -> tuple[Array, Array]:
    if not 0 <= fraction < 1:
        raise DataError(f"validation_fraction must lie in 0..1 (below 1); got {fraction}")
    if fraction == 0 or n < FEWEST_TO_HOLD_OUT:
        return np.arange(n), np.arange(n)
    mixed = rng.permutation(n)
    n_held = max(1, round(fraction * n))
    return np.sort(mixed[n_held:]), np.sort(mixed[:n_held])


class _Standardised:
    """Rows by number, with mean 0 and variance 1 over the training rows (a constant column stays 0)."""

    def __init__(self, rows: Rows, train: Array) -> None:
        total, squares = np.zeros(rows.dim), np.zeros(rows.dim)
        for start in range(0, len(train), CHUNK):
            chunk = rows.chunk(train[start : start + CHUNK]).to(torch.float64)
            total += chunk.sum(dim=0).numpy()
            squares += (chunk * chunk).sum(dim=0).numpy()
        mean = total / len(train)
        deviation = np.sqrt(np.maximum(squares / len(train) - mean**2, 0.0))
        constant = deviation <= 1e-6 * np.abs(rows.center) + 1e-30
        self.kind = rows.kind
        self.center = rows.center
        self.shift = torch.from_numpy(mean)
        self.scale = torch.from_numpy(np.where(constant, 1.0, deviation))

    def __call__(self, rows: Rows, which: Array) -> Tensor:
        shift = self.shift + torch.from_numpy(self.center - rows.center)
        return rows.chunk(which).sub_(shift.to(self.kind)).div_(self.scale.to(self.kind))


class _Targets:
    """The labels of all problems [P, n], and the loss of each net over some rows."""

    def __init__(self, problems: Sequence[NetProblem], rows: Rows, dev: Rows | None, train: Array) -> None:
        self.classes = problems[0].n_classes
        if any(problem.n_classes != self.classes for problem in problems):
            raise DataError(
                f"all problems of a call need the same n_classes; got {[p.n_classes for p in problems]}"
            )
        self.outputs = max(self.classes, 1)
        y = np.stack([_checked(p.y, rows.n, self.classes, f"problem {i}") for i, p in enumerate(problems)])
        y_dev = y
        if dev is not None:
            y_dev = np.stack(
                [_checked(p.y_dev, dev.n, self.classes, f"problem {i}, dev") for i, p in enumerate(problems)]
            )
        self.shift, self.scale = np.zeros(len(problems)), np.ones(len(problems))
        if not self.classes:
            self.shift, spread = y[:, train].mean(axis=1), y[:, train].std(axis=1)
            self.scale = np.where(spread > 0, spread, 1.0)
            y, y_dev = ((a - self.shift[:, None]) / self.scale[:, None] for a in (y, y_dev))
        kind = torch.int64 if self.classes else rows.kind
        self.y, self.y_dev = (torch.from_numpy(a).to(kind) for a in (y, y_dev))

    def loss(self, outputs: Tensor, which: list[int], rows: Array, *, dev: bool = False) -> Tensor:
        """outputs [active, m, classes or 1] -> the mean loss of each active net [active]."""
        y = (self.y_dev if dev else self.y)[torch.tensor(which)[:, None], torch.from_numpy(rows)]
        if self.classes:
            return functional.cross_entropy(outputs.transpose(1, 2), y, reduction="none").mean(dim=1)
        return (outputs[:, :, 0] - y).square().mean(dim=1)

    def mistakes(self, outputs: Tensor, which: list[int], rows: Array) -> NDArray[np.int64]:
        """How many of some dev rows each active net gets wrong [active]; 0 for numbers."""
        if not self.classes:
            return np.zeros(len(which), dtype=np.int64)
        y = self.y_dev[torch.tensor(which)[:, None], torch.from_numpy(rows)]
        wrong: NDArray[np.int64] = (outputs.argmax(dim=2) != y).sum(dim=1).numpy()
        return wrong


class _Nets:
    """P nets of one shape, their layers stacked ([P, in, out] and [P, 1, out]), moved by Adam."""

    def __init__(self, seeds: Sequence[int], widths: Sequence[int], kind: torch.dtype) -> None:
        drawn = [_initial(seed, widths, kind) for seed in seeds]
        self.layers = [torch.stack(same).requires_grad_() for same in zip(*drawn, strict=True)]
        self.first = [torch.zeros_like(layer) for layer in self.layers]
        self.second = [torch.zeros_like(layer) for layer in self.layers]
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        """x [m, dim], shared by all nets -> [P, m, out]."""
        h = x.expand(len(self.layers[0]), *x.shape)
        for depth in range(0, len(self.layers), 2):
            h = torch.baddbmm(self.layers[depth + 1], h.relu() if depth else h, self.layers[depth])
        return h

    def step(self, losses: Tensor, learning_rate: float, weight_decay: float) -> None:
        """One step of Adam on every net's own loss [P]; biases do not decay."""
        gradients = torch.autograd.grad(losses.sum(), self.layers)
        self.steps += 1
        rate = learning_rate / (1 - BETAS[0] ** self.steps)
        correction = (1 - BETAS[1] ** self.steps) ** 0.5
        with torch.no_grad():
            for depth, (layer, g, m, v) in enumerate(
                zip(self.layers, gradients, self.first, self.second, strict=True)
            ):
                if depth % 2 == 0:
                    layer.mul_(1 - learning_rate * weight_decay)
                m.lerp_(g, 1 - BETAS[0])
                v.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
                layer.addcdiv_(m, v.sqrt().div_(correction).add_(EPSILON), value=-rate)

    def copy(self, position: int) -> list[Array]:
        """The weights [in, out] and biases [out] of one net, in turn."""
        layers = (layer.detach()[position].numpy().copy() for layer in self.layers)
        return [layer[0] if depth % 2 else layer for depth, layer in enumerate(layers)]

    def keep(self, positions: list[int]) -> None:
        """Go on with some of the nets only."""
        self.layers = [layer.detach()[positions].requires_grad_() for layer in self.layers]
        self.first = [m[positions] for m in self.first]
        self.second = [v[positions] for v in self.second]


@dataclass
class _Race:
    """How one net fares against itself: fewest mistakes on the held-out rows, then least loss."""

    index: int
    best: float = np.inf
    best_epoch: int = 0
    epoch: int = 0
    converged: bool = False
    layers: list[Array] = field(default_factory=list)
    fewest: float = np.inf
    least: float = np.inf
    least_epoch: int = 0

    def tell(self, epoch: int, loss: float, mistakes: float, patience: int) -> None:
        self.epoch = epoch
        if loss < self.least:
            self.least, self.least_epoch = loss, epoch
        if not self.best_epoch or (mistakes, loss) < (self.fewest, self.best):
            self.fewest, self.best, self.best_epoch = mistakes, loss, epoch
        self.converged = epoch - max(self.best_epoch, self.least_epoch) >= patience


def _initial(seed: int, widths: Sequence[int], kind: torch.dtype) -> list[Tensor]:
    """Weights and biases in turn, uniform in the bounds of Glorot & Bengio (2010); biases zero."""
    draw = torch.Generator().manual_seed(int(seed))
    layers = []
    for inputs, outputs in pairwise(widths):
        bound = (6.0 / (inputs + outputs)) ** 0.5
        layers.append(
            (torch.rand(inputs, outputs, generator=draw, dtype=torch.float64) * 2 - 1).mul_(bound).to(kind)
        )
        layers.append(torch.zeros(1, outputs, dtype=kind))
    return layers


def _checked(y: Array | None, n: int, classes: int, where: str) -> Array:
    if y is None:
        raise DataError(f"{where}: X_dev was given, so y_dev is needed too")
    y = np.asarray(y)
    if y.shape != (n,):
        raise DataError(f"{where}: labels must be one per row, [{n}]; got shape {y.shape}")
    if not classes:
        y = y.astype(np.float64)
        if not np.isfinite(y).all():
            raise DataError(f"{where}: numeric labels must be finite; leave rows without a value out first")
    elif y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= classes:
        raise DataError(
            f"{where}: labels must be integer codes in 0..{classes - 1}; got {y.dtype} {y.min()}..{y.max()}"
        )
    return y
