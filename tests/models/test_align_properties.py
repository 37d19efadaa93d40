"""For any text and any tokenizer: a word has the pieces that cover it, or a reason; nothing is shifted."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.data.sentence import Sentence
from probekit.models import REASONS, encode
from tests.tiny_models import KINDS, tiny_model

ALPHABET = "abkeysdogtheTHEé东京日本の😀👍🏽'.,-$3ßİŉﬁ\u0301\u0327\u200b\u200d\u00a0▁Ġ"
WORDS = st.text(st.sampled_from(ALPHABET), min_size=1, max_size=6)


@st.composite
def sentences(draw: st.DrawFn) -> Sentence:
    """Words and blanks in any order: no blank, several, other white space; some words stand at one place."""
    text, words, spans = draw(st.sampled_from(["", " "])), [], []
    for word in draw(st.lists(WORDS, max_size=12)):
        span = (len(text), len(text) + len(word))
        copies = draw(st.sampled_from([1, 1, 1, 2]))
        words += [word] * copies
        spans += [span] * copies
        text += word + draw(st.sampled_from(["", " ", " ", "  ", "\t", "\u3000", "\n"]))
    return Sentence("s", tuple(words), text, tuple(spans))


def letters(text: str) -> str:
    """What any normaliser leaves of a text: base letters and digits, one case."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in decomposed if c.isascii() and c.isalnum())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(sentences(), min_size=1, max_size=3))
def test_words_to_pieces_and_back(kind: str, texts: list[Sentence]) -> None:
    model = tiny_model(kind)
    encoding = encode(model, texts, length="window")
    backend = model.tokenizer.backend_tokenizer
    word = 0
    for number, sentence in enumerate(texts):
        truth = backend.encode(sentence.text)
        for index, (start, stop) in enumerate(sentence.offsets):
            assert (encoding.word_sentence[word], encoding.word_index[word]) == (number, index)
            reason = REASONS[encoding.word_reason[word]]
            # the slow way: every plain piece whose characters, blanks aside, meet the word's
            mine = [
                place
                for place, (a, b) in enumerate(truth.offsets)
                if not truth.special_tokens_mask[place]
                and sentence.text[max(a, start) : min(b, stop)].strip()
                and not (
                    truth.tokens[place] in ("▁", "Ġ")
                    and place + 1 < len(truth.offsets)
                    and not truth.special_tokens_mask[place + 1]
                    and truth.offsets[place + 1][0] < b
                )
            ]
            unknown = model.tokenizer.unk_token_id
            if not mine:
                assert reason == "no piece"
            elif any(truth.ids[place] == unknown for place in range(mine[0], mine[-1] + 1)):
                assert reason in ("unknown piece", "truncated")
            elif reason != "truncated":
                assert reason == ""
                begin = encoding.input_start[encoding.word_input[word]]
                found = encoding.piece_ids[
                    begin + encoding.word_first[word] : begin + encoding.word_stop[word]
                ].tolist()
                assert found == truth.ids[mine[0] : mine[-1] + 1]
                assert encoding.input_sentence[encoding.word_input[word]] == number
                decoded = model.tokenizer.convert_tokens_to_string(
                    [str(t) for t in backend_tokens(model, found)]
                )
                assert letters(sentence.words[index]) in letters(decoded)
            if reason:
                assert encoding.word_input[word] == -1
            word += 1
    assert word == len(encoding.word_reason)
    assert encoding.input_start[-1] == len(encoding.piece_ids)


def backend_tokens(model: object, ids: list[int]) -> list[str]:
    return list(model.tokenizer.convert_ids_to_tokens(ids))  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["bert", "llama", "t5"])
@settings(max_examples=40, deadline=None)
@given(words=st.lists(WORDS, min_size=1, max_size=10))
def test_words_one_by_one_and_back(kind: str, words: list[str]) -> None:
    model = tiny_model(kind)
    encoding = encode(model, [Sentence.from_words("s", words)], text_form="words", length="window")
    truth = model.tokenizer.backend_tokenizer.encode(words, is_pretokenized=True)
    for index in range(len(words)):
        mine = [place for place, owner in enumerate(truth.word_ids) if owner == index]
        if encoding.word_reason[index]:
            assert encoding.word_input[index] == -1
            continue
        begin = encoding.input_start[encoding.word_input[index]]
        found = encoding.piece_ids[begin + encoding.word_first[index] : begin + encoding.word_stop[index]]
        ids = [truth.ids[place] for place in mine]
        assert found.tolist() in (ids, ids[1:])
        if len(found) < len(ids):
            assert truth.tokens[mine[0]] == "▁"


@pytest.mark.parametrize("kind", ["bert", "roberta", "gpt2"])
@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(0, 300), min_size=1, max_size=4))
def test_windows_cover_all_pieces_in_order(kind: str, lengths: list[int]) -> None:
    model = tiny_model(kind)
    texts = [Sentence.from_words(str(n), ["dog"] * length) for n, length in enumerate(lengths)]
    windows = encode(model, texts, length="window")
    cut = encode(model, texts, length="truncate")
    assert not windows.word_reason.any()
    assert (np.diff(windows.input_start) <= (model.max_pieces or 0)).all()
    assert windows.input_sentence.tolist() == sorted(windows.input_sentence.tolist())
    assert len(cut.input_sentence) == len(set(windows.input_sentence.tolist()))
    assert cut.counts["words"] - cut.counts["truncated_words"] == int((cut.word_reason == 0).sum())
