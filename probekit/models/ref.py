"""The name of a model and how it is loaded: what an estimator carries instead of weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from probekit.errors import ConfigError

if TYPE_CHECKING:
    from probekit.models.model import Model


@dataclass(frozen=True, kw_only=True)
class ModelRef:
    """Which model, and how to load it. scikit-learn's `clone` hands on the reference itself: no weight is copied.

    `twin` is the seed of a random twin: the same architecture, its weights drawn anew.

    >>> from sklearn.base import clone
    >>> ref = ModelRef(name="demo:minilm", twin=0)
    >>> clone(ref) is ref
    True
    """

    name: str
    revision: str | None = None
    device: str | None = None
    dtype: str = "float32"
    attention: str = "sdpa"
    trust_remote_code: bool = False
    allow_bin: bool = False
    twin: int | None = None

    def __sklearn_clone__(self) -> Self:
        return self

    def load(self) -> Model:
        """The model, loaded afresh: nobody else holds its weights. Raises as `load_model`."""
        from probekit.models.load import load_model
        from probekit.models.twins import random_twin

        options = asdict(self)
        name, twin = options.pop("name"), options.pop("twin")
        model = load_model(name, **options)
        return model if twin is None else random_twin(model, twin)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for a file."""
        return asdict(self)

    @classmethod
    def of(cls, model: str | os.PathLike[str] | ModelRef | Mapping[str, Any]) -> ModelRef:
        """A reference from a name, a folder, a reference, or what `to_dict` gave. Raises ConfigError."""
        if isinstance(model, ModelRef):
            return model
        if isinstance(model, Mapping):
            return cls(**model)
        if isinstance(model, str | os.PathLike):
            return cls(name=os.fspath(model))
        raise _no_model(model)


def _no_model(given: Any) -> ConfigError:
    return ConfigError(
        f"a model is given by name, folder or ModelRef; got {type(given).__name__}: write ModelRef(name=...)"
    )
