"""What fine-tuning strategies share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategy import ParameterGroup
from probekit.errors import ConfigError, ModelError, did_you_mean


class PlainTuning:
    """A strategy that inserts nothing: one group with all that is trained, nothing to merge."""

    def prepare(self, live: Live) -> None:
        """Train everything."""
        live.body.requires_grad_(True)

    def groups(self, live: Live) -> list[ParameterGroup]:
        """One group at the training's rate."""
        return [ParameterGroup(tuple((n, p) for n, p in live.named_parameters() if p.requires_grad))]

    def begin_epoch(self, live: Live, epoch: int, epochs: int) -> bool:
        """Nothing changes on the way."""
        return False

    def merge(self, live: Live) -> None:
        """The body is plain already."""


class NotMergeable(ModelError):
    """What a strategy inserted cannot be folded into the weights."""


def no_options(name: str, options: Mapping[str, Any], known: tuple[str, ...] = ()) -> None:
    """ConfigError for an option that a strategy does not have."""
    for key in options:
        if key not in known:
            hint = did_you_mean(key, known) if known else "it has none"
            raise ConfigError(f"strategy {name!r} has no option {key!r}; {hint}")
