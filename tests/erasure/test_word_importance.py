"""Words left out: against one forward pass per word, where words provably do not matter, what is refused."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import probekit as pk
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.erasure.log_odds import LogOdds
from probekit.erasure.probe_output import ProbeOutput
from probekit.erasure.reading import flatten
from probekit.erasure.word_importance import NO_LETTER, NOT_READ, READ, word_importance
from probekit.errors import ConfigError, DataError, ModelError, ProbekitError
from tests.erasure.slow_erasure import CAUSAL, MASKED, SlowModel, near
from tests.tiny_models import tiny_lm, tiny_model

slow_model = functools.cache(SlowModel)
BEFORE = "the cabinet dogs chase jalapeños"
AFTER = "laughs today"


def single(kind: str, word: str) -> int:
    """The piece that a word is behind a space. Words of these tests are one piece each."""
    slow = slow_model(kind)
    text = f" {word}" if kind in ("gpt2", "roberta") else word
    [piece] = slow.tokenizer(text, add_special_tokens=False).input_ids
    return int(piece)


def spans(text: str) -> list[tuple[int, int]]:
    return list(Sentence.from_text("s", text).offsets)


@pytest.mark.parametrize("kind", CAUSAL)
@pytest.mark.parametrize("how", ["delete", "mean"])
def test_a_causal_model_against_one_pass_per_word(kind: str, how: str) -> None:
    slow, target, foil = slow_model(kind), single(kind, "cat"), single(kind, "the")
    whole = slow.odds(BEFORE, target, foil)
    words = BEFORE.split()
    expected = []
    for number, span in enumerate(spans(BEFORE)):
        left = " ".join(words[:number] + words[number + 1 :])
        after = (
            slow.odds(left, target, foil)
            if how == "delete"
            else slow.odds(BEFORE, target, foil, embedded=slow.averaged(BEFORE, span))
        )
        expected.append(whole - after)
    found = word_importance(tiny_lm(kind), BEFORE, LogOdds("cat", "the"), how)  # type: ignore[arg-type]
    assert near(found.texts[0].before, whole)
    assert near(found.texts[0].importance, expected)
    assert np.abs(found.texts[0].importance).max() > 1e-2


def test_a_causal_model_with_an_unknown_piece_masks_with_it() -> None:
    slow, target, foil = slow_model("llama"), single("llama", "cat"), single("llama", "the")
    found = word_importance(tiny_lm("llama"), BEFORE, LogOdds("cat", "the"))
    unknown = slow.tokenizer.unk_token_id
    whole = slow.odds(BEFORE, target, foil)
    expected = [whole - slow.odds(BEFORE, target, foil, hidden=span, fill=unknown) for span in spans(BEFORE)]
    assert near(found.texts[0].importance, expected)
    assert "<unk>" in found.how


@pytest.mark.parametrize("kind", MASKED)
@pytest.mark.parametrize("how", ["mask", "delete", "mean"])
def test_a_masked_model_against_one_pass_per_word(kind: str, how: str) -> None:
    slow, target, foil = slow_model(kind), single(kind, "cat"), single(kind, "the")
    mask = slow.tokenizer.mask_token

    def shown(before: list[str], after: list[str]) -> str:
        # the piece of a byte-level word has the space in front in it, so its mask stands for the space too
        gap = "" if kind == "roberta" else " "
        return " ".join(before) + gap + mask + " " + " ".join(after)

    before, after = BEFORE.split(), AFTER.split()
    text = shown(before, after)
    words = [*before, mask, *after]
    whole = slow.odds(text, target, foil)
    expected, end = [], 0
    for number, word in enumerate(words):
        begin = text.index(word, end)
        span = begin, (end := begin + len(word))
        left = shown(
            [w for i, w in enumerate(before) if i != number],
            [w for i, w in enumerate(after, start=len(before) + 1) if i != number],
        )
        if word == mask:
            expected.append(np.nan)
        elif how == "delete":
            expected.append(whole - slow.odds(left, target, foil))
        elif how == "mean":
            expected.append(whole - slow.odds(text, target, foil, embedded=slow.averaged(text, span)))
        else:
            hidden = slow.odds(text, target, foil, hidden=span, fill=slow.tokenizer.mask_token_id)
            expected.append(whole - hidden)
    assert len(slow.pieces_of(text, (text.index("jal"), text.index("ños") + 3))) > 1
    found = word_importance(tiny_lm(kind), f"{BEFORE} ___ {AFTER}", LogOdds("cat", "the"), how)  # type: ignore[arg-type]
    assert near(found.texts[0].before, whole)
    assert near(found.texts[0].importance, expected)
    assert found.texts[0].why[5] == READ


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_targets_of_several_pieces_are_scored_as_scorers_score_them(kind: str) -> None:
    model, scorer = tiny_lm(kind), pk.make_scorer(tiny_lm(kind))

    def nats(text: str, word: str) -> float:
        at = text.index(word)
        [[answer]] = scorer.score([[pk_ask(text, at, at + len(word))]])
        return float(-answer.bits[0] * np.log(2))

    texts = [
        "the dogs ___ at night",
        "dogs ___ at night",
        "the ___ at night",
        "the dogs ___ night",
        "the dogs ___ at",
    ]
    values = [
        nats(t.replace("___", "jalapeños"), "jalapeños") - nats(t.replace("___", "cabinets"), "cabinets")
        for t in texts
    ]
    found = word_importance(model, texts[0], LogOdds("jalapeños", "cabinets"), "delete").texts[0]
    assert near(found.before, values[0])
    expected = [values[0] - value for value in values[1:]]
    expected = [*expected[:2], np.nan, *expected[2:]]
    if kind == "gpt2":
        expected[3:] = [np.nan, np.nan]
        assert found.why[3:] == (NOT_READ, NOT_READ)
    assert near(found.importance, expected)


def pk_ask(text: str, begin: int, end: int) -> Any:
    from probekit.models.scoring import Ask

    return Ask(text, ((begin, end),))


def test_a_word_that_the_model_ignores_has_importance_0_exactly() -> None:
    # layer 0 of BERT holds a piece, its place and nothing of its neighbours
    model = tiny_model("bert")
    predict = ProbeOutput(lambda rows: rows.sum(1), 0, word=1)
    masked = word_importance(model, "the cabinet dogs chase jalapeños", predict)
    assert masked.texts[0].importance[[0, 2, 3, 4]].tolist() == [0.0] * 4
    deleted = word_importance(model, "the cabinet dogs chase jalapeños", predict, "delete")
    assert deleted.texts[0].importance[2:].tolist() == [0.0] * 3
    assert abs(deleted.texts[0].importance[0]) > 1e-3  # the word moved to another place
    above = word_importance(
        model, "the cabinet dogs chase jalapeños", ProbeOutput(lambda rows: rows[:, 0], 2, word=1)
    )
    assert (np.abs(above.texts[0].importance[[0, 2, 3, 4]]) > 1e-5).all()


def test_a_function_of_texts_counts_words() -> None:
    asked: list[list[str]] = []

    def goods(texts: list[str]) -> list[float]:
        asked.append(texts)
        return [2.0 * text.split().count("good") for text in texts]

    found = word_importance(None, ["good good bad", "bad"], goods, "delete")
    assert found.texts[0].importance.tolist() == [2.0, 2.0, 0.0]
    assert found.texts[1].importance.tolist() == [0.0]
    assert asked == [["good good bad", "bad", "good bad", "good good", ""]]  # equal copies once, one call
    assert found.prediction == "goods"


def test_equal_copies_are_read_once() -> None:
    model = tiny_lm("gpt2")
    sentences = [Sentence.from_text("1", "the the the the")]
    bound = LogOdds("cat").bind(model, sentences)
    from probekit.erasure.versions import deletions

    looks = bound.looks([*bound.versions, *(version for _, _, version in deletions(bound.versions))])
    assert len(looks) == 5
    assert len(flatten(looks).inputs) == 2


@given(st.permutations(range(4)))
@settings(max_examples=6, deadline=None)
def test_the_order_of_texts_does_not_matter(order: list[int]) -> None:
    texts = ["the cat ___ here", "dogs that chase the cat ___", "a ___", "the old farmers ___ with her today"]
    targets = ["laughs", "bark", "cat", "laugh"]
    foils = ["laugh", "barks", "mat", "laughs"]
    model = tiny_lm("bert")
    plain = word_importance(model, texts, LogOdds(targets, foils))
    mixed = word_importance(
        model, [texts[i] for i in order], LogOdds([targets[i] for i in order], [foils[i] for i in order])
    )
    for place, number in enumerate(order):
        assert near(mixed.texts[place].importance, plain.texts[number].importance, 1e-5)


def test_a_corpus_gives_words_groups_and_its_name() -> None:
    sentences = [
        Sentence.from_words(f"s{i}", words, columns={"upos": tags})
        for i, (words, tags) in enumerate(
            [
                (["the", "cat", "sat"], ["DET", "NOUN", "VERB"]),
                (["dogs", "chase", "the", "cat"], ["NOUN", "VERB", "DET", "NOUN"]),
            ]
        )
    ]
    corpus = Corpus(sentences, name="tiny")
    found = word_importance(tiny_lm("gpt2"), corpus, LogOdds("mat"), "delete", groups="upos")
    rows = {(row.metric, row.group): row for row in found.rows}
    nouns = [found.texts[0].importance[1], *found.texts[1].importance[[0, 3]]]
    assert rows["importance", "upos=NOUN"].value == pytest.approx(np.mean(nouns))
    assert rows["importance", "upos=NOUN"].n == 3
    assert rows["importance", ""].corpus == "tiny"
    again = word_importance(
        tiny_lm("gpt2"),
        list(sentences),
        LogOdds("mat"),
        "delete",
        groups=[s.columns["upos"] for s in sentences],
    )
    assert {row.group for row in again.rows} >= {"group=NOUN", "group=VERB"}


def test_what_cannot_be_read_is_left_out_with_its_reason() -> None:
    model = tiny_lm("bert")
    long = "the cat " * 40
    found = word_importance(model, [f"{long}___", "the ___"], LogOdds("cat", "dogs"))
    assert np.isnan(found.texts[0].before)
    assert set(found.texts[0].why) == {"too long"}
    assert np.isfinite(found.texts[1].importance[0])
    rows = {(row.metric, row.group): row for row in found.rows}
    assert rows["left_out", "reason=too long"].value == 81
    probed = word_importance(tiny_model("bert"), [long, "the cat"], ProbeOutput(lambda rows: rows[:, 0], 1))
    assert probed.texts[0].left_out == "too long"
    alone = word_importance(tiny_model("bert"), "cat", ProbeOutput(lambda rows: rows[:, 0], 1), "delete")
    assert np.isnan(alone.texts[0].importance[0])
    assert "No word could be left out" in alone.summary
    unknown = word_importance(model, "the ___", LogOdds("☃", "cat"))
    assert unknown.texts[0].left_out == "unknown piece"


def test_words_without_letters_and_shared_letters() -> None:
    sentence = Sentence(
        "1", ("du", "de", "le", "", "cat"), "du cat", ((0, 2), (0, 2), (0, 2), (2, 2), (3, 6))
    )
    found = word_importance(tiny_lm("bert"), sentence, LogOdds("sat", "dogs"))
    assert found.texts[0].why == ("", "", "", NO_LETTER, "")
    assert len(set(found.texts[0].importance[:3].tolist())) == 1
    gone = word_importance(tiny_lm("bert"), sentence, LogOdds("sat", "dogs"), "delete")
    cat = word_importance(tiny_lm("bert"), "du cat", LogOdds("sat", "dogs"), "delete")
    assert near(gone.texts[0].importance[[0, 4]], cat.texts[0].importance, 1e-5)


def test_only_a_function_of_texts_goes_without_a_model() -> None:
    with pytest.raises(ConfigError, match="needs a model"):
        word_importance(None, "the cat", LogOdds("sat"))


def test_nothing_is_left_behind() -> None:
    model = tiny_lm("gpt2")
    first = word_importance(model, BEFORE, LogOdds("cat"), "delete")
    word_importance(model, BEFORE, LogOdds("cat"), "mean")
    again = word_importance(model, BEFORE, LogOdds("cat"), "delete")
    assert first.texts[0].importance.tolist() == again.texts[0].importance.tolist()
    assert not model.module.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize(
    ("kind", "texts", "predict", "options", "error", "says"),
    [
        ("bert", "a ___", LogOdds("cat"), {"how": "zap"}, ConfigError, "unknown how 'zap'"),
        ("gpt2", "a", LogOdds("cat"), {}, ConfigError, "use how='delete'"),
        ("t5", "a", LogOdds("cat"), {}, ModelError, "encoder-decoder"),
        ("t5", "a", ProbeOutput(len, "encoder.1"), {"how": "mean"}, ModelError, "encoder-decoder"),
        ("bert", "___ a ___", LogOdds("cat"), {}, DataError, "marks 2 places"),
        ("bert", ["a"], LogOdds("cat", word=3), {}, ConfigError, "no word 3"),
        ("bert", ["a"], ProbeOutput(len, 1, word=-2), {}, ConfigError, "no word -2"),
        ("bert", ["a", "b"], LogOdds(["cat"]), {}, ConfigError, "1 values of target for 2 texts"),
        ("bert", ["a"], LogOdds(" "), {}, ConfigError, "target must be text"),
        ("bert", [], LogOdds("cat"), {}, DataError, "no text"),
        ("bert", ["a b"], LogOdds("cat"), {"groups": [["x"]]}, ConfigError, "a label for each"),
        ("bert", ["a b"], LogOdds("cat"), {"groups": [["x"], ["y"]]}, ConfigError, "2 texts"),
        ("bert", ["a b"], LogOdds("cat"), {"groups": "upos"}, ConfigError, "no column 'upos'"),
        ("bert", ["a"], ProbeOutput(len, 9), {}, ConfigError, "no layer '9'"),
        ("bert", ["a"], lambda texts: [1.0], {}, ConfigError, "how='delete'"),
        ("bert", ["a b"], lambda texts: [1.0], {"how": "delete"}, ConfigError, "one number each"),
        ("bert", ["a"], "cat", {"how": "delete"}, ConfigError, "predict must be"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(
    kind: str, texts: Any, predict: Any, options: Any, error: type[ProbekitError], says: str
) -> None:
    with pytest.raises(error) as caught:
        word_importance(tiny_lm(kind), texts, predict, **options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_encoder_of_an_encoder_decoder_can_be_probed() -> None:
    model = tiny_lm("bart")
    found = word_importance(model, "the cat sat", ProbeOutput(lambda rows: rows[:, 0], "encoder.2"))
    assert (np.abs(found.texts[0].importance) > 0).all()


@pytest.mark.real
def test_a_trained_model_looks_at_the_subject(shared_data: Any) -> None:
    folder = shared_data.parent / "models" / "novels-causal"
    if not folder.is_dir():
        pytest.skip("the language model novels-causal is not beside this checkout")
    model = pk.load_model(str(folder), device="cpu")
    found = word_importance(model, ["the keys", "the key"], LogOdds("are", "is"), "delete")
    plural, singular = (one.importance[1] for one in found.texts)
    assert plural > 0.5
    assert singular < plural
