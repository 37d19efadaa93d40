"""A tokenizer trained on the training text, the same in every process, or an existing one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from probekit.errors import ConfigError, DataError
from probekit.models.quiet import quiet
from probekit.models.source import find_source
from probekit.models.training.config import TrainingConfig

PAD, UNKNOWN, BEGIN, END, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHARACTERS = 2000
"""The most characters a WordPiece vocabulary holds as pieces of their own; the rest is unknown."""


def make_tokenizer(config: TrainingConfig, texts: Sequence[str]) -> PreTrainedTokenizerBase:
    """The tokenizer that a configuration asks for: fast, with pieces for begin, end, padding, and mask.

    Text and configuration alone decide the vocabulary: `tokenizers` numbers the letters of WordPiece in the
    order of a hash table, which differs between processes, so they are numbered here.

    Raises DataError where the text allows fewer pieces than asked for, ConfigError where an existing tokenizer
    lacks a piece that the objective needs.
    """
    plan = config.tokenizer
    if plan.existing is not None:
        return _existing(plan.existing, config)
    masked = config.objective.kind == "masked"
    engine = {"bpe": _byte_bpe, "wordpiece": _wordpiece, "words": _words}[plan.kind](
        texts, plan.size, plan.lower
    )
    begin, end = engine.token_to_id(BEGIN), engine.token_to_id(END)
    engine.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}" if masked else f"{BEGIN} $A",
        special_tokens=[(BEGIN, begin), (END, end)],
    )
    fast: Any = PreTrainedTokenizerFast
    made: PreTrainedTokenizerBase = fast(
        tokenizer_object=engine, pad_token=PAD, unk_token=UNKNOWN, bos_token=BEGIN, eos_token=END, cls_token=BEGIN,
        sep_token=END, mask_token=MASK, model_max_length=config.model.positions or config.batches.length,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    return made


def load_tokenizer(folder: Path, config: TrainingConfig) -> PreTrainedTokenizerBase:
    """A tokenizer as it was saved in a folder."""
    with quiet():
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = config.model.positions or config.batches.length
    result: PreTrainedTokenizerBase = tokenizer
    return result


def boundaries(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """The pieces that begin and end a text. Raises ConfigError where the tokenizer has none."""
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.cls_token_id
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.sep_token_id
    if begin is None or end is None:
        raise ConfigError(
            f"tokenizer.from: {tokenizer.name_or_path} has no piece that begins or ends a text; train one instead"
        )
    return int(begin), int(end)


def _existing(name: str, config: TrainingConfig) -> PreTrainedTokenizerBase:
    with quiet():
        folder = Path(name).expanduser()
        if not (folder.is_dir() and (folder / "tokenizer.json").is_file()):
            folder = find_source(name, None, allow_bin=False, code=False).folder
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    boundaries(tokenizer)
    if not tokenizer.is_fast:
        raise ConfigError(f"tokenizer.from: {name} is not a fast tokenizer; use one with a tokenizer.json")
    if config.objective.kind == "masked" and tokenizer.mask_token_id is None:
        raise ConfigError(f"tokenizer.from: {name} has no mask piece, which the masked objective needs")
    tokenizer.model_max_length = config.model.positions or config.batches.length
    result: PreTrainedTokenizerBase = tokenizer
    return result


def _byte_bpe(texts: Sequence[str], size: int, lower: bool) -> Tokenizer:
    engine = Tokenizer(models.BPE(unk_token=UNKNOWN))
    if lower:
        engine.normalizer = normalizers.Lowercase()
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    engine.decoder = decoders.ByteLevel()
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    _check_size(size, len(SPECIAL) + len(letters) + 1, "byte-level BPE")
    engine.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=size, special_tokens=list(SPECIAL), initial_alphabet=letters, show_progress=False
        ),
    )
    _check_full(engine.get_vocab_size(), size)
    return engine


def _wordpiece(texts: Sequence[str], size: int, lower: bool) -> Tokenizer:
    engine = _whole_words(lower)
    letters = Counter(letter for text in texts for letter in _normal(engine, text) if not letter.isspace())
    kept = sorted(letter for letter, _ in sorted(letters.items(), key=_often)[:CHARACTERS])
    numbered = [*SPECIAL, *kept, *(f"##{letter}" for letter in kept)]
    _check_size(size, len(numbered) + 1, "WordPiece on this text")
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=numbered, limit_alphabet=CHARACTERS, show_progress=False
    )
    engine.train_from_iterator(texts, trainer)
    _check_full(engine.get_vocab_size(), size)
    # made anew: for the trainer all letters were special pieces
    order = sorted(json.loads(engine.to_str())["model"]["vocab"].items(), key=lambda entry: entry[1])
    return _whole_words(lower, dict(order))


def _words(texts: Sequence[str], size: int, lower: bool) -> Tokenizer:
    """Whole words and punctuation marks, the most frequent first; a word beyond `size` is unknown."""
    engine = _whole_words(lower)
    splitter = engine.pre_tokenizer
    counts = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(_normal(engine, text)))
    words = [word for word, _ in sorted(counts.items(), key=_often)][: max(0, size - len(SPECIAL))]
    return _whole_words(lower, {piece: number for number, piece in enumerate([*SPECIAL, *words])})


def _whole_words(lower: bool, vocabulary: dict[str, int] | None = None) -> Tokenizer:
    engine = Tokenizer(models.WordPiece(vocabulary or {}, unk_token=UNKNOWN, max_input_chars_per_word=100))
    engine.normalizer = normalizers.BertNormalizer(lowercase=lower, strip_accents=False)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece()
    return engine


def _normal(engine: Tokenizer, text: str) -> str:
    normal: str = engine.normalizer.normalize_str(text)
    return normal


def _often(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]


def _check_size(size: int, least: int, what: str) -> None:
    if size < least:
        raise ConfigError(f"tokenizer.size: {what} needs at least {least} pieces; got {size}")


def _check_full(got: int, size: int) -> None:
    if got < size:
        raise DataError(
            f"tokenizer.size: {size:,} pieces were asked for, and the text allows {got:,}; ask for fewer, or give "
            "more text"
        )
