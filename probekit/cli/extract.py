"""`probekit extract`: store the representations of a corpus, every layer in one pass."""

from __future__ import annotations

import time
from typing import Any

import click

from probekit.cli.common import device_option, emit, format_option, json_option, progress, say


@click.command("extract")
@click.option("--data", "data", required=True, multiple=True, help="A file, a folder or a glob. Repeatable.")
@click.option("--model", required=True, help="Hub name, folder, or demo:minilm.")
@click.option("--revision", default=None, help="Revision of a hub model.")
@click.option("--layers", default="all", show_default=True, help="all, or names with commas: 0,3,final.")
@click.option("--site", default="hidden", show_default=True, help="hidden, attention_output, heads or mlp.")
@click.option("--unit", default="word", show_default=True, help="word, sentence or piece.")
@click.option("--pool", default=None, help="How pieces become a row: mean (default), first, last, max, cls.")
@click.option("--special", is_flag=True, help="Special pieces too (unit sentence or piece).")
@click.option("--text-form", default=None, help="surface or words; default: as the corpus is given.")
@click.option("--length", default="truncate", show_default=True,
              help="What to do with sentences longer than the model reads: truncate, error, window.")  # fmt: skip
@click.option("--dtype", default="float16", show_default=True, help="How rows are stored: float16, float32.")
@device_option
@format_option
@json_option
def command(
    data: tuple[str, ...],
    model: str,
    revision: str | None,
    layers: str,
    pool: str | None,
    device: str | None,
    data_format: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Store the representations of a corpus at every layer; what is stored already is not computed again.

    An interrupted extraction goes on where it stopped when the same command is given again.
    """
    from probekit.activations.recipe import Options

    wanted = layers if layers == "all" else [part.strip() for part in layers.split(",") if part.strip()]
    pool = pool or ("none" if given["unit"] == "piece" else "mean")
    chosen = Options(
        layers=wanted, pool=pool, **given
    ).checked()  # a wrong word is said before torch is loaded

    from probekit.activations.extract import finished_entry, run_extraction
    from probekit.activations.plan import plan_extraction
    from probekit.activations.store import Store
    from probekit.data.read_corpus import read_corpus
    from probekit.experiment.memory import PeakMemory
    from probekit.models.load import load_model

    store = Store()
    with PeakMemory() as memory, progress() as show:
        corpus = read_corpus(list(data), data_format)
        loaded = load_model(model, revision=revision, device=device)
        begun = time.perf_counter()
        plan = plan_extraction(loaded, corpus, chosen)
        known = finished_entry(store.path(plan.key)) is not None
        if known:
            say(f"already stored: {store.path(plan.key)}")
        else:
            need = plan.disk_bytes / 1e6
            say(
                f"{plan.n_rows:,} rows in {plan.n_shards} shards need {need:,.1f} MB in {store.path(plan.key)}"
            )
        found = run_extraction(plan, loaded, corpus, store=store, progress=show)
        seconds = time.perf_counter() - begun
    document = {
        "key": found.key,
        "path": str(found.path),
        "was_stored": known,
        "rows": found.n_rows,
        "layers": list(found.layers),
        "dim": found.dim,
        "left_out": dict(found.left_out),
        "left_out_examples": {reason: list(names) for reason, names in found.left_out_examples.items()},
        "kept_in_float32": found.wide,
        "counts": found.counts,
        "disk_bytes": found.entry.size,
        "seconds": round(seconds, 3),
        "words_per_second": round(corpus.n_words / seconds, 1),
        "peak_anonymous_mb": round(memory.peak_mb, 1),
    }
    if as_json:
        emit(document)
        return
    lines = [
        f"key       {found.key}",
        f"folder    {found.path}",
        f"rows      {found.n_rows:,} of {found.dim} numbers, layers {', '.join(found.layers)}",
        *(_left_out(found)),
        *(
            f"float32   layer {layer} in {n} shards (too large for float16)"
            for layer, n in found.wide.items()
        ),
        f"disk      {found.entry.size / 1e6:,.1f} MB",
        f"time      {seconds:,.1f} s, {corpus.n_words / seconds:,.0f} words/s" + (" (read)" if known else ""),
        f"memory    {memory.peak_mb:,.0f} MB (peak, anonymous)",
    ]
    click.echo("\n".join(lines))


def _left_out(found: Any) -> list[str]:
    if not found.left_out:
        return ["left out  nothing"]
    examples = found.left_out_examples
    return [
        f"left out  {n:,} {reason}: {', '.join(examples[reason])}{' ...' if n > len(examples[reason]) else ''}"
        for reason, n in found.left_out.items()
    ]
