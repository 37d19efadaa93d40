"""The place of prediction: its state, read by the head, is what the scorer says of the word's first piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import probekit as pk
from probekit.activations.places import prediction_places, prediction_units
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.data.task import Task
from probekit.errors import ConfigError, DataError, ModelError, StoreError
from probekit.models import Model
from probekit.models.head import load_head
from probekit.models.scoring import Ask, make_scorer, score_pieces
from probekit.models.twins import random_twin
from probekit.probing.problem import pose
from tests.tiny_models import TEXTS, tiny_lm, tiny_model

ENGLISH = [TEXTS[0], TEXTS[5], TEXTS[6]]
WORDS = Task(name="every word", question="A or B?", label="upos")


WORDS_ALL = Task(
    name="every word", question="A or B?", label="upos", split="sentence", fractions=(1.0, 0.0, 0.0)
)


def fields(sentence: Sentence) -> dict[str, Any]:
    return {name: getattr(sentence, name) for name in sentence.__slots__}


def corpus_of(texts: list[str]) -> Corpus:
    """Texts as sentences, train, dev and test in turn; every word has the column upos."""
    sentences = []
    for number, text in enumerate(texts):
        plain = Sentence.from_text(f"s{number + 1}", text, split=("train", "dev", "test")[number % 3])
        upos = {"upos": tuple("AB"[place % 2] for place in range(len(plain)))}
        sentences.append(Sentence(plain.id, plain.words, plain.text, plain.offsets, upos, split=plain.split))
    return Corpus(sentences, name="tiny")


def first_pieces(model: Model, corpus: Corpus, **options: str) -> list[tuple[int, float, bool]]:
    """For every word, by a plain loop: its first piece, its log-probability, and whether it is the only one."""
    found = []
    for sentence in corpus:
        [scores] = score_pieces(model, [sentence.text], **options)  # type: ignore[arg-type]
        for begin, end in sentence.offsets:
            own = [
                k
                for k, (start, stop) in enumerate(scores.spans.tolist())
                if sentence.text[start:stop].strip() and start < end and stop > begin
            ]
            found.append((scores.pieces[own[0]], float(scores.logprob[own[0]]), len(own) == 1))
    return found


def by_head(model: Model, states: np.ndarray, pieces: list[int]) -> np.ndarray:
    """The log-probability of each piece by the head applied to states of the highest layer."""
    logits = load_head(model)(torch.from_numpy(states))
    return logits.log_softmax(-1)[torch.arange(len(pieces)), torch.tensor(pieces)].numpy()


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_head_at_the_place_gives_the_scorers_log_probability(kind: str) -> None:
    model, corpus = tiny_lm(kind), corpus_of(ENGLISH)
    data = prediction_units(model, corpus, WORDS)
    assert len(data) == corpus.n_words
    assert not data.left_out
    wanted = first_pieces(model, corpus)
    got = by_head(model, data.X(model.layers[-1]), [piece for piece, *_ in wanted])
    np.testing.assert_allclose(got, [logprob for _, logprob, _ in wanted], atol=1e-5)
    assert np.ptp(got) > 0.1


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_of_a_masked_model_too(kind: str) -> None:
    model, corpus = tiny_lm(kind), corpus_of(ENGLISH)
    data = prediction_units(model, corpus, WORDS)
    for pll in ("within_word_l2r", "original"):
        wanted = first_pieces(model, corpus, pll=pll)
        got = by_head(model, data.X(model.layers[-1]), [piece for piece, *_ in wanted])
        alone = np.array([only for *_, only in wanted])
        assert alone.sum() > 5
        assert not alone.all()
        whole = np.array([logprob for _, logprob, _ in wanted])
        np.testing.assert_allclose(got[alone], whole[alone], atol=1e-5)
    assert abs(got - whole)[~alone].max() > 1e-3  # original shows the rest of the word; here it is masked


@pytest.mark.parametrize(("kind", "bos"), [("gpt2", "auto"), ("gpt2", "without"), ("bert", "auto")])
def test_the_places_are_those_of_the_scorers_queries(kind: str, bos: str) -> None:
    model, corpus = tiny_lm(kind), corpus_of(ENGLISH)
    places = prediction_places(model, corpus, WORDS, bos=bos)  # type: ignore[arg-type]
    scorer, unit = make_scorer(model, bos=bos), 0  # type: ignore[arg-type]
    for sentence in corpus:
        for number, span in enumerate(sentence.offsets):
            queries = scorer.queries([[Ask(sentence.text, (span,))]])
            if bos == "without" and number == 0:
                continue  # no context
            found = places.inputs[places.input[unit]][: places.position[unit] + 1]
            own = queries.inputs[queries.input[0]][: queries.position[0] + 1]
            assert found.tolist() == own.tolist()
            assert places.units.types[unit] == sentence.words[number]
            unit += 1
    assert unit == len(places)
    assert places.left_out == ({"no context": 3} if bos == "without" else {})
    assert ("mask" in places.rule) == (kind == "bert")


def test_a_word_that_the_tokenizer_splits_is_masked_as_a_whole() -> None:
    model = tiny_lm("bert")
    text = "she can't read"
    sentence = Sentence(
        "s", ("she", "can't", "read"), text, ((0, 3), (4, 9), (10, 14)), {"upos": ("A", "B", "C")}
    )
    places = prediction_places(model, Corpus([sentence], name="one"), WORDS_ALL)
    [ids] = [places.inputs[places.input[1]]]
    [scores] = score_pieces(model, [text])
    inside = [k for k, (begin, end) in enumerate(scores.spans.tolist()) if 4 <= begin < 9]
    assert len({int(scores.words[k]) for k in inside}) > 1  # the tokenizer splits at the apostrophe
    mask = model.tokenizer.mask_token_id
    assert [int(piece) == mask for piece in ids[1:-1]] == [k in inside for k in range(len(scores.pieces))]
    assert places.position[1] == 1 + inside[0]


def test_words_that_share_a_piece_or_a_place() -> None:
    model = tiny_lm("gpt2")
    apart = Sentence("a", ("I", "do", "n't"), "I don't", ((0, 1), (2, 4), (4, 7)), {"upos": ("A", "B", "C")})
    together = Sentence("b", ("a", "de", "le"), "a du", ((0, 1), (2, 4), (2, 4)), {"upos": ("A", "B", "C")})
    places = prediction_places(model, Corpus([apart, together], name="two"), WORDS_ALL)
    [scores] = score_pieces(model, ["I don't"])
    assert scores.spans.tolist()[1:3] == [[1, 4], [4, 5]]
    at = dict(zip(places.units.ids, zip(places.input, places.position, strict=True), strict=True))
    assert at["a:2"] != at["a:3"]
    assert at["b:2"] == at["b:3"]  # one written word
    assert places.input.tolist() == [0, 0, 0, 1, 1, 1]


def test_what_has_no_place_is_counted_and_named() -> None:
    model = tiny_lm("bert")
    long = " ".join(["the cat sat"] * 30)
    corpus = corpus_of([ENGLISH[0], long, ENGLISH[1]])
    odd = Sentence("odd", ("the", "", "cat"), "the cat", ((0, 3), (3, 3), (4, 7)), {"upos": ("A", "B", "A")})
    corpus = Corpus([*corpus, Sentence(**{**fields(odd), "split": "train"})], name="odd")
    data = prediction_units(model, corpus, WORDS)
    assert data.left_out == {"too long": 90, "no piece": 1}
    assert data.left_out_examples["no piece"] == ("odd:2 ''",)
    assert data.left_out_examples["too long"][0] == "s2:1 'the'"
    assert len(data) == corpus.n_words - 91
    unknown = corpus_of(["the \u2603 cat", "a dog", "a cat"])
    assert "[UNK]" in model.tokenizer.tokenize(unknown[0].text)
    assert len(prediction_units(model, unknown, WORDS)) == 7  # the word itself is not read


def test_words_without_running_text_stand_between_spaces() -> None:
    model = tiny_lm("gpt2")
    words = [
        Sentence.from_words(text, text.split(), columns={"upos": "AB"}, split="train")
        for text in ("the cat", "a dog")
    ]
    corpus = Corpus(words, name="words", text_form="words")
    read = prediction_units(model, corpus, WORDS)
    as_text = prediction_units(model, Corpus(words, name="text"), WORDS)
    np.testing.assert_array_equal(read.X(1), as_text.X(1))


def test_equal_inputs_are_read_once_and_rows_are_kept(tmp_path: Path) -> None:
    model, corpus = tiny_lm("bert"), corpus_of([*ENGLISH, *ENGLISH])
    told: list[int] = []
    data = prediction_units(
        model, corpus, WORDS, store=tmp_path, progress=lambda _, done, total: told.append(done)
    )
    assert data.activations.n_rows == len(data) / 2
    assert data.activations.recipe["dtype"] == "float32"
    assert max(told) == data.activations.n_rows
    half = len(data) // 2
    np.testing.assert_array_equal(data.X("1")[:half], data.X("1")[half:])
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = prediction_units(model, corpus, WORDS, store=tmp_path)
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    np.testing.assert_array_equal(again.X(2), data.X(2))
    assert "place of prediction" in repr(data.activations)


@pytest.mark.parametrize("site", ["attention_output", "mlp", "heads"])
def test_other_sites(site: str) -> None:
    model, corpus = tiny_lm("gpt2"), corpus_of(ENGLISH)
    data = prediction_units(model, corpus, WORDS, layers=[2], site=site)
    ids = torch.tensor([data_inputs(model, corpus)[0]])
    states = model.states(ids, None, ["2"], site=site)["2"][0]  # type: ignore[arg-type]
    n = len(corpus[0].words)
    first = [int(p) for p in prediction_places(model, corpus, WORDS).position[:n]]
    np.testing.assert_allclose(data.X(2)[:n], states[first].numpy(), atol=1e-5)


def data_inputs(model: Model, corpus: Corpus) -> list[list[int]]:
    return [ids.tolist() for ids in prediction_places(model, corpus, WORDS).inputs]


def test_a_probing_problem_can_be_posed_and_a_twin_read() -> None:
    model, corpus = tiny_lm("gpt2"), corpus_of([*ENGLISH, *(text[:30] for text in ENGLISH)])
    units = WORDS.units(corpus)
    data = prediction_units(model, corpus, units)
    problem = pose(data, WORDS)
    assert (problem.labels, problem.unit) == (("A", "B"), "word")
    np.testing.assert_array_equal(problem.cluster, units.sentence)
    np.testing.assert_array_equal(problem.rows, data.rows)
    train = data.select("train")
    assert len(train) == int((units.split == "train").sum())
    np.testing.assert_array_equal(train.X(1), data.X(1)[units.split == "train"])
    only = prediction_units(model, corpus, units.select("test"))
    np.testing.assert_allclose(only.X(1), data.select("test").X(1), atol=1e-5)
    twin = random_twin(model, 3)
    from_twin = prediction_places(model, corpus, WORDS).read(twin)
    assert {k: v for k, v in from_twin.activations.recipe.items() if k != "model"} == {
        k: v for k, v in data.activations.recipe.items() if k != "model"
    }
    assert abs(from_twin.X(2) - data.X(2)).max() > 0.1
    np.testing.assert_array_equal(prediction_units(twin, corpus, WORDS).X(2), from_twin.X(2))


def test_edited_states_are_not_met_by_unedited_ones() -> None:
    model, corpus = tiny_lm("gpt2"), corpus_of(ENGLISH)
    plain = prediction_units(model, corpus, WORDS).X(2)

    class Halve:
        key, rowwise = "halve", True

        def __call__(self, states: torch.Tensor) -> torch.Tensor:
            return 0.5 * states

    with pk.edit(model, 2, Halve()):
        np.testing.assert_allclose(prediction_units(model, corpus, WORDS).X(2), 0.5 * plain, rtol=1e-5)
    np.testing.assert_array_equal(prediction_units(model, corpus, WORDS).X(2), plain)


def test_what_predicts_no_words_is_refused() -> None:
    model, corpus = tiny_lm("gpt2"), corpus_of(ENGLISH)
    for kind in ("t5", "bart"):
        with pytest.raises(ModelError, match="this is an encoder-decoder; use at='word'"):
            prediction_units(tiny_lm(kind), corpus, WORDS)
    with pytest.raises(ModelError, match="no language-model head"):
        prediction_units(tiny_model("bert"), corpus, WORDS)
    with pytest.raises(ConfigError, match="bos='with' is for causal models"):
        prediction_units(tiny_lm("bert"), corpus, WORDS, bos="with")
    with pytest.raises(ConfigError, match="the task labels each sentence; use at='word'"):
        prediction_units(model, corpus, pk.load_task("sentence_length"))
    with pytest.raises(StoreError, match="from another corpus"):
        prediction_units(model, corpus_of(ENGLISH[:2]), WORDS.units(corpus))
    with pytest.raises(ConfigError, match="no layer '9'"):
        prediction_units(model, corpus, WORDS, layers=[9])
    alone = corpus_of(["cat"])
    with pytest.raises(DataError, match=r"no labelled word has a place .*\(1 no context\)"):
        prediction_units(model, alone, WORDS, bos="without")
