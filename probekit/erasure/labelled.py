"""Erasers that must be told what the concept of each state is before they can take it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import DataError, StoreError
from probekit.results.bundle import bundle_paths, load_bundle, save_bundle

Array = NDArray[Any]
States = TypeVar("States", Array, Tensor)

FORMAT = 1
SHOWN = 10


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LabelledEraser(ABC):
    """A frozen map of states [..., dim] and their concept z: labels [...], or numbers [..., k] if `classes` is empty.

    Called as ``eraser(X, z)``; gives X's kind, dtype and device back, computed in float32 at least.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = ()
    KIND: ClassVar[str] = ""

    center: NDArray[np.float64]
    classes: tuple[Any, ...] = ()
    concept: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dim(self) -> int:
        """Width of the states."""
        return int(self.center.shape[0])

    def __call__(self, X: States, z: Any) -> States:
        """The states [..., dim] with the concept taken out.

        Raises DataError for another width or length, both named, and for a label that was not fitted.
        """
        if not X.shape or X.shape[-1] != self.dim:
            width = X.shape[-1] if X.shape else "none"
            raise DataError(f"this eraser is for states of width {self.dim}; got width {width}")
        if isinstance(X, Tensor):
            double = X.dtype == torch.float64
            rows = X.reshape(-1, self.dim).to(torch.float64 if double else torch.float32)
            return self._erase(rows, self._told(z, X.shape[:-1])).to(X.dtype).reshape(X.shape)
        X = np.asarray(X)
        if X.dtype.kind != "f":
            raise DataError(f"states must be floating point numbers; got dtype {X.dtype}")
        copied = np.array(X.reshape(-1, self.dim), dtype=np.float64 if X.dtype.itemsize >= 8 else np.float32)
        erased = self._erase(torch.from_numpy(copied), self._told(z, X.shape[:-1])).numpy()
        return erased.astype(X.dtype).reshape(X.shape)

    @abstractmethod
    def _erase(self, rows: Tensor, z: Array) -> Tensor:
        """Rows [n, dim], and codes int64 [n] or numbers float64 [n, k], to rows without the concept."""

    def _told(self, z: Any, shape: tuple[int, ...]) -> Array:
        z = z.detach().cpu().numpy() if isinstance(z, Tensor) else np.asarray(z)
        rows = int(np.prod(shape))
        if self.classes:
            if z.size != rows or z.shape != tuple(shape):
                raise DataError(
                    f"states of shape {(*shape, self.dim)} need labels of shape {tuple(shape)}; got {z.shape}"
                )
            known = {label: code for code, label in enumerate(self.classes)}
            values = z.reshape(-1).tolist()
            new = [label for label in dict.fromkeys(values) if label not in known]
            if new:
                raise DataError(
                    f"label {new[0]!r} was not among the {len(known)} classes that this eraser was fitted on: "
                    + ", ".join(map(repr, self.classes[:SHOWN]))
                )
            return np.fromiter(map(known.__getitem__, values), np.int64, rows)
        if z.ndim != len(shape) + 1 or z.shape[:-1] != tuple(shape) or z.shape[-1] != self.width_of_concept:
            raise DataError(
                f"states of shape {(*shape, self.dim)} need numbers of shape {(*shape, self.width_of_concept)}; "
                f"got {z.shape}"
            )
        return np.asarray(z.reshape(rows, -1), dtype=np.float64)

    @property
    def width_of_concept(self) -> int:
        """How many numbers a state's concept has; the number of classes for labels."""
        return len(self.classes)

    def save(self, stem: str | Path) -> None:
        """Write ``stem``.safetensors and ``stem``.json. Raises DiskError; DataError for labels JSON cannot hold."""
        odd = [label for label in self.classes if not isinstance(label, str | int | float | bool)]
        if odd:
            raise DataError(
                f"label {odd[0]!r} is no text, number or truth value; such an eraser cannot be saved"
            )
        words = {"classes": list(self.classes), "concept": self.concept, "about": dict(self.about)}
        save_bundle(
            stem,
            {name: getattr(self, name) for name in self.ARRAYS},
            {**words, "format": FORMAT, "kind": self.KIND},
        )

    @classmethod
    def load(cls, stem: str | Path) -> Self:
        """The eraser that `save` wrote. Raises DataError where absent, StoreError where damaged or another kind."""
        arrays, words = load_bundle(stem)
        text = bundle_paths(stem)[1]
        if (words.get("kind"), words.get("format")) != (cls.KIND, FORMAT):
            raise StoreError(
                f"{text}: kind {words.get('kind')!r}, format {words.get('format')!r}; expected {cls.KIND!r}, {FORMAT}"
            )
        try:
            made: dict[str, Any] = {name: arrays[name] for name in cls.ARRAYS}
            made |= {name: words[name] for name in ("concept", "about")}
            return cls(**made, classes=tuple(words["classes"]))
        except (KeyError, TypeError) as problem:
            raise StoreError(f"{text}: damaged ({problem!r}); fit the eraser again") from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.concept!r}, dim={self.dim}, classes={len(self.classes)})"
