"""Tokenizers trained here: the same in every process, loadable, with the pieces that scoring needs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from probekit.errors import ConfigError, DataError
from probekit.models.training.config import load_config
from probekit.models.training.tokenizer import boundaries, make_tokenizer
from tests.models.training.tiny import TEXTS, masked, tiny
from tests.tiny_models import tiny_folder

SIZES = {"bpe": 300, "wordpiece": 80, "words": 40}
MAKE = """
from tests.models.training.test_tokenizer import vocabularies
print(vocabularies())
"""


def vocabularies() -> str:
    made = (make(tiny(tokenizer={"kind": kind, "size": size})) for kind, size in SIZES.items())
    return " ".join(hashlib.sha256(one.backend_tokenizer.to_str().encode()).hexdigest() for one in made)


def make(document: Mapping[str, Any]) -> Any:
    return make_tokenizer(load_config(document), TEXTS)


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("base", [tiny, masked])
def test_a_saved_tokenizer_is_found_by_transformers(kind: str, base: Any, tmp_path: Path) -> None:
    made = make(base(tokenizer={"kind": kind, "size": SIZES[kind]}))
    made.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.is_fast
    assert (loaded.bos_token, loaded.cls_token, loaded.eos_token, loaded.mask_token) == (
        "[CLS]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    )
    assert len(loaded) <= SIZES[kind]
    text = "the dog near the birds sings ."
    ids = loaded(text)["input_ids"]
    assert ids == made(text)["input_ids"]
    assert ids[0] == loaded.cls_token_id
    assert (ids[-1] == loaded.sep_token_id) == (base is masked)
    assert loaded.unk_token_id not in ids
    assert loaded.decode(ids, skip_special_tokens=True).strip().replace(" .", ".") == text.replace(" .", ".")


def test_two_processes_make_the_same_vocabularies() -> None:
    """`tokenizers` alone does not: it numbers the letters of WordPiece in the order of a hash table."""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", MAKE], env=os.environ | {"PYTHONPATH": str(root)}, text=True, capture_output=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() == vocabularies()


def test_words_are_whole_and_rare_ones_unknown() -> None:
    made = make(tiny(tokenizer={"kind": "words", "size": 12}))
    assert made.tokenize("the near zebra") == ["the", "near", "[UNK]"]
    assert len(made) == 12
    assert sorted(made.get_vocab().values()) == list(range(12))


def test_wordpiece_splits_what_it_has_not_seen() -> None:
    made = make(tiny(tokenizer={"kind": "wordpiece", "size": 80}))
    pieces = made.tokenize("kingdoms")
    assert "".join(piece.removeprefix("##") for piece in pieces) == "kingdoms"
    assert len(pieces) > 1


def test_lower_case() -> None:
    assert make(tiny(tokenizer={"kind": "words", "lower": True})).tokenize("THE Dog") == ["the", "dog"]
    assert "[UNK]" in make(tiny(tokenizer={"kind": "words"})).tokenize("THE Dog")


@pytest.mark.parametrize(("kind", "size"), [("wordpiece", 5000), ("bpe", 5000)])
def test_more_pieces_than_the_text_allows(kind: str, size: int) -> None:
    with pytest.raises(DataError, match=r"5,000 pieces were asked for, and the text allows \d"):
        make(tiny(tokenizer={"kind": kind, "size": size}))


def test_too_few_pieces_for_the_letters() -> None:
    with pytest.raises(ConfigError, match="byte-level BPE needs at least 262 pieces; got 100"):
        make(tiny(tokenizer={"kind": "bpe", "size": 100}))


def test_an_existing_tokenizer() -> None:
    made = make(masked(tokenizer={"from": str(tiny_folder("bert"))}))
    assert boundaries(made) == (made.cls_token_id, made.sep_token_id)
    assert made.model_max_length == 16
    gpt2 = make(tiny(tokenizer={"from": str(tiny_folder("gpt2"))}))
    assert boundaries(gpt2) == (0, 0)
    with pytest.raises(ConfigError, match="has no mask piece"):
        make(masked(tokenizer={"from": str(tiny_folder("gpt2"))}))
    with pytest.raises(ConfigError, match="no piece that begins or ends"):
        make(tiny(tokenizer={"from": str(tiny_folder("t5"))}))
