"""Extraction: every layer of a corpus in one pass of the model, shard by shard, into the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import xxhash

from probekit.activations.activations import Activations
from probekit.activations.disk import aside, clear_leftovers, reserve, write_at, write_file
from probekit.activations.entry import (
    MANIFEST,
    RECIPE,
    Entry,
    read_entry,
    read_recipe,
    recipe_file,
    shard_name,
    write_manifest,
)
from probekit.activations.memory import TRIM_EVERY, return_memory
from probekit.activations.plan import Batch, Plan, plan_extraction
from probekit.activations.pool import make_pooler
from probekit.activations.recipe import ROWS_PER_SHARD, Options
from probekit.activations.shard import Shard, read_shard
from probekit.activations.store import Store
from probekit.errors import ConfigError, ModelError, StoreError
from probekit.glossary import Layer, Progress, silent
from probekit.models.hooks.named import edits_recipe, mark_reached

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus
    from probekit.models.model import Model

LARGEST = 6e4
"""Above this a number is too near to the end of float16 (65504), and its layer is kept as float32."""

STAGE = "extract (rows)"


def extract(
    model: Model,
    corpus: Corpus,
    *,
    layers: str | int | Iterable[int | str] = "all",
    site: str = "hidden",
    unit: str = "word",
    pool: str = "mean",
    special: bool = False,
    text_form: str | None = None,
    length: str = "truncate",
    dtype: str = "float16",
    pieces_per_batch: int | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
    store: Store | str | Path | None = None,
    progress: Progress = silent,
) -> Activations:
    """The representations of a corpus at every layer, from the store where they are, else computed and
    stored.

    `site` says where in a layer: ``hidden``, or of every block ``attention_output``, ``mlp`` or ``heads`` (see the
    glossary). Edits in force are in force here, and are part of what the store knows the rows by.

    One row per `unit`, made from the states of its pieces: words by ``mean``, ``first``, ``last`` or ``max``;
    sentences by ``cls``, ``mean``, ``last`` or ``max`` (of the ordinary pieces; with `special` of all);
    ``piece`` with ``none`` keeps every piece. `text_form` is the corpus's own unless given; `length` is what
    becomes of sentences too long for the model (``truncate``, ``error``, ``window``). Sentences are read in
    batches of equal length, so nothing is padded. Rows equal a one-sentence-at-a-time pass within ``1e-5 *
    max(1, largest |value| of the layer)`` before they are stored as `dtype`; a layer of a shard with a value
    beyond 6e4 is kept as float32 and named by `Activations.wide`.

    An interrupted extraction goes on where it stopped when it is called again. Raises ConfigError (an
    option), DataError, AlignmentError (too long under ``error``), ModelError (the model gives NaN or
    infinity: layer and sentence are named), DiskError (before the model runs, where that can be known).

    >>> acts = extract(pk.load_model("demo:minilm"), pk.generate_corpus(3, 1, 1), layers=[0, 3], pool="first")
    >>> acts.layers, acts.rows(layer=3).dtype
    (('0', '3'), dtype('float32'))
    """
    options = Options(
        layers=layers,
        site=site,
        unit=unit,
        pool=pool,
        special=special,
        text_form=text_form,
        length=length,
        dtype=dtype,
        pieces_per_batch=pieces_per_batch,
        rows_per_shard=rows_per_shard,
    )
    plan = plan_extraction(model, corpus, options)
    return run_extraction(plan, model, corpus, store=store, progress=progress)


def run_extraction(
    plan: Plan,
    model: Model,
    corpus: Corpus,
    *,
    store: Store | str | Path | None = None,
    progress: Progress = silent,
) -> Activations:
    """Carry out a plan of `plan_extraction`; a finished entry is only opened. Raises as `extract`."""
    if plan.recipe.get("edits", []) != edits_recipe(model):
        raise ConfigError(
            f"{model.name}: this extraction was planned under other edits than are in force; plan it and run it in the "
            "same `with` block"
        )
    store = store if isinstance(store, Store) else Store(store)
    folder = store.path(plan.key)
    entry = finished_entry(folder)
    if entry is None:
        _fill(plan, model, store, progress)
        entry = read_entry(folder)
    else:
        mark_reached(model)
    return Activations(entry, corpus)


def finished_entry(folder: Path) -> Entry | None:
    """The entry in a folder if nothing of it is missing, else None; shards are checked when they are read."""
    if not (folder / MANIFEST).exists():
        return None
    try:
        entry = read_entry(folder)
        whole = all((folder / shard.name).stat().st_size == shard.layout.size for shard in entry.shards)
    except (StoreError, OSError):
        return None
    return entry if whole else None


def _fill(plan: Plan, model: Model, store: Store, progress: Progress) -> None:
    """Compute what an entry lacks and commit it. Finished shards are read through and kept."""
    folder = store.path(plan.key)
    clear_leftovers(folder)
    shards: dict[int, Shard] = {}
    for number in range(plan.n_shards):
        found = _published(plan, store, number)
        if found is not None:
            shards[number] = found
    missing = [number for number in range(plan.n_shards) if number not in shards]
    if shards:
        mark_reached(model)
    store.check_space(sum(plan.layout(number).size for number in missing))
    _write_small_files(plan, folder)
    before = sum(shard.layout.rows for shard in shards.values())

    def done(rows: int) -> None:
        progress(STAGE, before + rows, plan.n_rows)

    wide: frozenset[Layer] = frozenset()
    for number in missing:
        done(0)
        shard = _published(plan, store, number)  # a neighbour at the same work may have been here first
        shards[number] = shard = shard or _make_shard(plan, model, folder, number, wide, done)
        wide = frozenset(
            layer for layer, dtype in shard.layout.dtypes.items() if dtype != plan.recipe["dtype"]
        )
        before += shard.layout.rows
    done(0)
    in_order = [shards[number] for number in range(plan.n_shards)]
    write_manifest(folder, recipe=plan.recipe, dim=plan.dim, shards=in_order, counts=plan.counts)


def _published(plan: Plan, store: Store, number: int) -> Shard | None:
    """A shard that is there and whole; a damaged one is moved aside."""
    path = store.path(plan.key) / shard_name(number)
    if not path.exists():
        return None
    try:
        return read_shard(path, plan.key, plan.shard_rows(number), plan.dim, plan.layers)
    except StoreError:
        store.quarantine(path)
        return None


def _write_small_files(plan: Plan, folder: Path) -> None:
    """Recipe and index, before the model runs: a store that cannot be written to is known by then."""
    for name, data in plan.index.files().items():
        path = folder / name
        if not path.exists() or path.read_bytes() != data:
            write_file(path, data)
    try:
        read_recipe(folder)
    except StoreError:
        write_file(folder / RECIPE, recipe_file(plan.recipe, plan.about))


class _OtherWidths(Exception):
    """A shard's layers that overflow float16 are not those it was laid out for."""

    def __init__(self, wide: frozenset[Layer]) -> None:
        self.wide = wide


