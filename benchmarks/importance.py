"""Importance of every word of a sentence of 30 words against a plain loop, one forward pass for each word.

The loop is what one writes with transformers: the whole model reads the text without the word (or with its pieces
masked), and what is wanted is taken from its output. Ours makes all copies at once, reads equal ones once, ends at the
layer that a probe reads, shares the beginnings of a causal model's copies, and lets the output head read one place
instead of all. On one thread it is bounded by arithmetic: the last layer of an encoder depends on every piece of every
copy, and the loop's products already run at about half the speed of ours.

MiniLM (demo) with a probe on the sentence at three layers; a masked and a causal model of MiniLM's size built in code;
and the small trained model ../shared/models/novels-causal where it is there. The causal loop is run twice, with logits
of all pieces, as is usual, and with those of the last piece alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sklearn.linear_model import LogisticRegression

import probekit as pk
from benchmarks.common import SHARED, Ratio, compare, round_robin
from benchmarks.pairs import VOCABULARY, write_causal, write_masked
from probekit.models.demo import demo_folder
from probekit.models.quiet import quiet

NAME = "importance"
SENTENCE = (
    "the old keys to the large wooden cabinet that stood in the corner of the room where the children used to play "
    "with their dogs were lost by the man"
)
WORDS = SENTENCE.split()
PLACE = 25
"""The word that is predicted by the masked model: "were"."""
BEFORE = [*WORDS[:PLACE], "of", "the", "old", "red", "house"]
"""What the causal model reads before it: 30 words too."""
AIM = 5.0
LIMIT = 1e-3
NOVELS = SHARED / "models" / "novels-causal"
LAYERS = (1, 3, 6)

Work = Callable[[], list[float]]


def spans(words: list[str]) -> list[tuple[int, int]]:
    """The characters of words that are joined by a space."""
    ends = np.cumsum([len(word) + 1 for word in words])
    return [(int(end) - len(word) - 1, int(end) - 1) for word, end in zip(words, ends, strict=True)]


def pieces_of(offsets: list[tuple[int, int]], word: tuple[int, int]) -> list[int]:
    """The pieces that cover a word."""
    return [i for i, (a, b) in enumerate(offsets) if word[0] <= a < b <= word[1]]


def probe_loop(folder: Path, probe: Any, layer: int) -> Work:
    """MiniLM's sentence vector at a layer, each word masked in turn."""
    module = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def work() -> list[float]:
        read = tokenizer(SENTENCE, return_tensors="pt", return_offsets_mapping=True)
        offsets = [tuple(pair) for pair in read.offset_mapping[0].tolist()]

        def margin(ids: torch.Tensor) -> float:
            states = module(input_ids=ids, output_hidden_states=True).hidden_states[layer]
            return float(probe.decision_function(states[0, 1:-1].mean(0, keepdim=True).numpy())[0])

        whole = margin(read.input_ids)
        found = []
        for word in spans(WORDS):
            ids = read.input_ids.clone()
            ids[0, pieces_of(offsets, word)] = tokenizer.mask_token_id
            found.append(whole - margin(ids))
        return found

    return work


def masked_loop(folder: Path) -> Work:
    """The log-odds of "were" against "was" at their place, each other word masked in turn."""
    module = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    target, foil = tokenizer.convert_tokens_to_ids(["were", "was"])

    @torch.no_grad()
    def work() -> list[float]:
        read = tokenizer(SENTENCE, return_tensors="pt", return_offsets_mapping=True)
        offsets = [tuple(pair) for pair in read.offset_mapping[0].tolist()]
        words = spans(WORDS)
        [at] = pieces_of(offsets, words[PLACE])
        given = read.input_ids.clone()
        given[0, at] = tokenizer.mask_token_id

        def odds(ids: torch.Tensor) -> float:
            logprob = torch.log_softmax(module(input_ids=ids).logits[0, at], -1)
            return float(logprob[target] - logprob[foil])

        whole = odds(given)
        found = []
        for word in words[:PLACE] + words[PLACE + 1 :]:
            ids = given.clone()
            ids[0, pieces_of(offsets, word)] = tokenizer.mask_token_id
            found.append(whole - odds(ids))
        return found

    return work


