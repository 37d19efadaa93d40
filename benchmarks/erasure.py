"""LEACE fitted and applied on 100,000 states of width 384 against concept-erasure, which is fed 2,048 rows at a time.

Generated states like those of a Transformer behind a layer norm, float32 after a float16 store: a long tail of
variances, a few large dimensions, one direction that holds rounding only; 2 and 17 classes of unequal shares. Ours is
fed the same batches, and both are applied to the same batches. A result counts as equal where both leave less than a
ten-thousandth of every class's displacement.
concept-erasure (0.2.4) is given ``svd_tol=1e-6`` and no shrinkage, with which it erases rare classes too; it is no
dependency: `pip install --no-deps --target FOLDER concept-erasure==0.2.4`, then PYTHONPATH=FOLDER.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from benchmarks.common import Ratio, compare, round_robin
from probekit.erasure.eraser import Eraser
from probekit.erasure.leace import Leace

NAME = "erasure"
ROWS, DIM, BATCH = 100_000, 384, 2_048
TURNS = 4  # of applying per round: one takes some hundredths of a second
LIMIT = 1e-4
Array = np.ndarray[Any, Any]


def states(classes: int) -> tuple[Array, Array]:
    """float32 states [rows, dim] and their class codes [rows]."""
    rng = np.random.default_rng(0)
    share = 1.0 / np.arange(1, classes + 1)
    y = rng.choice(classes, ROWS, p=share / share.sum())
    turn = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0].astype(np.float32)
    apart = 0.7 * rng.normal(size=(classes, DIM)).astype(np.float32)
    X = rng.normal(size=(ROWS, DIM)).astype(np.float32) + apart[y]
    X = (X * (np.arange(1, DIM + 1) ** -0.7).astype(np.float32)) @ turn
    X += 0.3 * rng.normal(size=DIM).astype(np.float32)
    X -= X.mean(axis=1, keepdims=True)
    X /= X.std(axis=1, keepdims=True)
    X[:, :3] *= 3.0
    return X.astype(np.float16).astype(np.float32), y


def ours(X: Array, y: Array) -> Eraser:
    """Our eraser of the stream."""
    fitter = Leace()
    for start in range(0, ROWS, BATCH):
        fitter.partial_fit(X[start : start + BATCH], y[start : start + BATCH])
    return fitter.eraser_


def theirs(peer: Any, X: torch.Tensor, y: torch.Tensor, classes: int) -> Any:
    """concept-erasure's; labels of two classes are one column, of more a column each."""
    columns = classes if classes > 2 else 1
    Z = torch.nn.functional.one_hot(y, classes) if classes > 2 else y[:, None]
    fitter = peer.LeaceFitter(DIM, columns, shrinkage=False, svd_tol=1e-6)
    for start in range(0, ROWS, BATCH):
        fitter.update(X[start : start + BATCH], Z[start : start + BATCH])
    return fitter.eraser


def apply(erase: Any, X: Any) -> None:
    """The states erased batch by batch, as inside a model; what comes out is let go."""
    for _ in range(TURNS):
        for start in range(0, ROWS, BATCH):
            erase(X[start : start + BATCH])


def left_over(erased: Any, X: Array, y: Array, classes: int) -> float:
    """The largest share of a class's displacement from the mean that an eraser leaves."""
    before, after = (
        np.stack([states_[y == c].mean(axis=0, dtype=np.float64) for c in range(classes)])
        - states_.mean(axis=0, dtype=np.float64)
        for states_ in (X, np.asarray(erased))
    )
    return float((np.linalg.norm(after, axis=1) / np.linalg.norm(before, axis=1)).max())


def run(rounds: int) -> Iterator[Ratio]:
    """For 2 and for 17 classes: one ratio of fitting, one of applying."""
    try:
        import concept_erasure as peer
    except ImportError as error:
        raise SystemExit(
            f"the benchmark erasure needs concept-erasure ({error}): see the head of {__file__}"
        ) from None
    torch.set_num_threads(1)
    for classes in (2, 17):
        X, y = states(classes)
        tensor, labels = torch.from_numpy(X), torch.from_numpy(y)
        made: dict[str, Any] = {}
        fits = {
            "ours": lambda X=X, y=y: ours(X, y),
            "peer": lambda X=tensor, y=labels, classes=classes: theirs(peer, X, y, classes),
        }
        fitting = round_robin(fits, rounds, made.__setitem__)
        work = {
            "ours": lambda X=X, erase=made["ours"]: apply(erase, X),
            "ours, tensor": lambda X=tensor, erase=made["ours"]: apply(erase, X),
            "peer": lambda X=tensor, erase=made["peer"]: apply(erase, X),
        }
        applying = round_robin(work, rounds)
        left = {name: left_over(made[name](tensor), X, y, classes) for name in ("ours", "peer")}
        apart = max(left.values())
        same = (
            f"{ROWS} x {DIM} float32, {classes} classes; largest share of a class's displacement left: "
            f"ours {left['ours']:.1e}, the peer's {left['peer']:.1e}"
        )
        fit = f"concept-erasure LeaceFitter, {BATCH} rows a time, {classes} classes"
        yield compare(
            NAME, fitting["ours"], fitting["peer"], peer=fit, aim=1.4, equal=apart <= LIMIT,
            difference=apart, note=same,
        )  # fmt: skip
        for name, what in (("ours", "arrays"), ("ours, tensor", "tensors")):
            yield compare(
                NAME, applying[name], applying["peer"], peer=f"concept-erasure LeaceEraser, {what}, {classes} classes",
                aim=1.4, equal=apart <= LIMIT, difference=apart, note=same,
            )  # fmt: skip
