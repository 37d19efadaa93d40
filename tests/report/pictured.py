"""Curves and forests as analyses make them, with numbers of a likely size."""

from __future__ import annotations

from typing import Any

import numpy as np

from probekit.results.panel import Panel

SYSTEMS = [
    {"name": "gpt2-small", "style": "task"},
    {"name": "5-gram", "style": "baseline"},
    {"name": "unigram", "style": "baseline"},
    {"name": "random twins (mean)", "style": "twin"},
    {"name": "majority number", "style": "baseline"},
]
BLIMP = [
    f"{head}_{tail}"
    for head in ("distractor_agreement", "sentential_negation_npi_licensor", "principle_A", "wh_vs_that_with_gap")
    for tail in ("relational_noun", "relative_clause", "present", "reconstruction_long_distance", *"abcdefghijklm")
][:67]  # fmt: skip


def bounds(value: np.ndarray, reach: np.ndarray | float) -> dict[str, np.ndarray]:
    return {"value": value, "low": np.clip(value - reach, 0, 1), "high": np.clip(value + reach, 0, 1)}


def attractors() -> Panel:
    value = np.array(
        [
            [0.992, 0.961, 0.913, 0.842, 0.781],
            [0.911, 0.483, 0.352, 0.301, 0.288],
            [0.521, 0.498, 0.502, 0.489, 0.511],
            [0.507, 0.494, 0.503, 0.489, 0.502],
            [0.522, 0.524, 0.519, 0.531, 0.525],
        ]
    )
    reach = np.array([0.004, 0.011, 0.019, 0.034, 0.061]) * np.array([1, 1.4, 1.3, 0.8, 1.3])[:, None]
    return Panel(
        "curve", "attractors", "Accuracy by number of attractors", "Bars: 95 % cluster bootstrap.",
        {"x": np.arange(5.0), **bounds(value, reach)},
        {
            "x_label": "number of attractors", "y_label": "accuracy (share of items right)", "series": SYSTEMS,
            "x_scale": "linear", "x_ticks": ["0", "1", "2", "3", "4"], "y_range": [0.0, 1.0],
            "reference": {"value": 0.5, "name": "chance"},
        },
    )  # fmt: skip


def checkpoints(zero: bool = True) -> Panel:
    x = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000, 4000, 8000, 16000], float)
    x = x if zero else x[1:]
    rise = 1 / (1 + np.exp(-(np.log(x + 1) - 5.5) * 2))
    value = np.stack([0.5 + 0.48 * rise, 0.5 + 0.3 * rise - 0.15 * rise * (1 - rise), 0 * x + 0.62])
    labels: dict[str, Any] = {
        "x_label": "training step", "y_label": "accuracy", "x_scale": "log",
        "series": [
            {"name": "no attractor", "style": "task"},
            {"name": "two attractors", "style": "control"},
            {"name": "5-gram", "style": "baseline"},
        ],
        "y_range": [0.0, 1.0], "reference": {"value": 0.5, "name": "chance"},
    }  # fmt: skip
    return Panel(
        "curve", "checkpoints", "Accuracy over training", "", {"x": x, **bounds(value, 0.02)}, labels
    )


def losses(points: int = 200) -> Panel:
    x = np.linspace(100, 2_560_000, points)
    fall = 6.2 * np.exp(-x / 3e5) + 2.1
    value = np.stack([fall + 0.05 * np.sin(x / 9e3), fall + 0.2])
    value[1, np.arange(points) % 10 > 0] = np.nan
    none = np.full_like(value, np.nan)
    labels: dict[str, Any] = {
        "x_label": "pieces read", "y_label": "loss (nats per piece)",
        "series": [{"name": "training", "style": "control"}, {"name": "held-out text", "style": "task"}],
        "reference": {"value": 6.1, "name": "unigram loss"},
    }  # fmt: skip
    return Panel("curve", "loss", "Loss", "", {"x": x, "value": value, "low": none, "high": none}, labels)


def forest(rows: list[str], series: int = 3) -> Panel:
    rng = np.random.default_rng(3)
    model = np.sort(rng.beta(5, 1.6, len(rows)))[::-1]
    others = [np.clip(0.5 + 0.5 * (model - 0.5) + rng.normal(0, 0.1, len(rows)), 0, 1), 0 * model + 0.5]
    value = np.stack([model, *others, *others])[:series]
    value[1, 3] = np.nan
    return Panel(
        "forest", "forest", "Accuracy by phenomenon", "Best first.", bounds(value, 0.02 + 0.03 * rng.random(len(rows))),
        {
            "rows": rows, "series": SYSTEMS[:series], "value_label": "accuracy (share of items right)",
            "range": [0.0, 1.0], "reference": {"value": 0.5, "name": "chance"},
        },
    )  # fmt: skip
