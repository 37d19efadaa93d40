"""The strategies by name: which there are, of what family, and what a comparison tries of each."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from probekit.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from probekit.adaptation.features import Features
    from probekit.adaptation.live import Live


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to adapt a model to a task.

    ``family`` is "feature-extraction" or "fine-tuning". ``home`` is the module that does it. ``defaults`` are the
    settings of the estimator in force unless given otherwise; ``trials`` the settings a comparison tries on dev, each a
    change of the defaults (one trial: nothing is tuned). ``told`` says it in a few words.
    """

    name: str
    family: str
    home: str
    told: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    trials: tuple[Mapping[str, Any], ...] = ({},)


class Tuning(Protocol):
    """What a fine-tuning strategy's module offers as ``tuning(options) -> Tuning``. The head is always trained."""

    def prepare(self, live: Live) -> None:
        """Insert what is inserted; set ``requires_grad`` everywhere in the body. ModelError where impossible."""

    def groups(self, live: Live) -> list[ParameterGroup]:
        """Every trainable parameter in exactly one group."""

    def begin_epoch(self, live: Live, epoch: int, epochs: int) -> bool:
        """Before an epoch (from 0): may change what is trained; True where it did."""

    def merge(self, live: Live) -> None:
        """Fold what was inserted into the body, so that a plain transformers module is left. Raises ModelError."""


@dataclass(frozen=True, eq=False)
class ParameterGroup:
    """Parameters that share a learning rate: ``rate`` times that of the training."""

    parameters: tuple[tuple[str, nn.Parameter], ...]
    rate: float = 1.0


class Head(Protocol):
    """What a feature-extraction strategy's module offers as ``head(options, seed) -> Head``."""

    def fit(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None = None,
        y_dev: NDArray[Any] | None = None,
    ) -> None:
        """Fit on codes (every one of ``0 .. n_classes-1`` occurs), or numbers where ``n_classes`` is 0."""

    def outputs(self, features: Features) -> NDArray[np.float32]:
        """Log-probabilities [units, classes], or numbers [units, 1]."""

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The fitted head as arrays and plain values, for a file."""

    def restore(self, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> None:
        """Become what `state` told."""


STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            name="frozen-linear",
            family="feature-extraction",
            home="probekit.adaptation.frozen.linear",
            told="logistic regression on the states of one layer",
            defaults={"layer": "last"},
            trials=({"layer": "last"}, {"layer": "middle"}),
        ),
        Strategy(
            name="full",
            family="fine-tuning",
            home="probekit.adaptation.strategies.full",
            told="all parameters of the model are trained",
            defaults={"rate": 1e-4, "epochs": 3},
        ),
        Strategy(
            name="head-only",
            family="fine-tuning",
            home="probekit.adaptation.strategies.head_only",
            told="the model is frozen and read live; its head alone is trained",
            defaults={"rate": 1e-2, "epochs": 3},
            trials=({"rate": 1e-2}, {"rate": 3e-3}),
        ),
    )
}


def find_strategy(name: str, family: str = "") -> Strategy:
    """A strategy by name; ConfigError with the nearest name, or with the estimator that takes it."""
    known = [one.name for one in STRATEGIES.values() if family in ("", one.family)]
    if name in known:
        return STRATEGIES[name]
    if name in STRATEGIES:
        other = "FeatureExtract" if family == "fine-tuning" else "FineTune"
        raise ConfigError(f"{name!r} is a strategy of {other}; {did_you_mean('', known)}")
    raise ConfigError(f"no strategy {name!r}; {did_you_mean(str(name), known)}")


def make_tuning(strategy: Strategy, options: Mapping[str, Any]) -> Tuning:
    """The doer of a fine-tuning strategy, with its options. Raises ConfigError for one it does not know."""
    home = importlib.import_module(strategy.home)
    tuning: Tuning = home.tuning(dict(options))
    return tuning


def make_head(strategy: Strategy, options: Mapping[str, Any], seed: int) -> Head:
    """The doer of a feature-extraction strategy: its defaults, changed by the options given."""
    home = importlib.import_module(strategy.home)
    head: Head = home.head({**strategy.defaults, **options}, seed)
    return head
