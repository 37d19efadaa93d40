"""Words find their pieces: every tokenizer kind, both text forms, all length policies."""

from __future__ import annotations

import shutil
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tokenizers import pre_tokenizers

from probekit.data.sentence import Sentence
from probekit.errors import AlignmentError, ConfigError, DataError, ModelError
from probekit.models import REASONS, Encoding, Model, encode, load_model
from tests.tiny_models import KINDS, tiny_folder, tiny_model

LIMITED = ("bert", "roberta", "gpt2", "llama", "bart")
TRUNCATED, UNKNOWN = REASONS.index("truncated"), REASONS.index("unknown piece")


def sentence(text: str, *words: str, id: str = "s") -> Sentence:
    """A sentence whose words are found in the text from left to right; "a+b" are two words at one place."""
    spans: list[tuple[int, int]] = []
    forms: list[str] = []
    place = 0
    for word in words:
        whole = word.replace("+", "")
        start = text.index(whole, place)
        place = start + len(whole)
        parts = word.split("+")
        forms += parts
        spans += [(start, place)] * len(parts)
    return Sentence(id, tuple(forms), text, tuple(spans))


def pieces(model: Model, encoding: Encoding, word: int) -> list[str]:
    """The pieces of one word as the vocabulary spells them."""
    begin = encoding.input_start[encoding.word_input[word]]
    ids = encoding.piece_ids[begin + encoding.word_first[word] : begin + encoding.word_stop[word]]
    return list(model.tokenizer.convert_ids_to_tokens(ids.tolist()))


def all_pieces(kind: str, *sentences: Sentence, **options: str) -> list[list[str]]:
    model = tiny_model(kind)
    encoding = encode(model, sentences, **options)  # type: ignore[arg-type]
    return [pieces(model, encoding, word) for word in range(len(encoding.word_reason))]


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_what_the_tokenizer_gives(kind: str) -> None:
    model = tiny_model(kind)
    texts = ["The keys to the cabinet are here.", "", "She doesn't  know\tit", " 東京 ", "déjà vu 😀!"]
    encoding = encode(model, [Sentence.from_text(str(n), text) for n, text in enumerate(texts)])
    expected = [model.tokenizer(text)["input_ids"] for text in texts]
    starts = encoding.input_start
    found = [encoding.piece_ids[a:b].tolist() for a, b in pairwise(starts)]
    assert found == [ids for ids in expected if ids]
    assert encoding.input_sentence.tolist() == [n for n, ids in enumerate(expected) if ids]
    assert encoding.sentence_reason.tolist() == [0, 1, 0, 0, 0]
    assert encoding.counts["empty_sentences"] == 1


def test_the_leading_space_belongs_to_no_word() -> None:
    text = sentence("The keys to  the dog", "The", "keys", "to", "the", "dog")
    assert all_pieces("gpt2", text)[:3] == [["The"], ["Ġk", "ey", "s"], ["Ġt", "o"]]
    assert all_pieces("llama", text)[:2] == [["▁The"], ["▁key", "s"]]
    assert all_pieces("gpt2", text)[3] == ["Ġthe"]


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_a_mark_put_in_front_of_the_text_belongs_to_no_word(kind: str) -> None:
    first, second = all_pieces(kind, sentence("日本 日本", "日本", "日本"))
    assert first == second
    assert "▁" not in first
    assert len(first) == (6 if kind == "llama" else 2)


def test_bytes_of_one_character_stay_together() -> None:
    assert all_pieces("llama", sentence("a 😀 b", "a", "😀", "b"))[1] == [
        "<0xF0>",
        "<0x9F>",
        "<0x98>",
        "<0x80>",
    ]
    assert all_pieces("gpt2", sentence("a 😀 b", "a", "😀", "b"))[1] == ["ð", "Ł", "ĺ", "Ģ"]


def test_a_piece_over_two_words_belongs_to_both() -> None:
    model = tiny_model("gpt2")
    encoding = encode(model, [sentence("日本", "日", "本")])
    first, second = (pieces(model, encoding, word) for word in (0, 1))
    assert first[-1] == second[0] == "¥æ"
    assert encoding.counts["shared_pieces"] == 1
    assert encoding.counts["multiword_shared"] == 0


def test_words_of_a_multiword_token_share_its_pieces() -> None:
    model = tiny_model("bert")
    encoding = encode(model, [sentence("she doesn't know", "she", "does+n't", "know")])
    assert encoding.word_first[1] == encoding.word_first[2]
    assert encoding.word_stop[1] == encoding.word_stop[2]
    assert encoding.counts["multiword_shared"] == 2
    assert encoding.counts["shared_pieces"] == 0


