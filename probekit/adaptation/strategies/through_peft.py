"""What strategies through peft share: the import, wrapping the body, merging."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from probekit.adaptation.live import Live
from probekit.adaptation.strategies.layout import drawing
from probekit.adaptation.strategies.parts import PlainTuning
from probekit.errors import ConfigError, MissingExtra, ModelError


def import_peft() -> Any:
    """The package. Raises MissingExtra where it is absent."""
    try:
        with expected():
            import peft
    except ImportError:
        raise MissingExtra(
            "LoRA, IA3, prefix and prompt tuning need peft: pip install 'probekit-nlp[adapt]'"
        ) from None
    return peft


@contextmanager
def expected() -> Iterator[None]:
    """Keep one warning silent: peft asks transformers for a name of its own that is about to change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


class PeftTuning(PlainTuning, ABC):
    """A body changed by peft, to be merged; `configure` says how."""

    name = ""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options

    @abstractmethod
    def configure(self, live: Live) -> Any:
        """The configuration of peft."""

    def prepare(self, live: Live) -> None:
        """Wrap the body; only what peft inserts is trained. Raises ModelError where peft cannot."""
        peft = import_peft()
        live.body.requires_grad_(False)
        config = self.configure(live)
        with drawing(live), expected():
            try:
                live.body = peft.get_peft_model(live.body, config)
            except (ValueError, KeyError, AttributeError, TypeError) as problem:
                raise self.impossible(live, str(problem).partition("\n")[0]) from problem

    def merge(self, live: Live) -> None:
        """Fold the change into the weights."""
        with expected():
            live.body = live.body.merge_and_unload()

    def impossible(self, live: Live, reason: str) -> ModelError:
        """The line for a model that a strategy cannot adapt."""
        return ModelError(
            f"{live.model.name}: strategy {self.name!r} is impossible for this model (family "
            f"{live.model.family!r}): {reason}"
        )

    def whole(self, key: str, default: int) -> int:
        """An option that is a whole number from 1 on. Raises ConfigError."""
        value = self.options.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"strategy {self.name!r}: {key} is a whole number from 1 on; got {value!r}")
        return value

    def number(self, key: str, default: float) -> float:
        """An option that is a number from 0 on. Raises ConfigError."""
        value = self.options.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ConfigError(f"strategy {self.name!r}: {key} is a number from 0 on; got {value!r}")
        return value
