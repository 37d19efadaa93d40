"""Pieces, the characters and words they belong to, and the piece in front."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import ConfigError, DataError, ModelError
from probekit.models.scoring.pieces import begin_piece, common_prefix, owned, pieces_in_front, read_pieces
from tests.tiny_models import KINDS, tiny_lm

TEXTS = st.text(
    st.sampled_from(list("abcdogst ,.'é東  \t\n-3Ü\u0301\U0001f600")) | st.characters(codec="utf-8"), max_size=30
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("special", [False, True])
def test_ids_are_those_of_the_tokenizer(kind: str, special: bool) -> None:
    tokenizer = tiny_lm(kind).tokenizer
    texts = ["the cats sit on mats", "", "  two  spaces ", "東京 cat", "naïve café's $4.50"]
    for text, pieces in zip(texts, read_pieces(tokenizer, texts, special=special), strict=True):
        assert pieces.ids.tolist() == tokenizer(text, add_special_tokens=special)["input_ids"]


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS, cut=st.integers(0, 30))
@settings(max_examples=30, deadline=None)
def test_every_piece_belongs_to_one_of_two_adjoining_spans(kind: str, text: str, cut: int) -> None:
    [pieces] = read_pieces(tiny_lm(kind).tokenizer, [text], special=True)
    cut = min(cut, len(text))
    piece, span = owned(pieces, [(0, cut), (cut, len(text))])
    content = np.flatnonzero(~pieces.special)
    assert piece.tolist() == content.tolist()
    letters = [i for i in content if text[pieces.spans[i][0] : pieces.spans[i][1]].strip()]
    for p, s in zip(piece, span, strict=True):
        if p in letters:
            begin, end = pieces.spans[p]
            first = next(i for i in range(begin, end) if not text[i].isspace())
            assert (first >= cut) == s
    assert (np.diff(pieces.words[~pieces.special]) >= 0).all()
    assert (pieces.words[pieces.special] == -1).all()


def test_a_span_may_begin_with_the_space_before_its_word() -> None:
    [pieces] = read_pieces(tiny_lm("gpt2").tokenizer, ["the dogs bark"])
    assert pieces.spans.tolist()[0] == [0, 3]
    begins_with_space = owned(pieces, [(0, 3), (3, 13)])[1]
    begins_with_letter = owned(pieces, [(0, 4), (4, 13)])[1]
    assert begins_with_space.tolist() == begins_with_letter.tolist() == [0] + [1] * (len(pieces) - 1)


def test_a_piece_of_spaces_alone_belongs_to_what_follows() -> None:
    [pieces] = read_pieces(tiny_lm("gpt2").tokenizer, ["the  dogs "])
    shown = [("the  dogs "[a:b], int(at)) for (a, b), at in zip(pieces.spans, pieces.at, strict=True)]
    assert [at for text, at in shown if not text.strip()] == [5, 9]  # the one in the end belongs to itself


def test_words_end_where_the_tokenizer_splits_and_at_spaces() -> None:
    tokenizer = tiny_lm("bert").tokenizer
    [pieces] = read_pieces(tokenizer, ["mats, zebra mats"], special=True)
    names = tokenizer.convert_ids_to_tokens(pieces.ids.tolist())
    words = dict(zip(names, pieces.words.tolist(), strict=True))
    assert words["[CLS]"] == words["[SEP]"] == -1
    assert words[","] == pieces.words[1] + 1
    zebra = [w for name, w in zip(names, pieces.words, strict=True) if w == words[","] + 1]
    assert len(zebra) > 1  # an unusual word has several pieces and one number
    # Llama's tokenizer here splits nowhere but at spaces
    [pieces] = read_pieces(tiny_lm("llama").tokenizer, ["zebra mats mats"])
    assert len(np.unique(pieces.words)) == 3


def test_unknown_pieces_are_flagged() -> None:
    [pieces] = read_pieces(tiny_lm("bert").tokenizer, ["the ☃ cat"], special=True)
    assert pieces.unknown.sum() == 1
    assert pieces.at[pieces.unknown] == [4]


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(DataError, match=r"character 3 is half of a surrogate pair \(U\+D800\)"):
        read_pieces(tiny_lm("bert").tokenizer, ["fine", "ab\ud800"])


def test_the_piece_in_front() -> None:
    assert begin_piece(tiny_lm("gpt2").tokenizer, "auto") == 0
    assert begin_piece(tiny_lm("gpt2").tokenizer, "without") is None
    bert = tiny_lm("bert").tokenizer
    assert begin_piece(bert, "auto") == begin_piece(bert, "with") == bert.cls_token_id
    assert begin_piece(tiny_lm("t5").tokenizer, "auto") is None
    with pytest.raises(ModelError, match="no piece that begins a text"):
        begin_piece(tiny_lm("t5").tokenizer, "with")
    with pytest.raises(ConfigError, match="did you mean 'without'"):
        begin_piece(bert, "witout")  # type: ignore[arg-type]
    assert pieces_in_front(bert) == (bert.cls_token_id,)
    assert pieces_in_front(tiny_lm("t5").tokenizer) == ()


@given(st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=1, max_size=4))
def test_common_prefix(lists: list[list[int]]) -> None:
    n = common_prefix([np.array(one, dtype=np.int64) for one in lists])
    assert all(one[:n] == lists[0][:n] for one in lists)
    assert any(len(one) == n for one in lists) or len({one[n] for one in lists}) > 1
