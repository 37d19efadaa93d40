"""Extraction to disk (MiniLM, every layer, word means) against what one would otherwise write.

Peers: transformers' bare forward pass over batches of equal length, nothing pooled or saved (what no
extraction can beat with the same model code); the usual loop over length-sorted padded batches of 32; one
sentence at a time. Each of the two loops tokenizes, takes word means in Python and saves float16 arrays.
Sentences: EWT dev where the public data sets stand beside the checkout, else a generated corpus.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import SHARED, Ratio, compare, round_robin
from probekit.activations.activations import Activations
from probekit.activations.extract import extract
from probekit.activations.plan import plan_extraction
from probekit.activations.recipe import Options
from probekit.data.corpus import Corpus
from probekit.models.load import load_model
from probekit.models.model import Model

Rows = dict[int, np.ndarray[Any, Any]]
"""For each sentence its word means, ``[layers, words, dim]`` float16."""


def sentences() -> Corpus:
    """What is extracted; its name says whether it is real."""
    treebank = SHARED / "data" / "ud_ewt" / "en_ewt-ud-dev.conllu"
    if treebank.exists():
        from probekit.data.read_conllu import read_conllu

        return read_conllu(treebank)
    from probekit.data.grammar import generate_corpus

    return generate_corpus(1500, 0, 0)


@torch.no_grad()
def loop(model: Model, corpus: Corpus, batch: int, folder: Path) -> Rows:
    """The loop one writes by hand: sorted by length, padded, a mean per word in Python, saved at the end."""
    order = sorted(range(len(corpus)), key=lambda i: len(corpus[i].text)) if batch > 1 else range(len(corpus))
    found: Rows = {}
    for start in range(0, len(corpus), batch):
        chosen = list(order)[start : start + batch]
        encoded = model.tokenizer(
            [corpus[i].text for i in chosen],
            return_tensors="pt",
            padding=batch > 1,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        output = model.module(
            input_ids=encoded["input_ids"],
            attention_mask=encoded["attention_mask"],
            output_hidden_states=True,
        )
        for slot, i in enumerate(chosen):
            pieces = [
                (p, begin, end)
                for p, (begin, end) in enumerate(encoded["offset_mapping"][slot].tolist())
                if not encoded["special_tokens_mask"][slot][p]
            ]
            words = [
                [p for p, first, last in pieces if first < end and last > begin]
                for begin, end in corpus[i].offsets
            ]
            layers = [
                torch.stack([states[slot, own].mean(0) for own in words]) for states in output.hidden_states
            ]
            found[i] = torch.stack(layers).numpy().astype(np.float16)
    np.save(folder / "rows.npy", np.concatenate([found[i] for i in range(len(corpus))], 1))
    return found


def largest_difference(stored: Activations, found: Rows) -> tuple[float, bool]:
    """How far rows are apart, in units of what float16 and rule 7 allow (at most 1 is equal)."""
    worst = 0.0
    index = stored.index
    for number, layer in enumerate(stored.layers):
        rows = stored.rows(layer)
        other = np.stack([found[s][number, w] for s, w in zip(index.sentence, index.number, strict=True)])
        scale = max(1.0, float(np.abs(rows).max()))
        # two float32 values 1e-5 apart may be rounded to neighbouring float16 values
        allowed = 1e-5 * scale + np.spacing(np.abs(rows).astype(np.float16)).astype(np.float32)
        worst = max(worst, float((np.abs(rows - other.astype(np.float32)) / allowed).max()))
    return worst, worst <= 1.0


def run(rounds: int) -> Iterator[Ratio]:
    """Three ratios. Needs the demo model."""
    torch.set_num_threads(1)
    model, corpus = load_model("demo:minilm", device="cpu"), sentences()
    plan = plan_extraction(model, corpus, Options())
    ids = [
        torch.from_numpy(plan.batch(number, *cut).ids)
        for number in range(plan.n_shards)
        for cut in plan.batches(number)
    ]
    kept: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def ours() -> Activations:
            shutil.rmtree(folder / "store", ignore_errors=True)
            return extract(model, corpus, store=folder / "store")

        @torch.no_grad()
        def bare() -> None:
            for batch in ids:
                model.module(input_ids=batch, output_hidden_states=True)

        peers = {
            "probekit": ours,
            "bare forward pass": bare,
            "sorted batches of 32": lambda: loop(model, corpus, 32, folder),
            "one sentence at a time": lambda: loop(model, corpus, 1, folder),
        }
        seconds = round_robin(peers, rounds, kept.__setitem__)
        stored: Activations = kept["probekit"]
        for peer, aim in (
            ("bare forward pass", 0.9),
            ("sorted batches of 32", 1.4),
            ("one sentence at a time", 2.6),
        ):
            found = kept[peer]
            worst, equal = largest_difference(stored, found) if found else (0.0, True)
            note = f"{corpus.name}, {corpus.n_words} words; " + (
                "difference in units of rule 7 and float16"
                if found
                else "nothing to compare: it keeps nothing"
            )
            yield compare(
                "extraction", seconds["probekit"], seconds[peer], peer=peer, aim=aim, equal=equal, difference=worst,
                note=note,
            )  # fmt: skip
