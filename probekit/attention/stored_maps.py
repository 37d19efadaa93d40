"""Whole attention maps of a corpus, on disk: written shard by shard, read map by map."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from probekit.attention.attention_map import START, AttentionMap, MapLevel
from probekit.attention.map_plan import Array, MapPlan, plan_maps
from probekit.attention.map_shards import (
    FORMAT,
    MANIFEST,
    check,
    claim_folder,
    find_shard,
    open_tensors,
    read_manifest,
    read_words,
    shard_stem,
    write_manifest,
)
from probekit.attention.maps import PieceBatch, Texts, as_corpus, read_pieces
from probekit.data.corpus import Corpus
from probekit.errors import ConfigError, DataError, DiskError, ModelError, StoreError, did_you_mean
from probekit.glossary import Layer, Progress, silent
from probekit.models.hooks.named import edits_recipe, mark_reached
from probekit.models.pair import read_piece_text
from probekit.results.bundle import bundle_paths, save_bundle
from probekit.results.files import checksum, disk_errors

if TYPE_CHECKING:
    from probekit.models.attention import Attended
    from probekit.models.model import Model

STAGE = "stored attention maps (bytes)"


def store_maps(
    model: Model,
    corpus: Texts,
    out: str | Path,
    *,
    level: MapLevel = "word",
    layers: str | int | Iterable[int | str] = "all",
    heads: str | Iterable[int] = "all",
    dtype: str = "float16",
    text_form: str | None = None,
    progress: Progress = silent,
) -> StoredMaps:
    """Write the attention map of every sentence of a corpus into the folder `out`, as `pk.attention_map` makes it.

    In memory is one shard at a time (64 MiB, or one sentence). How many bytes there will be is what `progress` is told
    as the total, before the model runs, and what `StoredMaps.bytes_needed` says beforehand. A float16 weight is off by
    at most 2^-12; float32 keeps it whole. Sentences without a word that the model reads are in ``unread``. Edits in
    force are in force here, and part of what the folder is known by. Called again, an interrupted work goes on, damaged
    shards are made anew, and a finished work is checked and opened. One process at a time may write a folder.

    Raises ConfigError (an option; a folder that holds something else), DataError (no text, no word), ModelError (no
    attention, or weights that are no numbers), DiskError (before the model runs, where that can be known).

    >>> stored = pk.store_maps(pk.load_model("demo:minilm"), "The keys are here.", "maps", layers=[1, 6])
    >>> stored.of("1", 6, 0).shape, pk.open_maps("maps").map("1").tokens
    ((4, 4), ('The', 'keys', 'are', 'here.'))
    """
    plan = plan_maps(model, corpus, level, layers, heads, dtype, text_form)
    folder = Path(out)
    key = claim_folder(folder, _recipe(model, plan))
    ids = [plan.corpus.sentences[number].id for number in plan.stored]
    cuts = plan.shards()
    done = [find_shard(folder, number, key, ids[first:end]) for number, (first, end) in enumerate(cuts)]
    sizes = [int(plan.weights[first:end].sum()) for first, end in cuts]
    ready = sum(size for size, found in zip(sizes, done, strict=True) if found)
    progress(STAGE, ready, sum(sizes))
    with disk_errors(folder):
        free, missing = shutil.disk_usage(folder).free, sum(sizes) - ready
        if missing > free:
            raise DiskError(
                f"{folder}: {missing:,} bytes are needed and {free:,} are free; make room or choose another disk"
            )
        if missing:
            (folder / MANIFEST).unlink(missing_ok=True)
    if ready:
        mark_reached(model)
    for number, (first, end) in enumerate(cuts):
        if done[number] is None:
            told = _within(progress, ready, sizes[number], sum(sizes))
            arrays, words = _make_shard(model, plan, first, end, told)
            stem = shard_stem(folder, number)
            save_bundle(stem, arrays, {"key": key, "ids": ids[first:end], **words})
            done[number] = checksum(bundle_paths(stem)[1])
            ready += sizes[number]
            del arrays, words  # before the next ones are made
    read = set(ids)
    shards = [{"ids": ids[first:end], "xxh3": sum_} for (first, end), sum_ in zip(cuts, done, strict=True)]
    write_manifest(folder, {
        "format": FORMAT, "key": key, "level": plan.level, "layers": list(plan.layers), "heads": plan.heads,
        "dtype": plan.dtype, "model": model.name, "model_kind": model.kind, "corpus": plan.corpus.name,
        "text": plan.corpus.text_hash, "left_out": dict(plan.left_out), "bytes": sum(sizes), "shards": shards,
        "unread": [sentence.id for sentence in plan.corpus if sentence.id not in read],
    })  # fmt: skip
    return StoredMaps(folder)


def _within(progress: Progress, ready: int, size: int, total: int) -> Progress:
    """Tells sentences of a shard as bytes of the whole."""
    return lambda _, done, sentences: progress(STAGE, ready + size * done // sentences, total)


def _recipe(model: Model, plan: MapPlan) -> dict[str, Any]:
    """What the numbers depend on, and how they are laid out."""
    return {
        "format": FORMAT, "model": model.fingerprint, "tokenizer": model.tokenizer_fingerprint,
        "model dtype": model.dtype, "device": model.device.partition(":")[0], "edits": edits_recipe(model),
        "corpus": plan.corpus.text_hash, "pieces": plan.inputs, "text form": plan.text_form, "level": plan.level,
        "layers": list(plan.layers), "heads": plan.heads, "dtype": plan.dtype, "shard bytes": plan.shard_bytes,
    }  # fmt: skip


def _make_shard(
    model: Model, plan: MapPlan, first: int, end: int, progress: Progress
) -> tuple[dict[str, Array], dict[str, Any]]:
    """The tensors of a run of sentences, and what stands beside them."""
    numbers, sizes = plan.stored[first:end], plan.sizes[first:end]
    sentences = [plan.corpus.sentences[number] for number in numbers]
    offsets, begins = np.concatenate([[0], np.cumsum(sizes**2)]), np.concatenate([[0], np.cumsum(sizes)])
    names = [f"{layer}/{head}" for layer in plan.layers for head in plan.heads]
    arrays: dict[str, Array] = {name: np.full(offsets[-1], np.nan, plan.dtype) for name in names}
    if plan.level == "word":
        arrays |= {f"to_special/{name}": np.full(begins[-1], np.nan, plan.dtype) for name in names}
    tokens = [list(sentence.words) for sentence in sentences]
    special: list[list[int]] = [[] for _ in sentences]
    left = list(plan.left[first:end])

    def visit(batch: PieceBatch, layer: Layer, attended: Attended) -> None:
        weights = attended.weights
        if not bool(torch.isfinite(weights).all()):
            one = sentences[int(batch.sentences[0])].location
            raise ModelError(f"{model.name}: layer {layer} gives weights that are no numbers; see {one}")
        given = batch.to_special(weights)[:, plan.heads].cpu().numpy()
        chosen = (batch.to_words(weights) if plan.level == "word" else weights.float())[:, plan.heads]
        maps = chosen.cpu().numpy()
        absent = ~batch.present.cpu().numpy()
        for row, at in enumerate(batch.sentences.tolist()):
            n = int(sizes[at])
            found, spent = maps[row, :, :n, :n], given[row, :, :n]
            if plan.level == "word":
                gone = absent[row, :n]
                found[:, gone], found[:, :, gone], spent[:, gone] = np.nan, np.nan, np.nan
            elif layer == plan.layers[0]:
                tokens[at], special[at], left[at] = _pieces(
                    model, plan, batch, row, sentences[at].text, n, left[at]
                )
            for head, number in enumerate(plan.heads):
                arrays[f"{layer}/{number}"][offsets[at] : offsets[at + 1]] = found[head].ravel()
                if plan.level == "word":
                    arrays[f"to_special/{layer}/{number}"][begins[at] : begins[at + 1]] = spent[head]

    corpus = Corpus(sentences, plan.corpus.name)
    read_pieces(model, corpus, visit, plan.layers, text_form=plan.text_form, progress=progress)
    words = {
        "sizes": sizes.tolist(), "tokens": tokens, "special": special, "left_out": left,
        "texts": [sentence.text for sentence in sentences],
    }  # fmt: skip
    return arrays | {"offsets": offsets}, words


def _pieces(
    model: Model, plan: MapPlan, batch: PieceBatch, row: int, text: str, n: int, left: dict[str, int]
) -> tuple[list[str], list[int], dict[str, int]]:
    """Names of pieces, which of them are special, and how many were cut, as `pk.attention_map` has them."""
    ids = batch.ids[row].tolist()
    names = [str(name) for name in model.tokenizer.convert_ids_to_tokens(ids)]
    if plan.text_form == "surface":
        read = read_piece_text(model, text)
        if read.ids[0].tolist() == ids:
            names = list(read.names)
            left = {"pieces beyond what the model reads": read.cut} if read.cut else {}
    start = n - len(ids)
    special = (torch.nonzero(batch.special[row])[:, 0] + start).tolist()
    return [START] * start + names, [*range(start), *special], left


class StoredMaps:
    """Attention maps on disk, made by `pk.store_maps` and opened by `pk.open_maps`; a shard is checked when first read.

    Iterating gives the `AttentionMap` of one sentence after another. ``sentences`` are the ids of those stored,
    ``unread`` of those without a word that the model reads; ``left_out`` counts words that were not read, by reason.

    >>> pk.StoredMaps.bytes_needed(pk.load_model("demo:minilm"), "The keys are here.", layers=[1, 6])
    968
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        about = read_manifest(self.path)
        self.layers: tuple[Layer, ...] = tuple(about["layers"])
        self.heads: tuple[int, ...] = tuple(about["heads"])
        self.level: MapLevel = about["level"]
        self.model, self.corpus, self.text_hash = about["model"], about["corpus"], about["text"]
        self.left_out, self.unread = dict(about["left_out"]), tuple(about["unread"])
        self.sentences: tuple[str, ...] = tuple(one for shard in about["shards"] for one in shard["ids"])
        self._about = about
        self._places = {
            one: (number, at)
            for number, shard in enumerate(about["shards"])
            for at, one in enumerate(shard["ids"])
        }
        self._checked: set[int] = set()
        self._last: tuple[int, dict[str, Any]] | None = None

    @staticmethod
    def bytes_needed(
        model: Model,
        corpus: Texts,
        *,
        level: MapLevel = "word",
        layers: str | int | Iterable[int | str] = "all",
        heads: str | Iterable[int] = "all",
        dtype: str = "float16",
        text_form: str | None = None,
    ) -> int:
        """How many bytes of numbers `pk.store_maps` will write; the model is not run. Names and texts come on top."""
        return int(plan_maps(model, corpus, level, layers, heads, dtype, text_form).weights.sum())

    def of(self, sentence_id: str, layer: int | str, head: int) -> Array:
        """One map of n tokens, float32 ``[n, n]``, rows look; NaN where a word is left out.

        Raises DataError for a sentence that is not stored, ConfigError for a head that is not, StoreError on damage.
        """
        if str(layer) not in self.layers or head not in self.heads:
            raise ConfigError(
                f"no head {head} of layer {layer} in {self.path}; it has layers {', '.join(self.layers)} and heads "
                f"{', '.join(map(str, self.heads))}"
            )
        tensors, words, at = self._open(sentence_id)
        with open_tensors(tensors) as found:
            return _cut(found, f"{layer}/{head}", words, at, 2)

    def map(self, sentence_id: str) -> AttentionMap:
        """All layers and heads of a sentence. Raises as `of`."""
        tensors, words, at = self._open(sentence_id)
        n = words["sizes"][at]
        special = np.zeros(n, np.bool_)
        special[words["special"][at]] = True
        names = [[f"{layer}/{head}" for head in self.heads] for layer in self.layers]
        with open_tensors(tensors) as found:
            weights = np.array([[_cut(found, name, words, at, 2) for name in row] for row in names])
            if self.level == "word":
                given = np.array(
                    [[_cut(found, f"to_special/{name}", words, at, 1) for name in row] for row in names]
                )
            else:
                given = weights[..., special].sum(-1)
        return AttentionMap(
            tokens=tuple(words["tokens"][at]), special=special, layers=self.layers, heads=self.heads, weights=weights,
            to_special=given, level=self.level, left_out=words["left_out"][at], text=words["texts"][at],
            model=self.model, model_kind=self._about["model_kind"],
        )  # fmt: skip

    def _open(self, sentence_id: str) -> tuple[Path, dict[str, Any], int]:
        """Where the tensors of a sentence's shard are, what stands beside them, and its number there."""
        if sentence_id not in self._places:
            why = did_you_mean(str(sentence_id), self.sentences if len(self) < 1000 else self.sentences[:20])
            if sentence_id in self.unread:
                why = "it has no word that the model reads"
            raise DataError(f"{self.path}: sentence {sentence_id!r} is not stored; {why}")
        number, at = self._places[sentence_id]
        tensors, text = bundle_paths(shard_stem(self.path, number))
        if self._last is None or self._last[0] != number:
            words = read_words(text, self._about["shards"][number]["xxh3"])
            sizes = np.array(words["sizes"], dtype=np.int64)
            words["begin"] = {power: np.cumsum(sizes**power) - sizes**power for power in (1, 2)}
            self._last = (number, words)
        if number not in self._checked:
            check(tensors, self._last[1]["arrays_xxh3"])
            self._checked.add(number)
        return tensors, self._last[1], at

    def __iter__(self) -> Iterator[AttentionMap]:
        return map(self.map, self.sentences)

    def __len__(self) -> int:
        return len(self.sentences)

    def __repr__(self) -> str:
        return (
            f"StoredMaps({len(self):,} sentences of {self.corpus!r}, {len(self.layers)} layers x {len(self.heads)} "
            f"heads of {self.model}, {self.level}s, {self._about['bytes']:,} bytes)"
        )


def _cut(found: Any, name: str, words: dict[str, Any], at: int, power: int) -> Array:
    """A sentence's part of a tensor as float32: one number for every token, or for every two tokens."""
    n, begin = words["sizes"][at], int(words["begin"][power][at])
    part: Array = found.get_slice(name)[begin : begin + n**power]
    return part.astype(np.float32).reshape((n,) * power)


def open_maps(path: str | Path, corpus: Texts | None = None) -> StoredMaps:
    """Open the maps that `pk.store_maps` wrote into a folder; with `corpus`, only if they are of these very texts.

    Raises DataError where there are none, StoreError where they are incomplete, damaged, or of another corpus.

    >>> pk.store_maps(pk.load_model("demo:minilm"), ["Keys rust.", "Dogs bark."], "both", layers=[1]).sentences
    ('1', '2')
    >>> [found.tokens for found in pk.open_maps("both")]
    [('Keys', 'rust.'), ('Dogs', 'bark.')]
    """
    found = StoredMaps(path)
    if corpus is not None and as_corpus(corpus).text_hash != found.text_hash:
        raise StoreError(
            f"{path} holds maps of other texts (corpus {found.corpus!r}); leave corpus out to look"
        )
    return found
