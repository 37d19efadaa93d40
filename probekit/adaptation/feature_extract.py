"""`FeatureExtract`: a frozen Transformer read once, and a head fitted on what it says. A scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from probekit.activations.store import Store
from probekit.adaptation.answers import TextEstimator
from probekit.adaptation.examples import Examples, Target, as_list, read_examples
from probekit.adaptation.features import Features
from probekit.adaptation.fit_settings import check_seed, class_weights, params_given
from probekit.adaptation.reading import Reader
from probekit.adaptation.saved import folder_of, save_adapted, target_of, target_words
from probekit.adaptation.strategy import Head, find_strategy, make_head
from probekit.errors import ConfigError, DataError
from probekit.glossary import Progress, silent
from probekit.models.model import Model
from probekit.models.ref import ModelRef


class FeatureExtract(TextEstimator):
    """A head on the stored states of a frozen Transformer.

    `model` is a name, a folder or a `ModelRef`; loaded only when a text is met that the `store` has not. `strategy`
    says what stands on the states, `options` are its own. `pool` makes one vector of a text (``mean``, ``cls``,
    ``last``, ``max``, or two joined: ``mean+cls``) or of a word (``mean``, ``first``, ``last``, ``max``); ``auto``:
    mean; ``wide``: ``mean+cls`` where the tokenizer has that piece, else the mean (``pool_``). A pair is [u, v,
    |u-v|, u*v]. `target`: ``classes``, ``number``, or ``auto``: floats are numbers. `class_weight` is None,
    ``balanced`` or a mapping. `seed` draws what a strategy draws. Dev examples, where given, say when training stops,
    and which layers are taken.

    After `fit`: ``classes_``, ``history_`` (a record per epoch; empty where there are none), ``n_trainable_`` (numbers
    that were fitted), ``n_stored_`` and ``stored_bytes_`` (numbers and bytes that `save` keeps for this task),
    ``n_truncated_`` and ``n_left_out_`` (training examples cut, units without a piece), and for scalar-mix
    ``layer_weights_``. A unit without a piece is predicted as training's most frequent class, or its mean;
    ``n_truncated_predicted_`` and ``n_left_out_predicted_`` count for the last prediction.

    >>> texts, labels = ["keys rust", "a dog barks", "doors creak", "a cat sleeps"], ["pl", "sg", "pl", "sg"]
    >>> clf = FeatureExtract("demo:minilm", strategy="frozen-linear").fit(texts, labels)
    >>> clf.predict(["a key rusts"]).shape
    (1,)
    """

    fitted_by = "head_"

    def __init__(
        self,
        model: str | ModelRef = "demo:minilm",
        strategy: str = "frozen-linear",
        *,
        options: Mapping[str, Any] | None = None,
        pool: str = "auto",
        target: str = "auto",
        class_weight: str | Mapping[Any, float] | None = None,
        store: Store | str | Path | None = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.strategy = strategy
        self.options = options
        self.pool = pool
        self.target = target
        self.class_weight = class_weight
        self.store = store
        self.seed = seed

    def fit(
        self, X: Any, y: Any, X_dev: Any = None, y_dev: Any = None, *, progress: Progress = silent
    ) -> Self:
        """Fit on examples and their labels; the model is read only for texts that the store has not.

        Raises DataError (examples, labels), ConfigError (settings, strategy), ModelError (the model) and DiskError.
        """
        strategy = find_strategy(self.strategy, "feature-extraction")
        given = params_given(self)
        check_seed(self.seed)
        y, y_dev = as_list(y), as_list(y_dev)
        examples = read_examples(X, y)
        target = Target.of(y, examples, self.target)
        codes = target.encode(y, examples)
        weight = class_weights(self.class_weight, target, codes)
        head = make_head(strategy, self.options or {}, self.seed)
        reader = Reader(self.model, self.store)
        features = self._read(reader, head, examples, progress)
        self._check_classes(target, codes, features.left_out)
        dev = self._dev(X_dev, y_dev, examples.unit, target, head, reader, progress)
        train = (features, codes)
        if not head.reads_words:
            kept = np.flatnonzero(~features.left_out)
            train = (features.take(kept), codes[kept])
        head.fit(
            *train,
            0 if target.numeric else target.outputs,
            *dev,
            class_weight=None if weight is None else np.array(weight),
        )
        self.unit_, self.target_, self.head_, self.reader_ = examples.unit, target, head, reader
        self.given_ = given
        self.prior_ = (
            np.array([codes.mean()])
            if target.numeric
            else np.bincount(codes, minlength=target.outputs) / len(codes)
        )
        self.history_ = list(head.history)
        self.n_truncated_, self.n_left_out_ = features.truncated, int(features.left_out.sum())
        self.fingerprint_ = features.fingerprint
        self._count()
        return self

    def _read(self, reader: Reader, head: Head, examples: Examples, progress: Progress) -> Features:
        """Features of training; settles `pool_`."""
        if not isinstance(self.pool, str):
            raise ConfigError(f"pool is a name such as 'mean' or 'auto'; got {self.pool!r}")
        self.pool_ = "mean" if self.pool == "auto" else self.pool
        wide = self.pool == "wide"
        if wide:
            self.pool_ = "mean" if examples.unit == "word" or head.reads_words else "mean+cls"
        try:
            return reader.read(examples, pool=self.pool_, words=head.reads_words, progress=progress)
        except ConfigError:
            if not wide or self.pool_ == "mean":
                raise
            self.pool_ = "mean"  # the tokenizer puts no piece in front
            return reader.read(examples, pool=self.pool_, progress=progress)

    @staticmethod
    def _check_classes(target: Target, codes: NDArray[Any], left_out: NDArray[np.bool_]) -> None:
        """DataError where there is nothing to be fitted on."""
        if left_out.all():
            raise DataError("no example has a piece that the model can read")
        if target.classes is not None:
            lost = np.setdiff1d(np.arange(target.outputs), codes[~left_out])
            if len(lost):
                raise DataError(
                    f"no example of class {target.classes[lost[0]].item()!r} has a piece that the model can read; "
                    "leave the class out"
                )

    def _dev(
        self, X: Any, y: Any, unit: str, target: Target, head: Head, reader: Reader, progress: Progress
    ) -> tuple[Features | None, NDArray[Any] | None]:
        """Dev features and codes; what has an unknown label or no vector says nothing about when to stop."""
        if X is None:
            return None, None
        held = read_examples(X, y, unit=unit)
        codes = target.encode(y, held)
        features = reader.read(held, pool=self.pool_, words=head.reads_words, progress=progress)
        known = ~features.left_out if target.numeric else ~features.left_out & (codes >= 0)
        if not known.any():
            return None, None
        if head.reads_words:
            return features, codes
        kept = np.flatnonzero(known)
        return features.take(kept), codes[kept]

    def _count(self) -> None:
        """What was fitted, in numbers and bytes; `classes_` and `layer_weights_`."""
        arrays, _ = self.head_.state()
        self.n_trainable_ = self.head_.n_trained
        self.n_stored_ = sum(array.size for array in arrays.values())
        self.stored_bytes_ = sum(array.nbytes for array in arrays.values())
        for name, found in (
            ("classes_", self.target_.classes),
            ("layer_weights_", getattr(self.head_, "layer_weights", None)),
        ):
            if found is not None:
                setattr(self, name, found)
            elif hasattr(self, name):
                delattr(self, name)

    @property
    def frozen_(self) -> Model:
        """The model that is read; loaded now, where nothing had to be read before."""
        check_is_fitted(self, "head_")
        model: Model = self.reader_.model
        return model

    def _outputs(self, X: Any) -> tuple[Examples, NDArray[np.float32]]:
        """Outputs of the head for all units; those without a piece get training's shares, or its mean."""
        check_is_fitted(self, "head_")
        examples = read_examples(X, unit=self.unit_)
        features = self.reader_.read(examples, pool=self.pool_, words=self.head_.reads_words)
        self.n_truncated_predicted_ = features.truncated
        self.n_left_out_predicted_ = int(features.left_out.sum())
        outputs = self.head_.outputs(features)
        outputs[features.left_out] = self.prior_ if self.target_.numeric else np.log(self.prior_)
        return examples, outputs

    def save(self, folder: str | Path) -> None:
        """Write head and settings of `fit`; `load_adapted` reads them. Neither the model nor what it read is copied.

        Raises DiskError, NotFittedError.
        """
        check_is_fitted(self, "head_")
        arrays, words = self.head_.state()
        ref = ModelRef.of(self.given_["model"])
        plain = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in self.given_.items()
        }
        params = {**plain, "model": ref.to_dict(), "store": None}
        if isinstance(params["class_weight"], Mapping):
            pairs = params["class_weight"].items()
            params["class_weight"] = [[getattr(k, "item", lambda k=k: k)(), float(v)] for k, v in pairs]
        save_adapted(folder, "feature-extraction", {**arrays, "prior": self.prior_}, {
            "params": params, "head": words, "unit": self.unit_, "target": target_words(self.target_),
            "fingerprint": self.fingerprint_, "model_folder": folder_of(ref),
            "pool": self.pool_, "history": self.history_,
            "counts": [self.n_truncated_, self.n_left_out_],
        })  # fmt: skip

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any], ref: ModelRef) -> Self:
        """The estimator that `save` wrote as arrays and plain values; the model is not loaded yet."""
        params = dict(words["params"])
        if isinstance(params["class_weight"], list):
            params["class_weight"] = dict(params["class_weight"])
        found = cls(**{**params, "model": ref})
        found.given_ = params_given(found)
        found.unit_, found.target_, found.pool_ = words["unit"], target_of(words["target"]), words["pool"]
        found.prior_, found.fingerprint_ = arrays["prior"], words["fingerprint"]
        strategy = find_strategy(found.strategy, "feature-extraction")
        found.head_ = make_head(strategy, found.options or {}, found.seed)
        found.head_.restore({name: array for name, array in arrays.items() if name != "prior"}, words["head"])
        found.history_ = list(words["history"])
        found.n_truncated_, found.n_left_out_ = words["counts"]
        found.reader_ = Reader(found.model, None, fingerprint=found.fingerprint_)
        found._count()
        return found