def test_a_contraction_split_by_the_corpus() -> None:
    text = sentence("she doesn't know", "she", "does", "n't", "know")
    model = tiny_model("bert")
    assert all_pieces("bert", text)[1:3] == [["does"], ["##n", "'", "t"]]
    assert all_pieces("llama", text)[1:3] == [["▁doesn't"], ["▁doesn't"]]
    assert encode(model, [text]).counts["shared_pieces"] == 0


def test_unknown_pieces_are_a_reason() -> None:
    encoding = encode(tiny_model("bert"), [sentence("the 😀 cat😀", "the", "😀", "cat😀")])
    assert encoding.word_reason.tolist() == [0, UNKNOWN, UNKNOWN]
    assert encoding.word_input.tolist() == [0, -1, -1]
    assert encoding.counts["unknown_words"] == 2


def test_invisible_words_have_no_piece() -> None:
    encoding = encode(tiny_model("bert"), [sentence("the \u200b cat", "the", "\u200b", "cat")])
    assert [REASONS[reason] for reason in encoding.word_reason] == ["", "no piece", ""]
    assert (encoding.word_first[1], encoding.word_stop[1]) == (0, 0)


@pytest.mark.parametrize("kind", ["bert", "t5", "roberta"])
def test_normalisation_moves_nothing(kind: str) -> None:
    composed = sentence("Déjà Vu ÇA the", "Déjà", "Vu", "ÇA", "the")
    decomposed = sentence("De\u0301ja\u0300 Vu C\u0327A the", "De\u0301ja\u0300", "Vu", "C\u0327A", "the")
    model = tiny_model(kind)
    for text in (composed, decomposed):
        encoding = encode(model, [text])
        for word in np.flatnonzero(encoding.word_reason == 0):
            spelled = model.tokenizer.convert_tokens_to_string(pieces(model, encoding, int(word)))
            plain = "".join(c for c in text.words[word] if c.isascii())
            assert plain.lower()[-1:] in spelled.lower()
        assert encoding.word_reason[-1] == 0


def test_words_one_by_one() -> None:
    words = Sentence.from_words("s", ["東京", "doesn't", "know"])
    glued = Sentence("g", words.words, "東京doesn'tknow", ((0, 2), (2, 9), (9, 13)))
    for kind in ("bert", "llama", "t5"):
        assert all_pieces(kind, glued, text_form="words") == all_pieces(kind, words, text_form="words")
        assert all_pieces(kind, words, text_form="words") == all_pieces(kind, words, text_form="surface")


@pytest.mark.parametrize("kind", ["gpt2", "roberta", "bart"])
def test_words_without_their_leading_space_are_refused(kind: str) -> None:
    with pytest.raises(ModelError, match="text_form='surface'"):
        encode(tiny_model(kind), [Sentence.from_words("s", ["a", "b"])], text_form="words")


def test_words_with_a_prefix_space_are_read() -> None:
    model = load_model(str(tiny_folder("gpt2")))
    model.tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    encoding = encode(model, [Sentence.from_words("s", ["to", "the", "dog"])], text_form="words")
    assert [pieces(model, encoding, word)[0] for word in range(3)] == ["Ġt", "Ġthe", "Ġdog"]


def long_sentence(words: int) -> Sentence:
    return Sentence.from_words("long", ["dog" if n % 3 else "know" for n in range(words)])


@pytest.mark.parametrize("kind", LIMITED)
def test_truncation_is_transformers_own(kind: str) -> None:
    model = tiny_model(kind)
    texts = [Sentence.from_text("a", "the cat"), long_sentence(80), Sentence.from_text("b", "a dog")]
    encoding = encode(model, texts)
    ids = encoding.piece_ids[encoding.input_start[1] : encoding.input_start[2]]
    expected = model.tokenizer(texts[1].text, truncation=True, max_length=model.max_pieces)["input_ids"]
    assert ids.tolist() == expected
    assert len(ids) == model.max_pieces
    cut = encoding.word_reason == TRUNCATED
    assert cut.any()
    assert set(encoding.word_sentence[cut]) == {1}
    assert encoding.counts["truncated_words"] == cut.sum()
    assert encoding.counts["long_sentences"] == 1
    kept = encoding.word_stop[(encoding.word_sentence == 1) & ~cut]
    assert kept.max() <= len(ids) - encoding.special[encoding.input_start[1] :][: len(ids)][1:].sum()
    assert encoding.word_input[-1] == 2


def test_a_word_cut_in_half_is_left_out() -> None:
    model = tiny_model("bert")
    text = Sentence.from_words("s", ["cat"] * 50 + ["zzzzzzzzzzzzzzzzzzzzzz"] + ["cat"])
    encoding = encode(model, [text])
    assert encoding.word_reason.tolist() in ([0] * 50 + [TRUNCATED] * 2, [0] * 50 + [UNKNOWN, 0])


