"""A text and a pair as pieces: as the tokenizer makes them, cut where the model ends, told apart in the pass."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel

from probekit.errors import DataError
from probekit.models import load_model
from probekit.models.attention import attentions
from probekit.models.pair import as_pair, read_piece_text
from tests.tiny_models import ALL_KINDS, tiny_folder, tiny_model

A, B = "The keys to the cabinet are here.", "She doesn't know."


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_pieces_are_those_of_the_tokenizer(kind: str) -> None:
    model = tiny_model(kind)
    read = read_piece_text(model, A, B)
    plain = model.tokenizer(A, B)
    assert read.ids.tolist() == [plain["input_ids"]]
    assert read.cut == 0
    assert read.second is not None
    first = read_piece_text(model, A)
    assert first.second is None
    assert first.segments is None
    assert read.second >= len(first.names) - int(first.special.sum())
    letters = "".join(
        name.removeprefix("##") for name, odd in zip(first.names, first.special, strict=True) if not odd
    )
    assert letters.casefold().replace("[unk]", "") in A.replace(" ", "").casefold()


def test_bert_is_told_which_text_a_piece_belongs_to() -> None:
    model = tiny_model("bert")
    read = read_piece_text(model, A, B)
    given = model.tokenizer(A, B, return_tensors="pt")
    assert read.segments is not None
    assert read.segments.tolist() == given["token_type_ids"].tolist()
    with as_pair(model, read):
        told = attentions(model, read.ids)
        other = attentions(model, read.ids[:, :4])
    untold = attentions(model, read.ids)
    eager = AutoModel.from_pretrained(tiny_folder("bert"), attn_implementation="eager").eval()
    expected = eager(**given, output_attentions=True).attentions
    for number, weights in enumerate(expected, 1):
        torch.testing.assert_close(told[str(number)], weights, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(told["2"], untold["2"], atol=1e-4)
    # another input inside the block is left alone
    assert torch.equal(other["1"], attentions(model, read.ids[:, :4])["1"])


@pytest.mark.parametrize("kind", ["roberta", "gpt2", "distilbert"])
def test_families_without_segments_are_not_told(kind: str) -> None:
    assert read_piece_text(tiny_model(kind), A, B).segments is None


def test_what_the_model_has_no_room_for_is_cut_and_counted() -> None:
    model = tiny_model("bert")
    read = read_piece_text(model, A * 30, B)
    assert len(read.names) == model.max_pieces == 64
    assert read.cut == len(model.tokenizer(A * 30, B)["input_ids"]) - 64
    assert read.names[-1] == "[SEP]"
    assert read.special.sum() == 3


def test_bytes_and_unknown_pieces_are_shown_as_what_they_are() -> None:
    assert "café" in "".join(read_piece_text(tiny_model("gpt2"), "un café").names)
    assert "[UNK]" in read_piece_text(tiny_model("bert"), "a ☃ b").names


def test_bad_texts_have_clear_lines() -> None:
    model = tiny_model("bert")
    with pytest.raises(DataError, match="has no piece but special ones"):
        read_piece_text(model, "  ")
    with pytest.raises(DataError, match="half of a surrogate pair"):
        read_piece_text(model, "a \ud800")
    with pytest.raises(DataError, match="a text must be a string; got list"):
        read_piece_text(model, ["a"])  # type: ignore[arg-type]


def test_a_piece_that_is_a_space_alone_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a word whose first letters are no piece of their own, SentencePiece gives the space in front a piece, and says
    that it covers the letter behind it."""
    model = tiny_model("llama")
    backend = Tokenizer(models.BPE({"\u2581": 0, "A": 1, "b": 2, "\u2581b": 3}, [("\u2581", "b")]))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    monkeypatch.setattr(
        type(model.tokenizer), "backend_tokenizer", property(lambda _: backend), raising=False
    )
    assert backend.encode("A b").offsets[0] == backend.encode("A b").offsets[1]
    assert read_piece_text(model, "A b").names == ("\u2581", "A", "b")


@pytest.mark.real
def test_of_a_real_sentencepiece_vocabulary(shared_data: Path) -> None:
    folder = shared_data.parent / "models" / "stories260k"
    if not folder.is_dir():
        pytest.skip("the model is not here")
    model = load_model(str(folder), device="cpu")
    names = read_piece_text(model, "Anthropomorphization isn't funny").names
    assert names[:4] == ("<s>", "\u2581", "A", "nt")
