# ruff: noqa: E501
"""A run folder made by hand: every kind of panel, awkward labels, failures, a random twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probekit.results.measurement import Measurement
from probekit.results.outcomes import Outcomes
from probekit.results.panel import Panel
from probekit.results.run import Run

ATTACK = "</script><img src=x onerror=alert(1)>"
UPOS = [
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
]


def layer_curve(layers: int = 7, name: str = "layer-curve") -> Panel:
    x = np.linspace(0, 1, layers) if layers > 1 else np.zeros(1)
    value = np.stack(
        [0.88 + 0.07 * np.sin(np.pi * x), 0.62 - 0.02 * x, 0.72 - 0.1 * x, 0 * x + 0.86, 0 * x + 0.17]
    )
    reach = np.array([0.006, 0.01, 0.012, 0.007, 0.004])[:, None]
    series = [
        {"name": "upos, linear probe", "style": "task"},
        {"name": "word-type control task (5 draws)", "style": "control"},
        {"name": "random twins (3)", "style": "twin"},
        {"name": "word identity", "style": "baseline"},
        {"name": "majority", "style": "baseline"},
    ]
    labels: dict[str, Any] = {
        "layers": [str(i) for i in range(layers)],
        "x_label": "layer (0 = embeddings)",
        "y_label": "accuracy (25,094 words, 2,077 sentences)",
        "series": series,
    }
    if layers > 3:
        labels["mark"] = {"layer": "3", "text": "best on dev"}
    return Panel(
        "layer-curve", name, "Part of speech by layer",
        "Test accuracy of the linear probe and of its controls. Bands: 95% cluster bootstrap over sentences.",
        {"value": value, "low": value - reach, "high": value + reach}, labels,
    )  # fmt: skip


def selectivity(layers: int = 7) -> Panel:
    value = np.stack([0.26 + 0.02 * np.arange(layers), 0.16 + 0.05 * np.sin(np.arange(layers))])
    return Panel(
        "layer-curve", "selectivity", "What the probe reads beyond memorising words",
        "Task accuracy minus that of the control task (selectivity) and minus that of the random twins.",
        {"value": value, "low": value - 0.012, "high": value + 0.012},
        {
            "layers": [str(i) for i in range(layers)], "x_label": "layer (0 = embeddings)",
            "y_label": "difference in accuracy (25,094 words)",
            "reference": {"value": 0.0, "name": "no difference"},
            "series": [
                {"name": "minus control task", "style": "difference"},
                {"name": "minus random twins", "style": "difference"},
            ],
        },
    )  # fmt: skip


def heatmap(rows: list[str], columns: int = 7) -> Panel:
    rng = np.random.default_rng(1)
    value = np.clip(0.6 + 0.4 * rng.random((len(rows), columns)) ** 0.5, 0, 1)
    value[-1] = np.nan
    return Panel(
        "heatmap", "label-f1", "F1 of each label", "F1 by label and layer on test; crossed out: not in test.",
        {"value": value, "n": np.append(rng.integers(5, 4000, len(rows) - 1), 0)},
        {
            "rows": rows, "columns": [str(i) for i in range(columns)], "row_label": "label (n words)",
            "column_label": "layer", "value_label": "F1",
        },
    )  # fmt: skip


def confusion(classes: list[str]) -> Panel:
    rng = np.random.default_rng(2)
    counts = (rng.random((len(classes), len(classes))) ** 14 * 40).astype(np.int64)
    np.fill_diagonal(counts, rng.integers(20, 4000, len(classes)))
    counts[-1] = 0
    return Panel(
        "confusion", "confusion", "Confusions in layer 3", "Row-normalised, at the layer chosen on dev.",
        {"counts": counts}, {"classes": classes},
    )  # fmt: skip


def table_panel() -> Panel:
    rows = [
        ["linear", "3", 0.9481, "[0.945, 0.951]", 0.0001, 25094],
        ["majority", None, 0.1702, "[0.166, 0.174]", None, 25094],
        ["word identity", None, 0.8612, "[0.856, 0.866]", 0.0001, 25094],
        [ATTACK, "6", 0.99999, "", 0.2, 3],
    ]
    return Panel(
        "table", "best-layer", "The best layer and its controls", "Layer chosen on dev, scored on test; p by Holm.",
        labels={
            "columns": ["method", "layer", "accuracy", "95% interval", "p against linear", "n"],
            "formats": ["text", "text", "score", "text", "p", "int"], "rows": rows,
        },
    )  # fmt: skip


INFO: dict[str, Any] = {
    "name": "quickstart",
    "question": "Where is part of speech linearly readable in MiniLM?",
    "expectation": "Highest in layers 2-4, above its random twins everywhere, selectivity above 0.2.",
    "started": "2026-11-20T20:00:00Z",
    "finished": "2026-11-20T20:02:41Z",
    "seconds": 161.2,
    "device": "cpu",
    "threads": 2,
    "peak_anonymous_mb": 812.4,
    "seeds": {"control": [0, 1, 2, 3, 4], "probe": [0], "twin": [0, 1, 2], "data": 0},
    "versions": {"python": "3.11.7", "probekit": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0", "numpy": "2.3.1"},
    "models": [
        {"name": "demo:minilm", "kind": "pretrained", "fingerprint": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", "revision": "", "layers": 7, "dim": 384, "dtype": "float32", "attention": "sdpa"},
        {"name": "demo:minilm#twin-0", "kind": "random", "fingerprint": "0f" * 32},
    ],
    "corpora": [
        {"name": "en_ewt", "hash": "ab" * 32, "path": "en_ewt-ud-*.conllu", "sizes": {"train": 12544, "dev": 2001, "test": 2077}, "licence": "CC BY-SA 4.0", "overlap": {"train/test": 93, "train/dev": 61}},
    ],
    "left_out": [
        {"what": "word", "reason": "truncated", "n": 17, "examples": ["weblog-1:231", ATTACK]},
        {"what": "word", "reason": "no piece", "n": 2, "examples": ["answers-2:4"]},
    ],
    "failed": [{"cell": "mlp.layer-6", "reason": "no convergence after 1000 steps " + ATTACK}],
    "summary": [
        "Part of speech is read best in layer 3 of demo:minilm: test accuracy 0.948 [0.945, 0.951] over 25,094 words of 2,077 sentences (layer chosen on dev).",
        "That is 0.087 [0.082, 0.092] above word identity and 0.290 above the control task (selectivity).",
    ],
    "plan": {"analysis": [{"kind": "probe", "layers": "all", "tasks": ["upos"]}]},
    "file": '[question]\nask = "Where is part of speech linearly readable in MiniLM?"\n\n[[model]]\nname = "demo:minilm"\ntwins = 3\n',
}  # fmt: skip


def make_run(path: Path) -> Run:
    run = Run(path)
    run.write_info(INFO)
    sentence = Panel("sentence", "remark", "Remark", labels={"text": f"Label {ATTACK} was seen once."})
    panels = [
        layer_curve(), selectivity(), table_panel(), heatmap([*UPOS, ATTACK]), confusion([*UPOS, "$"]), sentence,
    ]  # fmt: skip
    for panel in panels:
        run.add_panel(panel)
    run.add_measurements(
        Measurement(
            run="quickstart", question="upos", corpus="en_ewt", model="demo:minilm", layer=str(layer),
            method="linear", control=control, metric="accuracy", value=0.9 - 0.3 * (control != "") + layer / 100,
            low=0.89, high=0.95, interval="cluster bootstrap over sentences", n=25094, n_left_out=19,
            seeds=(("control", 0),), reference="word-identity" if not control else "",
            p=0.0001 if not control else None, p_adjusted=0.0007 if not control else None, family_size=7,
        )
        for layer in range(7)
        for control in ("", "word-type", "random-twin")
    )  # fmt: skip
    run.add_measurements(
        [Measurement(metric="f1", group=f"label={ATTACK}", value=float("nan"), reason="not in test")]
    )
    rng = np.random.default_rng(0)
    ids = tuple(f"s{i // 5}:{i % 5 + 1}" for i in range(200))
    gold = rng.integers(0, 3, 200)
    guess = np.where(rng.random(200) < 0.8, gold, 0)
    run.add_outcomes(
        "linear.layer-3", Outcomes(ids, np.arange(200) // 5, gold, guess, labels=("A", "B", "C"))
    )
    return run


@pytest.fixture
def fake_run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "runs" / "quickstart" / "20261120T200000Z-0123abcd")
