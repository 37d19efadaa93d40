"""What `probekit doctor` looks at: versions, device, offline state, the store, and how fast this machine is."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from probekit.activations.store import Store
from probekit.errors import ProbekitError
from probekit.experiment.estimate import Rates
from probekit.experiment.machine import machine, versions
from probekit.results.files import read_json, write_json

RATES = "rates.json"


def health() -> dict[str, Any]:
    """Everything a bug report should say, ready for JSON."""
    store = Store()
    entries = store.list()
    return {
        "versions": versions(),
        "machine": machine(),
        "offline": os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"),
        "demo_model": _demo(),
        "store": {
            "path": str(store.root),
            "entries": len(entries),
            "bytes": sum(entry.size for entry in entries),
        },
        "rates": rates_of(store.root).__dict__,
    }


def rates_of(root: Path) -> Rates:
    """The rates that `probekit doctor --measure` last wrote beside the store, or cautious defaults."""
    try:
        found = read_json(root / RATES)
        rates = Rates(forward=float(found["forward"]), solve=float(found["solve"]))
    except (ProbekitError, KeyError, TypeError, ValueError):
        return Rates()
    return rates if rates.forward > 0 and rates.solve > 0 else Rates()


def measure_rates() -> Rates:
    """Time a matrix product of a Transformer's shape and a linear solve, and keep the rates beside the store."""
    import numpy as np
    import torch

    from probekit.estimators.logistic import Problem, solve_logistic

    a, b = torch.randn(512, 384), torch.randn(384, 1536)
    begun, times = time.perf_counter(), 0
    while time.perf_counter() - begun < 1.0:
        a @ b
        times += 1
    product = times * 512 * 384 * 1536 / (time.perf_counter() - begun) / 1e9
    rng = np.random.default_rng(0)
    rows, dim, labels = 8000, 256, 12
    X = rng.normal(size=(rows, dim)).astype(np.float32)
    y = (X @ rng.normal(size=(dim, labels)) + rng.normal(size=(rows, labels)) * 8).argmax(axis=1)
    begun = time.perf_counter()
    [solution] = solve_logistic(X, [Problem(y=y, n_classes=labels)])
    solve = 2.0 * rows * dim * labels * solution.n_iter / (time.perf_counter() - begun) / 1e9
    rates = Rates(forward=0.5 * product, solve=solve)  # half: attention, norms and pooling cost too
    write_json(Store().root / RATES, rates.__dict__)
    return rates


def _demo() -> str:
    from probekit.models.demo import demo_folder

    try:
        return f"present ({demo_folder('demo:minilm')[1]})"
    except ProbekitError as problem:
        return str(problem)
