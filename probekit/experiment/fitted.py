"""A fitted classifier of texts as an explanation asks it: what it reads, what it can say, what stands behind it."""

from __future__ import annotations

import copy
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from probekit.activations.store import Store
from probekit.adaptation.examples import read_examples
from probekit.adaptation.feature_extract import FeatureExtract
from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.saved import load_adapted
from probekit.adaptation.strategies.fronted import Fronted
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.models.ref import ModelRef

if TYPE_CHECKING:
    from probekit.models.model import Model

Example = str | tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Fitted:
    """What `of` found out about a classifier.

    ``unit`` is what it reads: "sentence", "pair" or "word"; ``classes`` what it can say, None for numbers.
    ``final`` is the estimator itself, taken out of a pipeline or a search.
    """

    estimator: Any
    final: Any
    unit: str
    classes: NDArray[Any] | None
    _models: list[Model] = field(default_factory=list)

    @classmethod
    def of(cls, classifier: Any) -> Fitted:
        """A fitted estimator, a pipeline or search that ends in one, or the folder of a saved one.

        Raises ConfigError for anything else, and what `load_adapted` raises for a folder.
        What a frozen model says of the texts asked about is kept in a folder of its own and forgotten: looking at a
        sentence leaves nothing in the user's store.
        """
        if isinstance(classifier, str | Path):
            classifier = load_adapted(classifier)
        if not hasattr(classifier, "predict"):
            raise ConfigError(f"a fitted classifier expected, got {type(classifier).__name__}")
        if hasattr(classifier, "fit"):
            check_is_fitted(classifier)
        estimator = _forgetful(classifier) if isinstance(_final(classifier), FeatureExtract) else classifier
        final = _final(estimator)
        classes = getattr(classifier, "classes_", None)
        if classes is not None and not hasattr(classifier, "predict_proba"):
            raise ConfigError(
                f"{type(final).__name__} gives no probabilities; take a classifier with predict_proba"
            )
        return cls(estimator, final, getattr(final, "unit_", "sentence"), classes)

    @property
    def strategy(self) -> str:
        """The strategy, or the name of an estimator of somebody else's."""
        return str(getattr(self.final, "strategy", type(self.final).__name__))

    @property
    def model_name(self) -> str:
        """The name of the model behind it, "" where there is none."""
        given = getattr(self.final, "model", None)
        return "" if given is None else str(getattr(given, "name", given))

    def example(self, text: Any) -> Example:
        """What was typed as one example: a text, a pair of texts, or words (of a text, what white space separates).

        Raises DataError for what this classifier does not read.
        """
        if isinstance(text, str) and self.unit == "word":
            text = text.split()
        blank = (
            not text.strip()
            if isinstance(text, str)
            else not len(text)
            if hasattr(text, "__len__")
            else False
        )
        if blank:
            raise DataError("the text is empty; give one with a word in it")
        if self.unit == "pair" and isinstance(text, str):
            raise DataError("this classifier reads pairs of texts; give (text, text)")
        try:
            example: Example = read_examples([text], unit=self.unit).texts[0]
        except DataError as problem:
            raise DataError(str(problem).replace("example 0", "the text")) from None
        return example

    def ask(self, examples: Sequence[Example], places: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Probabilities [examples, classes], or numbers [examples, 1]; of words, those of one place in each."""
        if self.classes is None:
            found = self.estimator.predict(list(examples))
        else:
            found = self.estimator.predict_proba(list(examples))
        if self.unit == "word":
            at = [0] * len(examples) if places is None else places
            found = np.stack([np.asarray(own)[place] for own, place in zip(found, at, strict=True)])
        table = np.asarray(found, np.float64)
        return table.reshape(len(examples), -1)

    def of_words(self, example: Example) -> NDArray[np.float64]:
        """The same for every word of one example, [words, classes]."""
        return self.ask([example] * len(example), range(len(example)))

    def code(self, label: Any) -> int:
        """The number of a class. Raises ConfigError for one that it cannot say."""
        known = [] if self.classes is None else self.classes.tolist()
        if label in known:
            return known.index(label)
        if not known:
            raise ConfigError("numbers are predicted, so there is no label to ask about")
        raise ConfigError(f"no class {label!r}; {did_you_mean(str(label), map(str, known))}")

    def model(self) -> Model | None:
        """The Transformer behind it as it is now, tuned where it was tuned; loaded once; None where there is none."""
        if not self._models:
            given = getattr(self.final, "model", None)
            if isinstance(self.final, FineTune):
                self._models.append(self.final.live_.model)
            elif isinstance(self.final, FeatureExtract):
                self._models.append(self.final.frozen_)
            elif given is not None:
                self._models.append(ModelRef.of(given).load())
        return self._models[0] if self._models else None

    @property
    def reads_apart(self) -> bool:
        """Whether the two texts of a pair are read one by one, and not as the pair that a tokenizer makes of them."""
        return self.unit == "pair" and isinstance(self.final, FeatureExtract)

    @property
    def hidden_inputs(self) -> bool:
        """Whether it reads trained vectors in front of the text, which no picture of the text's pieces has."""
        return isinstance(self.final, FineTune) and isinstance(self.final.live_.body, Fronted)


def _forgetful(frozen: Any) -> Any:
    """The same classifier with a store of its own, which goes when it goes; inside searches and pipelines too."""
    found = copy.copy(frozen)
    if hasattr(frozen, "best_estimator_"):
        found.best_estimator_ = _forgetful(frozen.best_estimator_)
        return found
    if hasattr(frozen, "steps"):
        name, last = frozen.steps[-1]
        found.steps = [*frozen.steps[:-1], (name, _forgetful(last))]
        return found
    folder = tempfile.mkdtemp(prefix="probekit-explain-")
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    found.reader_ = copy.copy(frozen.reader_)
    found.reader_.store = Store(folder)
    return found


def _final(estimator: Any) -> Any:
    """The estimator inside searches and pipelines."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            return estimator
