"""Minimal pairs (BLiMP) scored by a causal and by a masked model against minicons at its best setting.

Both models are built in code with MiniLM's size (6 layers x 384, 30,522 pieces); both sides read the same pieces,
with a piece in front of the text for the causal model. Ours does what judging a suite of pairs does: scores within a
pair are compared, so that what a pair begins with cancels; a second ratio scores every piece. minicons (0.3.39) is no
dependency: `pip install --no-deps --target FOLDER minicons==0.3.39 wonderwords`, then PYTHONPATH=FOLDER.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

from benchmarks.common import SHARED, Ratio, compare, round_robin
from probekit.models.load import load_model
from probekit.models.quiet import quiet
from probekit.models.scoring import Ask, make_scorer

NAME = "pairs"
VOCABULARY = SHARED / "data" / "bert_vocab" / "bert-base-uncased-vocab.txt"
SUITES = SHARED / "data" / "blimp_sample"
LIMIT = 1e-3
"""How far apart scores may be, in nats."""

Pairs = list[tuple[str, str]]


def pairs(n: int) -> Pairs:
    """The first pairs of every paradigm, `n` in all."""
    files = sorted(SUITES.glob("*.jsonl"))
    rows = [
        [
            json.loads(line)
            for line in itertools.islice(path.open(encoding="utf-8"), -(-n // max(1, len(files))))
        ]
        for path in files
    ]
    flat = [row for same in zip(*rows, strict=True) for row in same]
    return [(row["sentence_good"], row["sentence_bad"]) for row in flat[:n]]


def write_causal(folder: Path, words: dict[str, int]) -> None:
    """A GPT-2 of MiniLM's size over BERT's pieces; its tokenizer adds nothing by itself."""
    engine = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer()
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=engine, unk_token="[UNK]", bos_token="[CLS]", eos_token="[SEP]", pad_token="[PAD]"
    )
    config = GPT2Config(
        vocab_size=len(words), n_embd=384, n_layer=6, n_head=12, n_positions=512, bos_token_id=words["[CLS]"],
        eos_token_id=words["[SEP]"],
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_masked(folder: Path, words: dict[str, int]) -> None:
    """A BERT of MiniLM's size."""
    config = BertConfig(
        vocab_size=len(words), hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    BertTokenizer(vocab=words).save_pretrained(folder)


def minicons_scorer(folder: Path, kind: str) -> Any:
    """The peer's scorer on the same files."""
    try:
        from minicons import scorer as peer
    except ImportError as error:
        raise SystemExit(
            f"the benchmark pairs needs minicons ({error}): see the head of {__file__}"
        ) from error
    auto: Any = transformers.AutoModelForCausalLM if kind == "causal" else transformers.AutoModelForMaskedLM
    module = auto.from_pretrained(folder, trust_remote_code=False).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    cls: Any = peer.IncrementalLMScorer if kind == "causal" else peer.MaskedLMScorer
    made = cls(module, "cpu", tokenizer=tokenizer)
    # transformers 5 has no batch_encode_plus any more, which minicons calls
    type(made.tokenizer).batch_encode_plus = type(made.tokenizer).__call__
    return made


def total(scores: torch.Tensor) -> float:
    """minicons averages unless it is told not to."""
    return float(scores.sum(0))


def ours(folder: Path, asked: Pairs, *, cancels: bool, **options: Any) -> Callable[[], list[float]]:
    """Differences of log-probability, good - bad, in nats."""
    scorer = make_scorer(load_model(str(folder), device="cpu"), **options)
    groups = [[Ask(text, ((0, len(text)),)) for text in pair] for pair in asked]

    def work() -> list[float]:
        answers = scorer.score(groups, shared_prefix_cancels=cancels)
        nats = torch.log(torch.tensor(2.0, dtype=torch.float64)).item()
        return [nats * float(bad.bits[0] - good.bits[0]) for good, bad in answers]

    return work


def theirs(made: Any, asked: Pairs, at_once: int, **options: Any) -> Callable[[], list[float]]:
    """The same from minicons, ``at_once`` sentences a call."""
    texts = [text for pair in asked for text in pair]

    def work() -> list[float]:
        scores: list[float] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for begin in range(0, len(texts), at_once):
                scores += made.sequence_score(texts[begin : begin + at_once], reduction=total, **options)
        return [good - bad for good, bad in zip(scores[::2], scores[1::2], strict=True)]

    return work


def run(rounds: int) -> Iterator[Ratio]:
    """Causal twice (differences within pairs, every piece) and masked twice (original, within-word)."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if not SUITES.is_dir() or not VOCABULARY.is_file():
        raise SystemExit(f"the benchmark pairs reads {SUITES} and {VOCABULARY}, which are not there")
    words = {line: row for row, line in enumerate(VOCABULARY.read_text(encoding="utf-8").splitlines())}
    with tempfile.TemporaryDirectory() as name:
        causal, masked = Path(name) / "causal", Path(name) / "masked"
        with quiet():
            write_causal(causal, words)
            write_masked(masked, words)
            peers = {kind: minicons_scorer(Path(name) / kind, kind) for kind in ("causal", "masked")}
        many, few = pairs(200), pairs(30)
        yield from _ratios(
            rounds,
            {
                "causal, differences": ours(causal, many, cancels=True),
                "causal, every piece": ours(causal, many, cancels=False),
            },
            {
                "32 sentences a call": theirs(peers["causal"], many, 32, bos_token=True),
                "one pair a call": theirs(peers["causal"], many, 2, bos_token=True),
            },
            len(many),
        )
        for pll in ("original", "within_word_l2r"):
            yield from _ratios(
                rounds,
                {f"masked, {pll}": ours(masked, few, cancels=False, pll=pll)},
                {"one pair a call": theirs(peers["masked"], few, 2, PLL_metric=pll)},
                len(few),
            )


def _ratios(
    rounds: int, own: dict[str, Callable[[], Any]], peers: dict[str, Callable[[], Any]], n: int
) -> Iterator[Ratio]:
    kept: dict[str, list[float]] = {}
    seconds = round_robin(own | peers, rounds, kept.__setitem__)
    best = min(peers, key=lambda name: sum(seconds[name]))
    for name in own:
        apart = max(abs(a - b) for a, b in zip(kept[name], kept[best], strict=True))
        spent = sorted(seconds[name])[len(seconds[name]) // 2]
        yield compare(
            NAME, seconds[name], seconds[best], peer=f"minicons, {best}", aim=2.4, equal=apart <= LIMIT,
            difference=apart,
            note=f"{name}; {n} pairs of BLiMP, {n / spent:.1f} pairs/s; difference in nats",
        )  # fmt: skip
