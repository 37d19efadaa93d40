"""Does a head hold the tree? Maximum spanning trees of every head's map against gold trees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.attention.counted import cell, counted, paragraph_and_table, twins_told
from probekit.attention.gold_trees import GoldTree, gold_trees
from probekit.attention.maps import WordMaps, read_maps
from probekit.attention.twins import twins_of
from probekit.data.corpus import Corpus
from probekit.errors import DataError
from probekit.glossary import ModelKind, Progress, silent
from probekit.maths.resampling import cluster_bootstrap, describe_interval, holm
from probekit.maths.sign_flips import sign_flip_p
from probekit.maths.trees import gold_edges, shared_edges, spanning_trees
from probekit.results.formats import format_interval, format_p
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.models.model import Model

Array = NDArray[Any]
METHOD = "UUAS: maximum spanning tree of a head's word map plus its transpose, punctuation left out"


@dataclass(frozen=True, eq=False)
class TreeCounts:
    """Gold edges found in every sentence of a split: ``found`` int64 ``[sentences, layers, heads]``, ``chain``
    int64 ``[sentences]`` (trees that link each word with the next), ``chance`` float64 ``[sentences]`` (what a random
    tree finds on average), of ``edges`` int64 ``[sentences]``."""

    found: Array
    chain: Array
    chance: Array
    edges: Array
    left_out: Counter[str]


@dataclass(frozen=True, eq=False, repr=False)
class TreeHeads:
    """How much of the gold tree the maximum spanning tree of every head has.

    Attributes
    ----------
    dev, test : `TreeCounts` of the model
    twins : for each random twin its name, seed and counts on dev and test
    layers : names of the second axis of counts
    """

    dev: TreeCounts
    test: TreeCounts
    twins: tuple[tuple[str, int | None, TreeCounts, TreeCounts], ...]
    layers: tuple[str, ...]
    model: str
    model_kind: ModelKind = "pretrained"
    corpus: str = ""
    resamples: int = 1000

    @property
    def chosen(self) -> tuple[str, int]:
        """Layer and head (from 0) with the highest UUAS on dev; the lowest of equal ones."""
        layer, head = _choose(self.dev)
        return self.layers[layer], head

    def scores(self, split: str = "dev") -> Array:
        """UUAS of every head, float64 ``[layers, heads]``; the maximum over them is biased upwards."""
        counts = self.dev if split == "dev" else self.test
        found: Array = counts.found.sum(0) / counts.edges.sum()
        return found

    @cached_property
    def rows(self) -> list[Measurement]:
        """Every head on dev; on test the head chosen on dev, the chain of neighbours, the average random tree, the
        twins' chosen heads; and paired differences from the chosen head, p by sign flips of sentences, Holm over
        them."""
        base = Measurement(
            metric="uuas", value=0.0, model=self.model, model_kind=self.model_kind, corpus=self.corpus,
            site="heads", method=METHOD, unit="edge",
        )  # fmt: skip
        layer, head = _choose(self.dev)
        rows = []
        for a, b in np.ndindex(*self.dev.found.shape[1:]):
            row = replace(base, split="dev", layer=self.layers[a], group=f"head={b}")
            rows.append(_score(row, self.dev.found[:, a, b], self.dev, self.resamples))
        own = replace(base, layer=self.layers[layer], group=f"head={head}")
        rivals = [
            (replace(base, control="fixed-offset", method="each word linked with the next"), self.test.chain),
            (replace(base, control="random-tree", method="a random tree, on average"), self.test.chance),
        ]
        for name, seed, dev, test in self.twins:
            a, b = _choose(dev)
            row = replace(
                base, model=name, model_kind="random", control="random-twin", layer=self.layers[a],
                group=f"head={b}", seeds=() if seed is None else (("twin", seed),),
            )  # fmt: skip
            rivals.append((row, test.found[:, a, b]))
        mine = self.test.found[:, layer, head]
        rows.append(_score(own, mine, self.test, self.resamples))
        rows += [_score(row, found, self.test, self.resamples) for row, found in rivals]
        differences = np.stack([mine - found for _, found in rivals]).astype(np.float64)
        p = sign_flip_p(differences, np.arange(differences.shape[1]))
        tested = _many(self.test)  # over one sentence there is nothing to flip
        for (row, _), less, one, adjusted in zip(rivals, differences, p, holm(p), strict=True):
            reference = (
                f"{row.control or 'head'}: {row.method if row.control != 'random-twin' else row.model}"
            )
            difference = replace(own, metric="uuas_difference", reference=reference, seeds=row.seeds)  # fmt: skip
            if tested:
                difference = replace(difference, p=one, p_adjusted=adjusted, family_size=len(rivals))
            rows.append(_score(difference, less, self.test, self.resamples))
        return rows

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    @property
    def summary(self) -> str:
        """What a paper would write."""
        by = {(row.metric, row.control): row for row in self.rows if row.split == "test"}
        own, chain, chance = by["uuas", ""], by["uuas", "fixed-offset"], by["uuas", "random-tree"]
        less = next(row for row in self.rows if row.metric == "uuas_difference")
        layer, head = self.chosen
        if less.p_adjusted is None or less.p_adjusted >= 0.05:
            verdict = "cannot be told from"
        else:
            verdict = "is above" if (less.value or 0) > 0 else "is below"
        twins = [row.value or 0 for row in self.rows if row.control == "random-twin" and row.metric == "uuas"]
        beside = (
            f"; the heads chosen in {twins_told(len(twins))} reach {100 * max(twins):.1f} % at most"
            if twins
            else ""
        )
        if len(twins) == 1:
            beside = f"; the head chosen in {twins_told(1)} reaches {100 * twins[0]:.1f} %"
        alone = "" if _many(self.test) else " This is one sentence: no interval, no test."
        return (
            f"The maximum spanning trees of head {head} of layer {layer} of {self.model}, chosen on dev, have "
            f"{_percent(own)} of the gold edges of test ({counted(own.n, 'edge')}), which {verdict} linking each word "
            f"with the next ({_percent(chain)}); a random tree has {_percent(chance)}{beside}.{alone}"
        )

    @property
    def panels(self) -> list[Panel]:
        """The summary, UUAS of every head on dev, and the chosen head beside its baselines on test."""
        names = [str(number) for number in range(self.dev.found.shape[2])]
        labels = {
            "rows": list(self.layers), "columns": names, "row_label": "layer", "column_label": "head",
            "value_label": "UUAS on dev",
        }  # fmt: skip
        caption = (
            "Share of gold edges in the maximum spanning tree of each head's map between words, on dev; punctuation "
            f"is left out. Linking each word with the next has {self.dev.chain.sum() / self.dev.edges.sum():.3f}."
        )
        heat = Panel(
            "heatmap",
            "tree-heads-map",
            "Trees in heads",
            caption,
            {"value": self.scores("dev")},
            labels,
        )
        return [
            Panel("sentence", "tree-heads-summary", "In a sentence", labels={"text": self.summary}),
            heat,
            self._forest(),
        ]

    def __repr__(self) -> str:
        layer, head = self.chosen
        return f"<TreeHeads of {self.model}: head {head} of layer {layer} chosen on dev>"

    def _repr_html_(self) -> str:
        less = {
            row.reference.partition(":")[2].strip(): row
            for row in self.rows
            if row.metric == "uuas_difference"
        }
        rows = []
        for row in self.rows:
            if row.split == "test" and row.metric == "uuas":
                own = less.get(row.method if row.control != "random-twin" else row.model)
                name = row.model if row.control == "random-twin" else row.method
                rows.append([
                    name if row.control else "the head chosen on dev",
                    f"{row.layer}.{row.group.removeprefix('head=')}" if row.layer else "",
                    cell(row.value), format_interval(row.low, row.high),
                    "" if own is None or not row.control or own.p_adjusted is None else format_p(own.p_adjusted),
                ])  # fmt: skip
        columns = ["tree", "layer.head", "UUAS on test", "95 % interval", "p of the difference (Holm)"]
        return paragraph_and_table(self.summary, columns, rows)

    def _forest(self) -> Panel:
        shown = [row for row in self.rows if row.split == "test" and row.metric == "uuas"]
        layer, head = self.chosen
        names = {"": f"layer {layer}, head {head}", "fixed-offset": "next word", "random-tree": "random tree"}
        rows = [
            names.get(row.control)
            or f"twin {dict(row.seeds).get('twin', '')}: layer {row.layer}, {row.group}"
            for row in shown
        ]
        value = np.array([[_number(row, name) for row in shown] for name in ("value", "low", "high")])
        labels = {
            "rows": rows, "value_label": "UUAS on test", "series": [{"name": "UUAS", "style": "task"}],
        }  # fmt: skip
        caption = f"The head chosen on dev and what it is compared with, on test; {describe_interval(self.resamples)}."
        arrays = {name: value[i][None] for i, name in enumerate(("value", "low", "high"))}
        return Panel(
            "forest", "tree-heads-test", "The chosen head and its baselines", caption, arrays, labels
        )


def tree_heads(
    model: Model,
    corpus: Corpus,
    *,
    twins: int | Sequence[Model] = 0,
    splits: tuple[str, str] = ("dev", "test"),
    text_form: str | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> TreeHeads:
    """UUAS of the maximum spanning tree of every head's word map, the head chosen on dev and reported on test.

    A map is added to its transpose, its words of upos PUNCT (and those the model did not read) are left out, and the
    tree of largest sum is compared with the undirected gold edges among the words that remain. On the same words
    stand: each word linked with the next; what a random labelled tree has on average, exactly (2 / n of the edges);
    and the head chosen, on dev as well, in each of `twins` (models, or how many to draw). `splits` names where a head
    is chosen and where it is reported. Sources: Raganato & Tiedemann 2018; Klein & Manning 2004.

    Raises DataError (a split or gold trees missing), ModelError (no attention).

    >>> sentences = [
    ...     pk.Sentence.from_words(s, "The keys rust".split(), columns={"head": ["2", "3", "0"]}, split=s)
    ...     for s in ("dev", "test")
    ... ]
    >>> found = pk.tree_heads(pk.load_model("demo:minilm"), pk.Corpus(sentences))
    >>> found.scores("dev").shape, int(found.test.edges.sum())
    ((6, 12), 2)
    """
    drawn = twins_of(model, twins)
    given = [gold_trees(corpus, split) for split in splits]
    counts = [
        [_count(one, own, trees, text_form, progress) for own, trees in given] for one in (model, *drawn)
    ]
    layers = model.resolve_layers("all", "heads")
    return TreeHeads(
        counts[0][0], counts[0][1],
        tuple((twin.name, twin.seed, dev, test) for twin, (dev, test) in zip(drawn, counts[1:], strict=True)),
        layers, model.name, model.kind, corpus.name, resamples,
    )  # fmt: skip


def _count(
    model: Model, own: Corpus, trees: list[GoldTree], text_form: str | None, progress: Progress
) -> TreeCounts:
    layers = model.resolve_layers("all", "heads")
    found = np.zeros((len(own), len(layers), model.n_heads), dtype=np.int64)
    chain, edges = np.zeros(len(own), np.int64), np.zeros(len(own), np.int64)
    chance = np.zeros(len(own))
    n_edges = sum(int((tree.heads >= 0).sum()) for tree in trees)
    punctuation = sum(int(tree.punctuation.sum()) for tree in trees)

    def visit(maps: WordMaps) -> None:
        number = layers.index(maps.layer)
        numbers, present = maps.sentences.tolist(), maps.present.cpu().numpy()
        weights = (maps.weights + maps.weights.transpose(2, 3)).cpu().numpy()
        by_size: dict[int, list[tuple[int, Array, Array]]] = {}
        for row, sentence in enumerate(numbers):
            tree = trees[sentence]
            kept = present[row, : len(tree.heads)] & ~tree.punctuation
            gold = gold_edges(tree.heads, kept)
            if not len(gold):
                continue
            n = int(kept.sum())
            if not number:
                edges[sentence] = len(gold)
                chain[sentence] = shared_edges(np.arange(-1, n - 1), gold)
                chance[sentence] = 2 * len(gold) / n
            at = np.flatnonzero(kept)
            by_size.setdefault(n, []).append((sentence, weights[row][:, at[:, None], at], gold))
        for own_size in by_size.values():
            parents = spanning_trees(np.stack([one for _, one, _ in own_size]))
            for parent, (sentence, _, gold) in zip(parents, own_size, strict=True):
                found[sentence, number] = shared_edges(parent, gold)

    left_out = read_maps(model, own, visit, text_form=text_form, progress=progress)
    left_out["punctuation"] = punctuation
    if not edges.sum():
        raise DataError(
            f"{own.name!r}: no gold edge is left between words that are no punctuation; there is nothing to score"
        )
    left_out["edges"] = n_edges - int(edges.sum())
    return TreeCounts(found, chain, chance, edges, left_out)


def _many(counts: TreeCounts) -> bool:
    """Whether there is more than one sentence with edges, so that there is something to resample."""
    return int((counts.edges > 0).sum()) > 1


def _choose(counts: TreeCounts) -> tuple[int, int]:
    layer, head = np.unravel_index(int(np.argmax(counts.found.sum(0))), counts.found.shape[1:])
    return int(layer), int(head)


def _score(row: Measurement, found: Array, counts: TreeCounts, resamples: int) -> Measurement:
    """The row with the share of edges found, its interval over sentences that have edges, and what was left out."""
    scored = counts.edges > 0
    sums = np.stack([found, counts.edges], axis=1)[scored].astype(np.float64)
    value, low, high = cluster_bootstrap(sums, lambda s: s[..., 0] / s[..., 1], resamples=resamples)
    bounded = bool(np.isfinite(low))
    return replace(
        row, value=float(value), low=float(low) if bounded else None, high=float(high) if bounded else None,
        interval=describe_interval(resamples) if bounded else "", n=int(counts.edges.sum()),
        n_left_out=counts.left_out["edges"],
    )  # fmt: skip


def _number(row: Measurement, name: str) -> float:
    value = getattr(row, name)
    return float("nan") if value is None else float(value)


def _percent(row: Measurement) -> str:
    if row.value is None:
        return "nothing"
    text = f"{100 * row.value:.1f} %"
    return (
        text if row.low is None or row.high is None else f"{text} [{100 * row.low:.1f}, {100 * row.high:.1f}]"
    )