def test_too_long_is_an_error_on_request() -> None:
    with pytest.raises(AlignmentError, match=r"sentence 'long': 80 words make \d+ pieces.* at most 64"):
        encode(tiny_model("bert"), [Sentence.from_text("a", "cat"), long_sentence(80)], length="error")
    assert encode(tiny_model("t5"), [long_sentence(80)], length="error").counts["inputs"] == 1


@pytest.mark.parametrize("kind", LIMITED)
def test_windows_hold_every_word_at_its_best(kind: str) -> None:
    model = tiny_model(kind)
    texts = [Sentence.from_text("a", "the cat"), long_sentence(200), Sentence.from_text("b", "a dog")]
    encoding = encode(model, texts, length="window")
    assert not encoding.word_reason.any()
    sizes = np.diff(encoding.input_start)
    assert sizes.max() == model.max_pieces
    assert encoding.input_sentence[0] == 0
    assert encoding.input_sentence[-1] == 2
    assert (encoding.input_sentence[1:-1] == 1).all()
    whole = encode(tiny_model(kind), [long_sentence(2)])
    specials = int(whole.special.sum())
    for number in range(1, len(sizes) - 1):
        special = encoding.special[encoding.input_start[number] : encoding.input_start[number + 1]]
        assert special.sum() == specials
    spelled = {("dog" if n % 3 else "know"): None for n in range(2)}
    for word in np.flatnonzero(encoding.word_sentence == 1):
        form = texts[1].words[encoding.word_index[word]]
        text = model.tokenizer.convert_tokens_to_string(pieces(model, encoding, int(word))).strip()
        assert text == form
        assert form in spelled
    # away from the two ends, a word has at least a quarter of the room on either side
    room = int(model.max_pieces or 0) - specials
    middle = np.flatnonzero(encoding.word_sentence == 1)[80:-80]
    front = encoding.special[encoding.input_start[1]]
    left = encoding.word_first[middle] - int(front)
    assert left.min() >= room // 4 - 4
    assert (room - left).min() >= room // 4 - 4


def test_windows_of_a_huge_sentence_are_quick() -> None:
    begin = time.process_time()
    encoding = encode(tiny_model("bert"), [long_sentence(10_000)], length="window")
    assert not encoding.word_reason.any()
    assert time.process_time() - begin < 2


@pytest.mark.parametrize("form", ["surface", "words"])
def test_half_a_character_is_named(form: str) -> None:
    bad = Sentence.from_words("s7", ["good", "b\ud800d"])
    with pytest.raises(DataError, match=r"sentence 's7': character 7 .*U\+D800"):
        encode(tiny_model("bert"), [Sentence.from_text("a", "fine"), bad], text_form=form)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_read(kind: str) -> None:
    model = tiny_model(kind)
    for sentences in ([], [Sentence.from_text("e", "")], [Sentence.from_text("e", " \t")] * 2):
        encoding = encode(model, sentences)
        assert len(encoding.word_reason) == 0
        assert encoding.sentence_reason.shape == (len(sentences),)
        assert len(encoding.input_start) == encoding.counts["inputs"] + 1


def test_chunks_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [Sentence.from_text(str(n), "the cat sits " * (n % 5) + "😀" * (n % 2)) for n in range(40)]
    texts.insert(7, long_sentence(90))
    model = tiny_model("bert")
    for length in ("truncate", "window"):
        whole = encode(model, texts, length=length)  # type: ignore[arg-type]
        monkeypatch.setattr("probekit.models.align.CHUNK", 3)
        parts = encode(model, texts, length=length)  # type: ignore[arg-type]
        monkeypatch.undo()
        assert parts.ids_hash == whole.ids_hash
        assert parts.counts == whole.counts


def test_the_hash_follows_the_pieces() -> None:
    model = tiny_model("bert")
    texts = [[Sentence.from_text("a", "the cat")], [Sentence.from_text("a", "the dog")], []]
    assert len({encode(model, sentences).ids_hash for sentences in texts}) == 3
    assert encode(model, texts[0]).ids_hash == encode(model, texts[0]).ids_hash


def test_settings_left_by_a_call_do_not_cut() -> None:
    model = load_model(str(tiny_folder("bert")))
    model.tokenizer("the cat sits on the mat", truncation=True, max_length=3, padding="max_length")
    encoding = encode(model, [Sentence.from_text("a", "the cat sits on the mat")])
    assert encoding.counts["pieces"] > 6


@pytest.mark.parametrize("option", [{"text_form": "surfaces"}, {"length": "truncat"}])
def test_options(option: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        encode(tiny_model("bert"), [], **option)  # type: ignore[arg-type]


def test_a_foreign_tokenizer_is_noticed(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder("bert"), tmp_path / "mixed")
    tiny_model("gpt2").tokenizer.save_pretrained(folder)
    model = load_model(str(folder))
    with pytest.raises(ModelError, match="do not belong together"):
        encode(model, [Sentence.from_text("a", "The keys to the cabinet bark at night")])
