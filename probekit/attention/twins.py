"""The random twins that an analysis is given, or how many it is to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from probekit.errors import ConfigError
from probekit.models.twins import random_twins

if TYPE_CHECKING:
    from probekit.models.model import Model


def twins_of(model: Model, twins: int | Sequence[Model]) -> list[Model]:
    """So many twins of a model, or the ones given.

    Raises ConfigError for a negative number, and where a twin has other layers or heads.

    >>> [twin.name for twin in twins_of(pk.load_model("demo:minilm"), 1)]
    ['demo:minilm#twin-0']
    """
    if isinstance(twins, int):
        if twins < 0:
            raise ConfigError(f"twins must be 0 or more, not {twins}")
        return random_twins(model, twins) if twins else []
    for twin in twins:
        if (twin.layers, twin.n_heads) != (model.layers, model.n_heads):
            raise ConfigError(f"{twin.name} is no twin of {model.name}: it has other layers or heads")
    return list(twins)