def causal_loop(folder: Path, **options: Any) -> Work:
    """The log-odds of "were" against "was" behind the text, each word deleted in turn."""
    module = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    target, foil = tokenizer.convert_tokens_to_ids(["were", "was"])

    @torch.no_grad()
    def work() -> list[float]:
        def odds(words: list[str]) -> float:
            pieces = tokenizer(" ".join(words), add_special_tokens=False).input_ids
            ids = torch.tensor([[tokenizer.bos_token_id, *pieces]])
            logprob = torch.log_softmax(module(input_ids=ids, **options).logits[0, -1], -1)
            return float(logprob[target] - logprob[foil])

        whole = odds(BEFORE)
        return [whole - odds(BEFORE[:i] + BEFORE[i + 1 :]) for i in range(len(BEFORE))]

    return work


def ours(model: Any, text: str, predict: Any, how: Any) -> Work:
    """The same by `pk.word_importance`, the words that were left out."""

    def work() -> list[float]:
        [one] = pk.word_importance(model, text, predict, how).texts
        return [float(value) for value in one.importance if np.isfinite(value)]

    return work


def run(rounds: int) -> Iterator[Ratio]:
    """A probe at three layers, then a masked and two causal models."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if not VOCABULARY.is_file():
        raise SystemExit(f"the benchmark importance reads {VOCABULARY}, which is not there")
    folder, _ = demo_folder("demo:minilm")
    rng = np.random.default_rng(0)
    probe = LogisticRegression().fit(rng.normal(size=(200, 384)).astype(np.float32), rng.integers(0, 2, 200))
    model = pk.load_model("demo:minilm", device="cpu")
    with quiet():
        loops = {layer: probe_loop(folder, probe, layer) for layer in LAYERS}
    for layer in LAYERS:
        note = f"MiniLM, a probe on the sentence at layer {layer} of 6, words masked"
        work = ours(model, SENTENCE, pk.ProbeOutput(probe, layer, 1), "mask")
        yield from _ratios(rounds, work, {"one pass per word": loops[layer]}, note)
    with tempfile.TemporaryDirectory() as name:
        words = {line: row for row, line in enumerate(VOCABULARY.read_text(encoding="utf-8").splitlines())}
        causal, masked = Path(name) / "causal", Path(name) / "masked"
        with quiet():
            write_causal(causal, words)
            write_masked(masked, words)
            model = pk.load_model(str(masked), device="cpu")
            loop = masked_loop(masked)
        work = ours(model, SENTENCE, pk.LogOdds("were", "was", word=PLACE), "mask")
        yield from _ratios(
            rounds, work, {"one pass per word": loop}, "masked model of MiniLM's size, words masked"
        )
        for folder in (causal, NOVELS):
            if not folder.is_dir():
                continue
            with quiet():
                model = pk.load_model(str(folder), device="cpu")
                peers = {
                    "one pass per word": causal_loop(folder),
                    "one pass per word, logits of the last piece": causal_loop(folder, logits_to_keep=1),
                }
            work = ours(model, " ".join(BEFORE), pk.LogOdds("were", "was"), "delete")
            what = "causal model of MiniLM's size" if folder == causal else "novels-causal (4 layers x 192)"
            yield from _ratios(rounds, work, peers, f"{what}, words deleted")


def _ratios(rounds: int, own: Work, peers: dict[str, Work], note: str) -> Iterator[Ratio]:
    kept: dict[str, list[float]] = {}
    seconds = round_robin({"ours": own} | peers, rounds, kept.__setitem__)
    for peer in peers:
        same = len(kept["ours"]) == len(kept[peer])
        apart = max(abs(a - b) for a, b in zip(kept["ours"], kept[peer], strict=False))
        yield compare(
            NAME, seconds["ours"], seconds[peer], peer=peer, aim=AIM, equal=same and apart <= LIMIT, difference=apart,
            note=f"{note}; {len(kept['ours'])} words; difference in nats",
        )  # fmt: skip
