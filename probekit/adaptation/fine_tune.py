"""`FineTune`: a Transformer adapted to labels by training some or all of it. A scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from probekit.adaptation.answers import TextEstimator
from probekit.adaptation.checkpoint import Keeper, own_generators
from probekit.adaptation.examples import Examples, Target, as_list, read_examples
from probekit.adaptation.export import export_body
from probekit.adaptation.fit_settings import loop_plan, params_given, settings_in_force
from probekit.adaptation.inputs import Inputs, encode_inputs
from probekit.adaptation.live import Live, reads_ahead
from probekit.adaptation.loop import Labelled, predict_outputs, run_loop
from probekit.adaptation.run_identity import run_identity
from probekit.adaptation.saved import folder_of, found_again, save_adapted, target_of, target_words
from probekit.adaptation.strategy import Tuning, find_strategy, make_tuning
from probekit.errors import ConfigError, DataError, ModelError
from probekit.glossary import Progress, silent
from probekit.models.model import Model
from probekit.models.quiet import quiet
from probekit.models.ref import ModelRef


class FineTune(TextEstimator):
    """A Transformer fine-tuned on texts, pairs of texts, or the words of sentences.

    `model` is a name, a folder or a `ModelRef`, loaded in `fit`; `strategy` says what is trained, `options` are the
    strategy's own. `epochs`, `rate`, `schedule` (linear, constant, slanted), `warmup` (share of the steps) and
    `weight_decay` (of matrices only) are the strategy's where they are None. A step reads `batch_size` times
    `accumulate` examples; gradients are clipped to the norm `clip`. `pool` says which pieces stand for a text: all
    (``mean``), the first (``cls``), the ``last``; ``auto`` is the last where a model reads left to right, else all.
    `class_weight` is None, ``balanced`` or a mapping; `precision` ``auto`` is bfloat16 where a CUDA device has it. With
    dev examples the epoch that is best by `metric` (loss, accuracy, macro_f1, weighted_f1, mcc, r2) is kept, and
    training ends `patience` epochs behind it. `warm_start` goes on from the last fit. With `checkpoint`, a folder, the
    whole state is written every `save_seconds`; the same fit, killed and called again, ends with the same bits on one
    machine.
    `seed` draws head, inserted weights, order and dropout.

    After `fit`: ``classes_``, ``history_`` (epoch, loss, dev_loss, dev_accuracy, cpu_seconds, kept), ``n_trainable_``,
    ``n_stored_`` and ``stored_bytes_`` (numbers and bytes that `save` keeps for this task), ``n_truncated_`` and
    ``n_left_out_`` (training examples cut, units without a piece), ``pool_``, ``settings_``. A unit without a piece is
    predicted as training's most frequent class, or its mean; ``n_truncated_predicted_`` and ``n_left_out_predicted_``
    count for the last prediction.

    >>> texts, labels = ["keys rust", "a dog barks", "doors creak", "a cat sleeps"], ["pl", "sg", "pl", "sg"]
    >>> clf = FineTune("demo:minilm", strategy="head-only", epochs=1).fit(texts, labels)
    >>> clf.predict_proba(["keys rust"]).shape
    (1, 2)
    """

    fitted_by = "live_"
    live_: Live
    tuning_: Tuning
    center_: float
    scale_: float

    def __init__(
        self,
        model: str | ModelRef = "demo:minilm",
        strategy: str = "full",
        *,
        options: Mapping[str, Any] | None = None,
        epochs: float | None = None,
        rate: float | None = None,
        schedule: str | None = None,
        batch_size: int = 32,
        accumulate: int = 1,
        weight_decay: float | None = None,
        warmup: float | None = None,
        clip: float | None = 1.0,
        dropout: float = 0.1,
        pool: str = "auto",
        max_pieces: int | None = None,
        target: str = "auto",
        class_weight: str | Mapping[Any, float] | None = None,
        metric: str | None = None,
        patience: int | None = None,
        precision: str = "auto",
        warm_start: bool = False,
        checkpoint: str | Path | None = None,
        save_seconds: float = 60.0,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.strategy = strategy
        self.options = options
        self.epochs = epochs
        self.rate = rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.clip = clip
        self.dropout = dropout
        self.pool = pool
        self.max_pieces = max_pieces
        self.target = target
        self.class_weight = class_weight
        self.metric = metric
        self.patience = patience
        self.precision = precision
        self.warm_start = warm_start
        self.checkpoint = checkpoint
        self.save_seconds = save_seconds
        self.seed = seed

    def fit(
        self, X: Any, y: Any, X_dev: Any = None, y_dev: Any = None, *, progress: Progress = silent
    ) -> Self:
        """Fit on examples and their labels; dev examples choose the epoch that is kept.

        Raises DataError (examples, labels), ConfigError (settings, strategy), ModelError (the model, memory) and
        TrainingFailed (the loss is no number any more, or diverges).
        """
        given = params_given(self)
        settings = settings_in_force(given, find_strategy(self.strategy, "fine-tuning").defaults)
        if settings["patience"] is not None and X_dev is None:
            raise ConfigError("patience looks at dev examples: fit(X, y, X_dev, y_dev)")
        warm = bool(self.warm_start and hasattr(self, "live_"))
        if warm:
            self._check_warm(given)
        y, y_dev = as_list(y), as_list(y_dev)
        examples = read_examples(X, y)
        target, codes = self._target(y, examples, warm)
        scaling = (self.center_, self.scale_) if warm else _scaling(target, codes)
        held = None if X_dev is None else read_examples(X_dev, y_dev, unit=examples.unit)
        model = self.live_.model if warm else ModelRef.of(self.model).load()
        plan = loop_plan(settings, target, codes, model.device)
        pool = self._pool(model)
        inputs = self._read(model, examples, pool)
        if inputs.left_out.all():
            raise DataError("no example has a piece that the model can read")
        if warm:
            live, tuning = self.live_, self.tuning_
        else:
            live, tuning = self._live(model, target.outputs, settings["options"], inputs)
            if live.model is not model:  # what stands in front of the text leaves it fewer pieces
                inputs = self._read(live.model, examples, pool)
        train = Labelled(inputs, _scaled(codes, scaling))
        dev = None
        if held is not None:
            dev = Labelled(self._read(live.model, held, pool), _scaled(target.encode(y_dev, held), scaling))
        keeper = None
        if self.checkpoint is not None:
            keeper = Keeper(
                Path(self.checkpoint),
                settings["save_seconds"],
                run_identity(settings, live, train, dev, warm=warm),
            )
        try:
            history = run_loop(live, tuning, train, dev, plan, keeper=keeper, progress=progress)
        except ModelError:
            if warm:
                del self.live_  # half-way between two fits
            raise
        finally:
            live.eval()
            live.inputs = None
        self.history_ = history
        self.center_, self.scale_ = scaling
        self.unit_, self.target_, self.live_, self.tuning_ = examples.unit, target, live, tuning
        self.pool_, self.settings_, self.given_ = pool, settings, given
        self.prior_ = None if target.numeric else np.bincount(codes, minlength=target.outputs) / len(codes)
        self.n_truncated_, self.n_left_out_ = train.inputs.truncated, int(train.inputs.left_out.sum())
        self._count()
        return self

    def _check_warm(self, given: Mapping[str, Any]) -> None:
        """ConfigError where the last fit cannot be gone on with under the settings given."""
        for name in ("model", "strategy", "options", "dropout", "target"):
            if given[name] != self.given_[name]:
                raise ConfigError(
                    f"warm start: {name} is {given[name]!r} and was {self.given_[name]!r} in the last fit, which it "
                    "would go on with; fit with warm_start=False"
                )

    def _target(self, y: Any, examples: Examples, warm: bool) -> tuple[Target, NDArray[Any]]:
        """The target and its codes; with a warm start the target of the last fit."""
        if warm:
            if examples.unit != self.unit_:
                raise DataError(f"warm start: the last fit was on {self.unit_}s, these are {examples.unit}s")
            codes = self.target_.encode(y, examples)
            if not self.target_.numeric and (codes < 0).any():
                raise DataError("warm start: labels that the last fit had not; fit with warm_start=False")
            return self.target_, codes
        target = Target.of(y, examples, self.target)
        return target, target.encode(y, examples)

    def _read(self, model: Model, examples: Examples, pool: str) -> Inputs:
        return encode_inputs(model, examples, pool=pool, max_pieces=self.max_pieces)

    def _pool(self, model: Model) -> str:
        if self.pool != "auto":
            return self.pool
        return "mean" if reads_ahead(model) else "last"

    def _live(
        self, model: Model, outputs: int, options: Mapping[str, Any], inputs: Inputs | None
    ) -> tuple[Live, Tuning]:
        """The model with a head and what the strategy inserts; the same for the same seed."""
        live = Live(model, outputs, dropout=float(self.dropout), seed=int(self.seed))
        live.inputs = inputs
        tuning = make_tuning(find_strategy(self.strategy, "fine-tuning"), options)
        with own_generators(self.seed, model.device), quiet():
            tuning.prepare(live)
        return live, tuning

    def _count(self) -> None:
        """What was trained, in numbers and bytes; `classes_`."""
        kept = self._tuned()
        self.n_trainable_ = self.n_stored_ = sum(tensor.numel() for tensor in kept.values())
        self.stored_bytes_ = sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
        if self.target_.classes is not None:
            self.classes_ = self.target_.classes
        elif hasattr(self, "classes_"):
            del self.classes_

    def _tuned(self) -> dict[str, torch.Tensor]:
        named = dict(self.live_.named_parameters())
        return {name: named[name].detach() for name in sorted(self.live_.trained)}

    def _outputs(self, X: Any) -> tuple[Examples, NDArray[np.float32]]:
        """Outputs of the head for all units; those without a piece get training's shares, or its mean."""
        check_is_fitted(self, "live_")
        examples = read_examples(X, unit=self.unit_)
        inputs = self._read(self.live_.model, examples, self.pool_)
        outputs = predict_outputs(self.live_, inputs)
        self.n_truncated_predicted_ = inputs.truncated
        self.n_left_out_predicted_ = int(inputs.left_out.sum())
        with np.errstate(divide="ignore"):  # a class that a warm start did not meet again
            outputs[inputs.left_out] = 0.0 if self.prior_ is None else np.log(self.prior_)
        return examples, outputs

    def _numbers(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Outputs [units, 1] as the numbers that are predicted [units]: the head learned them scaled."""
        return outputs[:, 0].astype(np.float64) * self.scale_ + self.center_

    def save(self, folder: str | Path) -> None:
        """Write what was trained, the head and the settings of `fit`; `load_adapted` reads it. The model itself is not
        copied unless all of it was trained. Raises DiskError, NotFittedError."""
        check_is_fitted(self, "live_")
        arrays = {name: tensor.cpu().numpy() for name, tensor in self._tuned().items()}
        save_adapted(folder, "fine-tuning", arrays, self._words())

    def _words(self) -> dict[str, Any]:
        """Everything but the weights as plain values."""
        params = {key: _plain(value) for key, value in self.given_.items()}
        ref, weights = ModelRef.of(params["model"]), params["class_weight"]
        if isinstance(weights, Mapping):
            params["class_weight"] = [[_plain(key), float(value)] for key, value in weights.items()]
        return {
            "params": {
                **params,
                "model": ref.to_dict(),
                "checkpoint": None if params["checkpoint"] is None else str(params["checkpoint"]),
            },
            "model_folder": folder_of(ref),
            "options_in_force": dict(self.settings_["options"]),
            "fingerprint": self.live_.model.fingerprint,
            "unit": self.unit_,
            "pool": self.pool_,
            "target": target_words(self.target_),
            "scaling": [self.center_, self.scale_],
            "prior": None if self.prior_ is None else self.prior_.tolist(),
            "history": self.history_,
            "counts": [self.n_truncated_, self.n_left_out_],
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any], ref: ModelRef) -> Self:
        """The estimator that `save` wrote as arrays and plain values."""
        params = dict(words["params"])
        if isinstance(params["class_weight"], list):
            params["class_weight"] = dict(params["class_weight"])
        found = cls(**{**params, "model": ref})
        found.unit_, found.pool_ = words["unit"], words["pool"]
        found.target_ = target_of(words["target"])
        found.center_, found.scale_ = words["scaling"]
        found.prior_ = None if words["prior"] is None else np.array(words["prior"])
        found.history_ = list(words["history"])
        found.n_truncated_, found.n_left_out_ = words["counts"]
        found.given_ = params_given(found)
        found.settings_ = settings_in_force(
            {**found.given_, "options": words["options_in_force"]},
            find_strategy(found.strategy, "fine-tuning").defaults,
        )
        found.live_, found.tuning_ = found._again(arrays, words["fingerprint"])
        found._count()
        return found

    def _again(self, arrays: Mapping[str, NDArray[Any]], fingerprint: str) -> tuple[Live, Tuning]:
        """The adapted model put together from the source model and what was trained."""
        model = ModelRef.of(self.model).load()
        if model.fingerprint != fingerprint:
            raise ModelError(
                f"{model.name}: its weights are not those that were adapted; give back the model of then"
            )
        live, tuning = self._live(model, self.target_.outputs, self.settings_["options"], None)
        named = dict(live.named_parameters())
        if missing := sorted(set(arrays) - set(named)):
            raise DataError(f"the adapted model has no {missing[0]}; it was saved by another version")
        with torch.no_grad():
            for name, array in arrays.items():
                named[name].copy_(torch.from_numpy(array.copy()))
        live.trained = set(arrays)
        live.eval()
        return live, tuning

    def export(self, folder: str | Path) -> None:
        """Write the adapted body as a plain transformers folder that `load_model` reads, kind ``adapted``; with the
        language-model head of the source, where it has one. This estimator stays as it is: the model is loaded anew.

        Raises ModelError where the strategy's insertions cannot be merged; DiskError; ConfigError where the folder
        holds something else.
        """
        check_is_fitted(self, "live_")
        arrays = {name: tensor.cpu().numpy() for name, tensor in self._tuned().items()}
        words = self._words()
        ref = found_again(words["params"]["model"], words.get("model_folder"))
        again = type(self).restored(arrays, words, ref)
        export_body(folder, again.live_, again.tuning_, words)


def _plain(value: Any) -> Any:
    """What JSON can hold of a number of numpy's."""
    return value.item() if isinstance(value, np.generic) else value


def _scaling(target: Target, codes: NDArray[Any]) -> tuple[float, float]:
    """Mean and standard deviation of numbers: the head learns them scaled."""
    return (float(codes.mean()), float(codes.std()) or 1.0) if target.numeric else (0.0, 1.0)


def _scaled(codes: NDArray[Any], scaling: tuple[float, float]) -> NDArray[Any]:
    return (codes - scaling[0]) / scaling[1] if codes.dtype.kind == "f" else codes