def _make_shard(
    plan: Plan, model: Model, folder: Path, number: int, wide: frozenset[Layer], done: Callable[[int], None]
) -> Shard:
    """Compute and publish a shard. `wide`, the layers that overflowed in the shard before, is where it
    begins.

    Where the guess was wrong the shard is computed once more, so that its bytes depend on the recipe alone.
    """
    while True:
        try:
            return _write_shard(plan, model, folder, number, wide, done)
        except _OtherWidths as other:
            wide = other.wide


def _write_shard(
    plan: Plan, model: Model, folder: Path, number: int, wide: frozenset[Layer], done: Callable[[int], None]
) -> Shard:
    layout = plan.layout(number, wide)
    offsets = layout.offsets()
    digests = {layer: xxhash.xxh3_128() for layer in plan.layers}
    overflowed: set[Layer] = set()
    path = folder / shard_name(number)
    with aside(path, first_wins=True) as handle:
        reserve(handle, layout.size)
        for count, (start, stop) in enumerate(plan.batches(number)):
            if count % TRIM_EVERY == 0:
                return_memory()
            batch = plan.batch(number, start, stop)
            for layer, rows, largest in _run_batch(plan, model, start, batch):
                if largest > LARGEST and plan.recipe["dtype"] == "float16":
                    overflowed.add(layer)
                array = rows.to(getattr(torch, layout.dtypes[layer])).cpu().numpy()
                digests[layer].update(array.data)
                width = array.itemsize * plan.dim
                write_at(handle, offsets[layer] + batch.begin * width, array)
            done(batch.begin + len(batch.first))
        if overflowed != wide:
            raise _OtherWidths(frozenset(overflowed))
        shard = Shard(path.name, layout, {layer: digests[layer].hexdigest() for layer in plan.layers})
        header = layout.header(shard.checksums)
        write_at(handle, 0, header)
    with path.open("rb") as file:
        if file.read(len(header)) == header:
            return shard
    return read_shard(path, plan.key, layout.rows, plan.dim, plan.layers)  # a neighbour's, published first


def _run_batch(
    plan: Plan, model: Model, start: int, batch: Batch
) -> Iterator[tuple[Layer, torch.Tensor, float]]:
    """For each layer of a batch its rows, float32 ``[rows, dim]``, and the largest |value| in it."""
    ids = torch.from_numpy(batch.ids).to(model.device)
    pooler = make_pooler(batch.first, batch.stop, plan.recipe["pool"], model.device)
    states = model.states(ids, None, plan.layers, site=plan.recipe["site"])
    for layer in plan.layers:
        state = states.pop(layer).reshape(-1, plan.dim).to(torch.float32)
        largest = _largest(state)
        if not math.isfinite(largest):
            bad = int(torch.nonzero(~torch.isfinite(state).all(1))[0])
            sentence = plan.sentence_of_piece(start, batch.ids.shape[1], bad)
            raise ModelError(
                f"{model.name}: layer {layer} gives NaN or infinity in sentence {sentence}; "
                "nothing of this shard was stored. Load it with dtype='float32', or leave the sentence out"
            )
        rows = pooler(state)
        yield layer, rows, largest if largest <= LARGEST else _largest(rows)


def _largest(values: torch.Tensor) -> float:
    """The largest |value|; NaN where there is one."""
    low, high = torch.aminmax(values)
    return float(torch.maximum(-low, high))
