"""Every head of MiniLM against every relation of a treebank, against the loop one writes with transformers.

Peers, each on one thread: attention of transformers' eager implementation, one sentence at a time, pieces pooled into
words head by head in Python loops; the same with numpy, all heads of a sentence at once; and the forward pass alone
over our batches, which no statistics can beat. Ours reads batches of one length, pools by two matrix products and
keeps the most attended word. All then count how often each head finds each relation, from the dependent and from the
head. Sentences: the first 300 of EWT dev where the public data sets stand beside the checkout, else a generated corpus.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from transformers import AutoModel

from benchmarks.common import SHARED, Ratio, compare, round_robin
from probekit.attention.links import Links, relation_names, relations_links
from probekit.attention.maps import piece_batches
from probekit.attention.most_attended import most_attended
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.models.align import encode
from probekit.models.demo import demo_folder
from probekit.models.load import load_model
from probekit.models.model import Model
from probekit.models.quiet import quiet

NAME = "heads"
SENTENCES = 300
AIMS = {"eager loops, one sentence at a time": 3.5, "eager numpy, one sentence at a time": 3.0}
ALONE = "forward pass alone"

Counts = np.ndarray[Any, Any]
"""int64 [relations and directions, heads]: how many links each head gets right."""


def sentences() -> Corpus:
    """What is read; its name says whether it is real."""
    treebank = SHARED / "data" / "ud_ewt" / "en_ewt-ud-dev.conllu"
    if treebank.exists():
        from probekit.data.read_conllu import read_conllu

        read = read_conllu(treebank)
        return Corpus(read.sentences[:SENTENCES], f"{read.name}, first {SENTENCES}")
    from probekit.data.grammar import generate_corpus

    return generate_corpus(SENTENCES, 0, 0)


def ours(model: Model, corpus: Corpus, links: list[Links]) -> Counts:
    """The most attended words, streamed, and what they get right."""
    found = most_attended(model, corpus)
    return np.stack([one.hits(found.of(one.sentence, one.source)).sum(axis=1) for one in links])


class Loop:
    """One sentence at a time, as by hand."""

    def __init__(self, model: Model, corpus: Corpus, names: list[str], *, by_head: bool) -> None:
        self.tokenizer, self.corpus, self.names, self.by_head = model.tokenizer, corpus, names, by_head
        with quiet():
            self.eager = AutoModel.from_pretrained(
                demo_folder("demo:minilm")[0], attn_implementation="eager"
            ).eval()

    @torch.no_grad()
    def __call__(self) -> Counts:
        counts: Counts | None = None
        for sentence in self.corpus:
            encoded = self.tokenizer(sentence.text, return_tensors="pt", return_offsets_mapping=True)
            output = self.eager(input_ids=encoded["input_ids"], output_attentions=True)
            spans = encoded["offset_mapping"][0].tolist()
            own = [
                [p for p, (begin, end) in enumerate(spans) if begin < stop and end > start]
                for start, stop in sentence.offsets
            ]
            owners = np.zeros(len(spans), np.float32)
            for pieces in own:
                owners[pieces] += 1
            share = 1 / np.maximum(
                owners, 1
            )  # a piece of two words ("don't" as don + 't) counts half for each
            pool = _by_loops if self.by_head else _by_numpy
            picked = np.concatenate([pool(weights[0].numpy() * share, own) for weights in output.attentions])
            if counts is None:
                counts = np.zeros((2 * len(self.names), len(picked)), np.int64)
            self._count(sentence, picked, counts)
        assert counts is not None
        return counts

    def _count(self, sentence: Sentence, picked: Counts, counts: Counts) -> None:
        heads, relations = sentence.columns["head"], sentence.columns["deprel"]
        dependents: dict[tuple[int, str], list[int]] = {}
        for word, (head, relation) in enumerate(zip(heads, relations, strict=True)):
            if head != "0" and relation in self.names:
                counts[2 * self.names.index(relation)] += picked[:, word] == int(head) - 1
                dependents.setdefault((int(head) - 1, relation), []).append(word)
        for (head_word, relation), words in dependents.items():
            counts[2 * self.names.index(relation) + 1] += np.isin(picked[:, head_word], words)


def _by_loops(weights: Counts, own: list[list[int]]) -> Counts:
    """[heads, words]: the most attended other word, head by head and word by word."""
    found = np.zeros((len(weights), len(own)), np.int64)
    for head, pieces in enumerate(weights):
        to_words = np.stack([pieces[:, columns].sum(axis=1) for columns in own], axis=1)
        for word, rows in enumerate(own):
            row = to_words[rows].mean(axis=0)
            row[word] = -1.0
            found[head, word] = row.argmax()
    return found


def _by_numpy(weights: Counts, own: list[list[int]]) -> Counts:
    """The same, all heads of the sentence at once."""
    to_words = np.stack([weights[:, :, columns].sum(axis=2) for columns in own], axis=2)
    words = np.stack([to_words[:, rows].mean(axis=1) for rows in own], axis=1)
    words[:, np.arange(len(own)), np.arange(len(own))] = -1.0
    found: Counts = words.argmax(axis=2)
    return found


def run(rounds: int) -> Iterator[Ratio]:
    """Three ratios. Needs the demo model."""
    torch.set_num_threads(1)
    model, corpus = load_model("demo:minilm", device="cpu"), sentences()
    names = sorted(relation_names(corpus))
    links = relations_links(corpus, names)
    batches = [batch.ids for batch in piece_batches(model, encode(model, corpus.sentences), corpus)]
    kept: dict[str, Any] = {}

    @torch.no_grad()
    def alone() -> None:
        for ids in batches:
            model.module(input_ids=ids)

    loops, numpy = AIMS
    peers = {
        "probekit": lambda: ours(model, corpus, links),
        loops: Loop(model, corpus, names, by_head=True),
        numpy: Loop(model, corpus, names, by_head=False),
        ALONE: alone,
    }
    seconds = round_robin(peers, rounds, kept.__setitem__)
    looks = sum(map(len, links)) * kept["probekit"].shape[1]
    note = f"{corpus.name}, {len(names)} relations, two directions; difference: share of {looks:,} looks"
    for peer, aim in AIMS.items():
        apart = float(np.abs(kept["probekit"] - kept[peer]).sum()) / looks
        # weights that are equal but for rounding may be told apart either way
        yield compare(
            NAME,
            seconds["probekit"],
            seconds[peer],
            peer=peer,
            aim=aim,
            equal=apart < 1e-5,
            difference=apart,
            note=note,
        )
    yield compare(
        NAME, seconds["probekit"], seconds[ALONE], peer=ALONE, aim=0.85, equal=True, difference=0.0,
        note="nothing to compare: it keeps nothing",
    )  # fmt: skip
