"""The frozen affine map that takes a concept out of a representation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import DataError, ModelError, StoreError
from probekit.glossary import layer_name
from probekit.maths.subspaces import orthonormal_range
from probekit.results.bundle import bundle_paths, load_bundle, save_bundle
from probekit.results.files import tagged_hash

Array = NDArray[Any]
States = TypeVar("States", Array, Tensor)

FORMAT = 1
CHUNK = 2048  # rows mapped at once on the CPU: they stay in the second-level cache between the two products


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Eraser:
    """x -> x - ((x - center) @ right.T) @ left.T: what the directions of ``right`` read is taken out along ``left``.

    Made by the fitters (`Leace`, `MeanDifference`, ...). Frozen; called on states ``[..., dim]``, numpy or torch, and
    gives the same kind, dtype and device back. Products are made in float32 at least, so that bfloat16 and float16
    states lose nothing but their last rounding.

    ``left`` float64 [dim, k]; ``right`` float64 [k, dim]; ``center`` float64 [dim], the point that stays where it is;
    ``offset`` float64 [k] is right @ center, and stands apart only because a composition need not leave any point
    where it is. ``method`` and ``concept`` in words; ``about`` what the fit saw (n, classes, tolerance, seed ...).
    ``model``, ``fingerprint``, ``layer``, ``site`` say what states it is for ("" = not bound).

    Raises DataError for arrays whose shapes do not fit or that hold numbers which are not finite.

    >>> eraser = pk.Eraser(left=np.array([[1.0], [0.0]]), right=np.array([[1.0, 0.0]]), center=np.array([5.0, 5.0]))
    >>> eraser(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[5.0, 2.0], [5.0, 4.0]]
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    center: NDArray[np.float64]
    offset: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    method: str = ""
    concept: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    fingerprint: str = ""
    layer: str = ""
    site: str = ""
    rowwise: ClassVar[bool] = True
    """For edits of live models: each state is mapped by itself, and heads are taken as one row."""
    flat: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not len(self.offset):
            object.__setattr__(self, "offset", np.asarray(self.right) @ np.asarray(self.center))
        for name in ("left", "right", "center", "offset"):
            array = np.array(getattr(self, name), dtype=np.float64)  # a copy: nobody else's array is frozen
            if not np.isfinite(array).all():
                raise DataError(f"an eraser's {name!r} holds a value that is not a finite number")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        dim, k = self.center.shape[0], self.right.shape[0]
        if (self.left.shape, self.right.shape, self.offset.shape) != ((dim, k), (k, dim), (k,)):
            raise DataError(
                f"an eraser of width {dim} and rank {k} has left [{dim}, {k}], right [{k}, {dim}] and offset [{k}]; "
                f"got {self.left.shape}, {self.right.shape}, {self.offset.shape}"
            )
        object.__setattr__(self, "_placed", {})

    def __call__(self, X: States) -> States:
        """The states [..., dim] with the concept taken out; never changes X itself.

        States of heads [..., heads, dim / heads] are read as the rows [..., dim] that they are. Raises DataError for
        another width, naming both, and for numbers that are not floating point.
        """
        shape = tuple(X.shape)
        if not shape or (shape[-1] != self.dim and (len(shape) < 3 or shape[-1] * shape[-2] != self.dim)):
            width = shape[-1] if shape else "none"
            raise DataError(
                f"this eraser{self._known_as()} is for states of width {self.dim}; got width {width}"
            )
        if isinstance(X, Tensor):
            return self._erase_tensor(X)
        return self._erase_array(np.asarray(X))

    def _erase_tensor(self, X: Tensor) -> Tensor:
        if not X.is_floating_point():
            raise DataError(f"states must be floating point numbers; got dtype {X.dtype}")
        dtype = X.dtype if X.dtype == torch.float64 else torch.float32
        return self._erase_rows(X.reshape(-1, self.dim).to(dtype)).to(X.dtype).reshape(X.shape)

    def _erase_rows(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        right, left, offset = self._tensors(rows.device, rows.dtype)
        along = torch.nn.functional.linear(rows, right, offset)
        if len(left) == 1:  # an outer product, for which a product of matrices is a detour
            return torch.addcmul(rows, along, left, value=-1, out=out)
        return torch.addmm(rows, along, left, alpha=-1, out=out)

    def _tensors(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """right, left.T and -offset where the states are; made once per device and dtype."""
        placed: dict[Any, tuple[Tensor, Tensor, Tensor]] = self.__dict__["_placed"]
        if (device, dtype) not in placed:
            with torch.inference_mode(False):  # inside inference mode they would be of no use outside it
                right, left, offset = (
                    torch.tensor(array, dtype=dtype).to(device)
                    for array in (self.right, self.left.T, -self.offset)
                )
            placed[device, dtype] = right, left, offset
        return placed[device, dtype]

    def _erase_array(self, X: Array) -> Array:
        if X.dtype.kind != "f":
            raise DataError(f"states must be floating point numbers; got dtype {X.dtype}")
        dtype = np.float64 if X.dtype.itemsize >= 8 else np.float32
        rows = X.reshape(-1, self.dim)
        out = np.empty(rows.shape, dtype)
        erased = torch.from_numpy(out)
        for start in range(0, len(rows), CHUNK):
            part = np.ascontiguousarray(rows[start : start + CHUNK], dtype)
            part = part if part.flags.writeable else part.copy()  # torch would warn
            self._erase_rows(torch.from_numpy(part), erased[start : start + CHUNK])
        return out.astype(X.dtype, copy=False).reshape(X.shape)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_placed"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _placed={})

    @property
    def dim(self) -> int:
        """Width of the states."""
        return int(self.center.shape[0])

    @cached_property
    def basis(self) -> NDArray[np.float64]:
        """Orthonormal columns float64 [dim, rank]: the directions along which states are changed."""
        return orthonormal_range(self.left, self.right)

    @property
    def rank(self) -> int:
        """How many directions are taken out."""
        return int(self.basis.shape[1])

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The linear part, float64 [dim, dim]: states become x @ matrix.T + a constant."""
        matrix: NDArray[np.float64] = np.eye(self.dim) - self.left @ self.right
        return matrix

    @cached_property
    def key(self) -> str:
        """A hash of the map: equal maps written with the same arrays have the same key."""
        arrays = (self.left, self.right, self.offset)
        shape = repr([a.shape for a in arrays]).encode()
        return tagged_hash("eraser", shape + b"".join(a.astype("<f8").tobytes() for a in arrays))

    def bind(self, model_name: str, fingerprint: str, layer: str | int, site: str = "hidden") -> Self:
        """The same map, for the states of this model at this layer and site only.

        >>> eraser = pk.Leace().fit(np.eye(4), [0, 0, 1, 1]).eraser_.bind("bert", "a1b2", layer=3)
        >>> eraser.layer, eraser.site
        ('3', 'hidden')
        """
        return replace(
            self, model=model_name, fingerprint=fingerprint, layer=layer_name(layer), site=site,
        )  # fmt: skip

    def check(self, model: Any, layer: str | int, site: str = "hidden") -> None:
        """Raises ModelError where this eraser is not for `layer` and `site` of `model`, naming both."""
        site_dim = getattr(model, "site_dim", None)
        width = int(site_dim(site)) if site_dim is not None else int(model.dim)
        if width != self.dim:
            raise ModelError(
                f"this eraser{self._known_as()} is for states of width {self.dim}, while {model.name} has width "
                f"{width} at {site}; fit one to this model"
            )
        if self.fingerprint and self.fingerprint != model.fingerprint:
            raise ModelError(
                f"this eraser is for {self.model} (fingerprint {self.fingerprint[:12]}), not for {model.name} "
                f"(fingerprint {model.fingerprint[:12]}); fit one to this model"
            )
        if self.layer and self.layer != layer_name(layer):
            raise ModelError(
                f"this eraser is for layer {self.layer} of {self.model}, not for layer {layer_name(layer)}; "
                "fit one to that layer"
            )
        if self.site and self.site != site:
            raise ModelError(
                f"this eraser is for site {self.site!r} of {self.model}, not for site {site!r}; fit one to that site"
            )

    def then(self, other: Eraser) -> Eraser:
        """One affine map that does this and after it `other`. Raises DataError for another width.

        Bound as this one is. ``center`` is the point nearest to this one's that the composition leaves where it is,
        or, where there is none, comes closest to leaving there.

        >>> one, two = (pk.Eraser(left=d.T, right=d, center=np.zeros(2)) for d in np.eye(2)[:, None])
        >>> one.then(two)(np.array([3.0, 4.0])).tolist()
        [0.0, 0.0]
        """
        if other.dim != self.dim:
            raise DataError(f"an eraser of width {self.dim} cannot be followed by one of width {other.dim}")
        left = np.concatenate([self.left - other.left @ (other.right @ self.left), other.left], axis=1)
        right = np.concatenate([self.right, other.right])
        offset = np.concatenate([self.offset, other.offset])
        pull, constant = left @ right, left @ offset
        center = self.center + np.linalg.lstsq(pull, constant - pull @ self.center, rcond=1e-12)[0]
        names = (" then ".join(dict.fromkeys(n for n in pair if n)) for pair in self._names(other))
        method, concept = names
        return replace(
            self, left=left, right=right, center=center, offset=offset, method=method, concept=concept,
            about={"steps": [dict(self.about), dict(other.about)]},
        )  # fmt: skip

    def to(self, device: str | torch.device) -> Self:
        """This eraser, with its tensors for float32 states already on `device`; it follows any states anyway."""
        placed = torch.empty(0, device=device).device  # "cuda" names the current device of that kind
        self._tensors(placed, torch.float32)
        return self

    def save(self, stem: str | Path) -> None:
        """Write ``stem``.safetensors and ``stem``.json; `load` maps to the same bits. Raises DiskError, DataError.

        >>> pk.Leace().fit(np.eye(4), [0, 0, 1, 1]).eraser_.save("number-3")
        >>> pk.Eraser.load("number-3").method
        'leace'
        """
        words = {name: getattr(self, name) for name in WORDS}
        arrays = {name: getattr(self, name) for name in ARRAYS}
        save_bundle(
            stem,
            arrays,
            {**words, "about": dict(self.about), "format": FORMAT, "kind": "eraser", "key": self.key},
        )

    @classmethod
    def load(cls, stem: str | Path) -> Self:
        """The eraser that `save` wrote. Raises DataError where absent, StoreError where damaged or no eraser."""
        arrays, words = load_bundle(stem)
        text = bundle_paths(stem)[1]
        if words.get("kind") != "eraser":
            raise StoreError(
                f"{text}: not an eraser (kind {words.get('kind')!r}); expected a file written by save"
            )
        if words.get("format") != FORMAT:
            raise StoreError(
                f"{text}: format {words.get('format')!r}, this version reads {FORMAT}; fit the eraser again"
            )
        try:
            made: dict[str, Any] = {name: arrays[name] for name in ARRAYS}
            found = cls(**made, **{name: words[name] for name in (*WORDS, "about")})
        except (KeyError, TypeError, IndexError, DataError) as problem:
            raise StoreError(f"{text}: damaged ({problem!r}); fit the eraser again") from None
        if found.key != words.get("key"):
            raise StoreError(
                f"{text}: damaged (its arrays are not those it was saved with); fit the eraser again"
            )
        return found

    def __repr__(self) -> str:
        return f"Eraser({self.method or 'affine'}{self._known_as()}, dim={self.dim}, rank={self.rank})"

    def _known_as(self) -> str:
        place = f" of {self.model}, layer {self.layer}, {self.site}" if self.model else ""
        return (f" of {self.concept!r}" if self.concept else "") + place

    def _names(self, other: Eraser) -> tuple[tuple[str, str], tuple[str, str]]:
        return (self.method, other.method), (self.concept, other.concept)


ARRAYS = ("left", "right", "center", "offset")
WORDS = ("method", "concept", "model", "fingerprint", "layer", "site")
