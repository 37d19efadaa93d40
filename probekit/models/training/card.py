"""What stands beside a self-trained model: a record for programs and a model card for people."""

from __future__ import annotations

from typing import Any

import numpy as np
from huggingface_hub import ModelCardData

from probekit.results.panel import Panel

OBJECTIVES = {"causal": "causal language model", "masked": "masked language model"}


def summary(record: dict[str, Any]) -> str:
    """One sentence on what came out.

    >>> facts = {"name": "a", "objective": "causal", "steps": 9, "score": {"perplexity": 4.0, "loss": 1.386,
    ...          "unigram_loss": 5.0, "on_plateau": False}, "cost": {"cpu_seconds": 3.2}}
    >>> summary(facts)
    'a: causal language model, 9 steps, held-out perplexity 4.00 a piece (loss 1.386, unigram 5.000), 3 CPU s'
    """
    score, cost = record["score"], record["cost"]
    what = "perplexity" if record["objective"] == "causal" else "masked-piece perplexity"
    flat = "; it did not leave the unigram plateau" if score["on_plateau"] else ""
    return (
        f"{record['name']}: {OBJECTIVES[record['objective']]}, {record['steps']:,} steps, held-out {what} "
        f"{score['perplexity']:,.2f} a piece (loss {score['loss']:.3f}, unigram {score['unigram_loss']:.3f}), "
        f"{cost['cpu_seconds']:,.0f} CPU s{flat}"
    )


def curve_panel(record: dict[str, Any]) -> Panel:
    """The loss curve: held-out and training loss over steps, with the loss of piece frequencies as a line."""
    rows = record["curve"]
    value = np.array(
        [[row["loss"] for row in rows], [_number(row["train_loss"]) for row in rows]], dtype=float
    )
    labels = {
        "x_label": "training step",
        "y_label": "loss (nats a piece)",
        "x_scale": "log" if len(rows) > 1 else "linear",
        "series": [{"name": "held out", "style": "task"}, {"name": "training", "style": "control"}],
        "reference": {"value": record["score"]["unigram_loss"], "name": "piece frequencies alone"},
    }
    arrays = {"x": np.array([row["step"] for row in rows], dtype=float), "value": value}
    nothing = np.full_like(value, np.nan)
    return Panel(
        "curve", "training-loss", f"Loss of {record['name']}", summary(record) + ".",
        arrays | {"low": nothing, "high": nothing}, labels,
    )  # fmt: skip


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def model_card(record: dict[str, Any]) -> str:
    """The README.md of a model folder: data, cost, perplexity, curve."""
    config, corpus, cost, score = record["config"], record["corpus"], record["cost"], record["score"]
    licence = corpus["licence"] or None
    data = ModelCardData(
        license=licence.split(" ")[0].lower() if licence else None,
        library_name="transformers",
        pipeline_tag="text-generation" if record["objective"] == "causal" else "fill-mask",
        tags=["probekit", "self-trained"],
    )
    model, batches, optimizer = config["model"], config["batches"], config["optimizer"]
    rows = "\n".join(
        f"| {row['step']:,} | {row['pieces']:,} | "
        f"{'' if row['train_loss'] is None else format(row['train_loss'], '.3f')} | {row['loss']:.3f} | "
        f"{row['perplexity']:,.2f} |"
        for row in record["curve"]
    )
    per_word = score["perplexity_per_word"]
    scored = "every piece given those before it" if per_word else "a fixed share of the pieces, masked"
    plateau = (
        "\n**The held-out loss is less than 5 % below that of piece frequencies alone: this model did not leave the "
        "plateau, and what it does says little about its objective.**\n"
        if score["on_plateau"]
        else ""
    )
    return f"""---
{data.to_yaml()}
---
# {record["name"]}

A {OBJECTIVES[record["objective"]]} ({model["family"]}, {model["layers"]} layers, width {model["width"]},
{model["heads"]} heads, {record["parameters"]:,} parameters), trained from nothing with probekit.

## Data
{corpus["source"]}: {corpus["train_texts"]:,} texts, {corpus["train_pieces"]:,} pieces to train on, and
{corpus["held_out_texts"]:,} texts held out. Licence: {licence or "not stated"}. Hash of the text: `{
        corpus["hash"]
    }`.
The tokenizer has {record["vocabulary"]:,} pieces; `{record["pieces"]["begin"]}` begins a text.

## Training
{record["steps"]:,} steps of about {batches["pieces"]:,} pieces ({
        "rows of " + str(batches["length"])
        if batches["pack"]
        else "a text a row, at most " + str(batches["length"])
    }), AdamW at {optimizer["rate"]:g} after {optimizer["warmup"]}
warm-up steps ({optimizer["schedule"]}), dropout {model["dropout"]:g}, seed {config["seed"]}, {
        record["precision"]
    }.
Cost: {cost["cpu_seconds"]:,.0f} CPU seconds, {cost["wall_seconds"]:,.0f} seconds on the clock, {
        cost["threads"]
    }
thread(s), {cost["device"]}; {cost["pieces"]:,} pieces read.

## What came out
Held-out perplexity {score["perplexity"]:,.2f} a piece ({scored}; loss {score["loss"]:.4f} nats){
        "" if per_word is None else f", {per_word:,.2f} a word"
    }.
The loss of piece frequencies alone (unigram) is {score["unigram_loss"]:.4f} nats.
{plateau}
| step | pieces | training loss | held-out loss | perplexity |
|---:|---:|---:|---:|---:|
{rows}

```python
from transformers import AutoModel, AutoTokenizer
model, tokenizer = AutoModel.from_pretrained("."), AutoTokenizer.from_pretrained(".")
```
"""
