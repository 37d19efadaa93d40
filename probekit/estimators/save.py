"""Fitted probes on disk: arrays as safetensors, everything else as JSON beside them. No pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from probekit.errors import DataError, StoreError, did_you_mean
from probekit.estimators.linear import LinearProbe, LinearProbeRegressor
from probekit.estimators.mlp import MLPProbe, MLPProbeRegressor
from probekit.estimators.networks import NetSolution
from probekit.results.files import load_arrays, read_json, save_arrays, write_json

Probe: TypeAlias = LinearProbe | LinearProbeRegressor | MLPProbe | MLPProbeRegressor

FORMAT = 1
KINDS = {kind.__name__: kind for kind in (LinearProbe, LinearProbeRegressor, MLPProbe, MLPProbeRegressor)}
NUMBERS = ("n_iter_", "gradient_norm_", "converged_", "n_epochs_", "loss_", "n_features_in_")
NET_NUMBERS = ("target_shift", "target_scale", "loss", "n_epochs", "converged")


def save_probe(probe: Probe, path: str | Path) -> None:
    """Write a fitted probe to ``path``.safetensors and ``path``.json; `load_probe` predicts the same bits.

    Raises DataError where the probe is not one of ours, is not fitted, or has labels JSON cannot hold; DiskError.

    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> save_probe(LinearProbe().fit(X, ["low", "low", "high", "high"]), "my-probe")
    >>> load_probe("my-probe").predict(X).tolist()
    ['low', 'low', 'high', 'high']
    """
    kind = type(probe).__name__
    if KINDS.get(kind) is not type(probe):
        raise DataError(f"only {', '.join(KINDS)} can be saved; got {type(probe)}")
    if not hasattr(probe, "n_features_in_"):
        raise DataError(f"this {kind} is not fitted; call fit before saving it")
    about: dict[str, Any] = {"format": FORMAT, "kind": kind, "parameters": _parameters(probe)}
    about["numbers"] = {name: _plain(getattr(probe, name)) for name in NUMBERS if hasattr(probe, name)}
    if hasattr(probe, "classes_"):
        about["classes"] = {"values": probe.classes_.tolist(), "dtype": _dtype(probe.classes_)}
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    if isinstance(probe, MLPProbe | MLPProbeRegressor):
        net: NetSolution = probe.net_
        about["net"] = {name: _plain(getattr(net, name)) for name in NET_NUMBERS}
        arrays = {"shift": net.shift, "scale": net.scale}
        for depth, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
            arrays |= {f"weight.{depth}": weight, f"bias.{depth}": bias}
    else:
        arrays = {"coef": probe.coef_, "intercept": np.atleast_1d(probe.intercept_)}
    save_arrays(_file(path, ".safetensors"), arrays)
    write_json(_file(path, ".json"), about)


def load_probe(path: str | Path) -> Probe:
    """The fitted probe that `save_probe` wrote. Raises DataError where absent, StoreError where it is no such file.

    >>> save_probe(LinearProbeRegressor().fit(np.array([[0.0], [1.0]]), [0.0, 1.0]), "my-probe")
    >>> type(load_probe("my-probe")).__name__
    'LinearProbeRegressor'
    """
    description = _file(path, ".json")
    about = read_json(description)
    if not isinstance(about, dict) or "kind" not in about:
        raise StoreError(
            f"{description}: not the description of a probe; expected a file written by save_probe"
        )
    if about.get("format") != FORMAT:
        raise StoreError(
            f"{description}: format {about.get('format')!r}, while this version reads format {FORMAT}; "
            "fit the probe again, or read it with the version that wrote it"
        )
    if about["kind"] not in KINDS:
        raise StoreError(
            f"{description}: unknown kind of probe {about['kind']!r}; {did_you_mean(about['kind'], KINDS)}"
        )
    arrays = load_arrays(_file(path, ".safetensors"))
    try:
        return _restored(about, arrays)
    except (KeyError, TypeError, ValueError) as problem:
        raise StoreError(f"{description}: damaged ({problem!r}); fit the probe again") from None


def _restored(about: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> Probe:
    parameters = about["parameters"]
    if "hidden" in parameters:
        parameters["hidden"] = tuple(parameters["hidden"])
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    probe: Probe = KINDS[about["kind"]](**parameters)
    if "classes" in about:
        probe.classes_ = np.array(about["classes"]["values"], dtype=about["classes"]["dtype"])
    if isinstance(probe, MLPProbe | MLPProbeRegressor):
        depth = sum(name.startswith("weight.") for name in arrays)
        probe.net_ = NetSolution(
            weights=tuple(arrays[f"weight.{i}"] for i in range(depth)),
            biases=tuple(arrays[f"bias.{i}"] for i in range(depth)),
            shift=arrays["shift"],
            scale=arrays["scale"],
            **about["net"],
        )
    else:
        probe.coef_, probe.intercept_ = arrays["coef"], arrays["intercept"]
        if isinstance(probe, LinearProbeRegressor):
            probe.intercept_ = float(probe.intercept_[0])
    for name, value in about["numbers"].items():
        if name not in NUMBERS:
            raise KeyError(name)
        setattr(probe, name, value)
    return probe


def _parameters(probe: Probe) -> dict[str, Any]:
    parameters = {name: _plain(value) for name, value in probe.get_params().items()}
    if isinstance(parameters.get("class_weight"), dict):  # JSON keys are text; labels need not be
        parameters["class_weight"] = [[_plain(k), _plain(v)] for k, v in parameters["class_weight"].items()]
    if isinstance(parameters.get("random_state"), np.random.RandomState):
        parameters["random_state"] = None  # a generator is used up by fitting; only an integer can be kept
    return parameters


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _dtype(classes: np.ndarray[Any, Any]) -> str:
    if classes.dtype.kind == "O" and not all(isinstance(label, str) for label in classes.tolist()):
        raise DataError("labels of mixed or unknown types cannot be saved; use text, integers or booleans")
    return "object" if classes.dtype.kind == "O" else classes.dtype.str


def _file(path: str | Path, suffix: str) -> Path:
    path = Path(path)
    return path.with_name(path.name + suffix)
