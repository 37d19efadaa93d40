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
    """What a fine-tuning strategy's module offers as ``tuning(options) -> Tuning``. The head is always trained.

    A strategy that puts pieces of its own in front of the text makes ``live.model`` one of fewer ``max_pieces``.
    """

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

    reads_words: bool
    """Whether it reads texts word by word; units without a vector are then its own to leave out."""
    history: list[dict[str, Any]]
    """A record per epoch; empty where there are no epochs."""
    n_trained: int
    """How many numbers the fit found that predictions are made with."""

    def fit(
        self,
        features: Features,
        y: NDArray[Any],
        n_classes: int,
        features_dev: Features | None = None,
        y_dev: NDArray[Any] | None = None,
        class_weight: NDArray[np.float64] | None = None,
    ) -> None:
        """Fit on codes (every one of ``0 .. n_classes-1`` occurs), or numbers where ``n_classes`` is 0.

        ``class_weight`` has a weight per class, or is None; a head that has no use for it raises ConfigError.
        """

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
            name="frozen-mlp",
            family="feature-extraction",
            home="probekit.adaptation.frozen.mlp",
            told="a perceptron with one hidden layer on the states of one layer",
            defaults={"layer": "last"},
            trials=({"layer": "last"}, {"layer": "middle"}),
        ),
        Strategy(
            name="scalar-mix",
            family="feature-extraction",
            home="probekit.adaptation.frozen.scalar_mix",
            told="a learned weighted mean of all layers, and a linear layer on it",
            trials=({"pool": "auto"}, {"pool": "wide"}),
        ),
        Strategy(
            name="all-layers",
            family="feature-extraction",
            home="probekit.adaptation.frozen.all_layers",
            told="logistic regression on the states of all layers side by side, or of the best few",
            trials=({"pool": "auto"}, {"pool": "wide"}),
        ),
        Strategy(
            name="bilstm",
            family="feature-extraction",
            home="probekit.adaptation.frozen.bilstm",
            told="a bidirectional LSTM over the words' states of one layer",
            defaults={"layer": "last"},
            trials=({"layer": "last"}, {"layer": "middle"}),
        ),
        Strategy(
            name="attention-pooling",
            family="feature-extraction",
            home="probekit.adaptation.frozen.attention_pooling",
            told="a learned attention over the words' states of one layer, and a linear layer on what it pools",
            defaults={"layer": "last"},
            trials=({"layer": "last"}, {"layer": "middle"}),
        ),
        Strategy(
            name="centroid",
            family="feature-extraction",
            home="probekit.adaptation.frozen.centroid",
            told="the class whose mean state is nearest, in one layer",
            defaults={"layer": "last"},
            trials=({"layer": "last"}, {"layer": "middle"}),
        ),
        Strategy(
            name="knn",
            family="feature-extraction",
            home="probekit.adaptation.frozen.knn",
            told="a vote of the nearest training examples, in one layer",
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
        Strategy(
            name="top-k",
            family="fine-tuning",
            home="probekit.adaptation.strategies.top_k",
            told="the upper blocks are trained, the rest is frozen",
            defaults={"rate": 2e-4, "epochs": 3},
            trials=({"rate": 2e-4}, {"rate": 1e-4}),
        ),
        Strategy(
            name="gradual",
            family="fine-tuning",
            home="probekit.adaptation.strategies.gradual",
            told="ULMFiT: unfrozen from the top, lower rates below, a slanted triangular schedule",
            defaults={"rate": 1e-3, "epochs": 4, "schedule": "slanted"},
            trials=({"rate": 1e-3}, {"rate": 3e-4}),
        ),
        Strategy(
            name="bitfit",
            family="fine-tuning",
            home="probekit.adaptation.strategies.bitfit",
            told="the biases alone are trained",
            defaults={"rate": 1e-3, "epochs": 3},
            trials=({"rate": 1e-3}, {"rate": 3e-3}),
        ),
        Strategy(
            name="lora",
            family="fine-tuning",
            home="probekit.adaptation.strategies.lora",
            told="a low-rank change of the attention maps is trained",
            defaults={"rate": 1e-3, "epochs": 3},
            trials=({"rate": 1e-3}, {"rate": 3e-3}),
        ),
        Strategy(
            name="ia3",
            family="fine-tuning",
            home="probekit.adaptation.strategies.ia3",
            told="factors on keys, values and neurons are trained",
            defaults={"rate": 3e-3, "epochs": 3, "weight_decay": 0.0},  # decay would pull factors to 0
            trials=({"rate": 3e-3}, {"rate": 1e-2}),
        ),
        Strategy(
            name="prefix",
            family="fine-tuning",
            home="probekit.adaptation.strategies.prefix",
            told="keys and values in front of every layer's own are trained",
            defaults={"rate": 1e-2, "epochs": 3},
            trials=({"rate": 1e-2}, {"rate": 3e-2}),
        ),
        Strategy(
            name="prompt",
            family="fine-tuning",
            home="probekit.adaptation.strategies.prompt",
            told="vectors in front of the text's own embeddings are trained",
            defaults={"rate": 1e-2, "epochs": 3},
            trials=({"rate": 1e-2}, {"rate": 3e-2}),
        ),
        Strategy(
            name="houlsby",
            family="fine-tuning",
            home="probekit.adaptation.strategies.houlsby",
            told="bottlenecks after attention and feed-forward of every block are trained",
            defaults={"rate": 1e-3, "epochs": 3},
            trials=({"rate": 1e-3}, {"rate": 3e-3}),
        ),
        Strategy(
            name="pfeiffer",
            family="fine-tuning",
            home="probekit.adaptation.strategies.pfeiffer",
            told="a bottleneck after the feed-forward part of every block is trained",
            defaults={"rate": 1e-3, "epochs": 3},
            trials=({"rate": 1e-3}, {"rate": 3e-3}),
        ),
        Strategy(
            name="reinit",
            family="fine-tuning",
            home="probekit.adaptation.strategies.reinit",
            told="the upper blocks begin anew, then all parameters are trained",
            defaults={"rate": 1e-4, "epochs": 3},
            trials=({"rate": 1e-4}, {"rate": 2e-4}),
        ),
        Strategy(
            name="continued",
            family="fine-tuning",
            home="probekit.adaptation.strategies.continued",
            told="pretraining goes on with the task's texts, then all parameters are trained",
            defaults={"rate": 1e-4, "epochs": 3},
            trials=({"pretrain_epochs": 3}, {"pretrain_epochs": 1}),
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
