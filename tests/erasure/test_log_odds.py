"""Where a prediction is about, what it is called, and how its words line up with pieces."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import probekit as pk
from probekit.data.sentence import Sentence
from probekit.erasure.log_odds import NO_CONTEXT, LogOdds, word_ranges
from probekit.erasure.predictions import one_each
from probekit.erasure.reading import values_of
from probekit.erasure.word_importance import NOTHING_LEFT
from probekit.errors import ConfigError
from probekit.models.scoring.pieces import read_pieces
from tests.tiny_models import tiny_lm, tiny_lm_folder


def value(kind: str, sentence: Sentence, predict: LogOdds) -> float:
    bound = predict.bind(tiny_lm(kind), [sentence])
    return float(values_of(bound, bound.looks(bound.versions))[0])


def text(words: str) -> Sentence:
    return Sentence.from_text("s", words)


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_a_place_can_be_marked_numbered_or_the_end(kind: str) -> None:
    marked = value(kind, text("the cat ___"), LogOdds("sat", "sit"))
    for other, predict in (
        ("the cat", LogOdds("sat", "sit")),
        ("the cat ", LogOdds("sat", "sit")),
        ("the cat", LogOdds(" sat", " sit")),
        ("the cat dogs", LogOdds("sat", "sit", word=2)),
        ("the cat dogs", LogOdds("sat", "sit", word=-1)),
        ("the cat <>", LogOdds("sat", "sit", place="<>")),
    ):
        assert value(kind, text(other), predict) == pytest.approx(marked, abs=1e-6)
    assert value(kind, text("the dogs"), LogOdds("sat", "sit")) != pytest.approx(marked, abs=1e-3)


def test_without_a_foil_it_is_the_log_probability() -> None:
    scores = pk.score_pieces(tiny_lm("gpt2"), ["the cat sat"])[0]
    own = [i for i, (a, _) in enumerate(scores.spans) if a >= 7]
    assert value("gpt2", text("the cat"), LogOdds("sat")) == pytest.approx(
        scores.logprob[own].sum(), abs=1e-5
    )
    both = value("gpt2", text("the cat"), LogOdds("sat")) - value(
        "gpt2", text("the cat"), LogOdds("jalapeños")
    )
    assert value("gpt2", text("the cat"), LogOdds("sat", "jalapeños")) == pytest.approx(both, abs=1e-5)


def test_without_a_piece_in_front_an_empty_beginning_has_no_context() -> None:
    bound = LogOdds("cat", bos="without").bind(tiny_lm("gpt2"), [text("___ sat")])
    [look] = bound.looks(bound.versions)
    assert look.left_out == NO_CONTEXT
    found = pk.word_importance(tiny_lm("gpt2"), "the ___", LogOdds("cat", "dogs", bos="without"), "delete")
    assert np.isfinite(found.texts[0].before)
    assert np.isnan(found.texts[0].importance).all()
    assert found.texts[0].why[0] == NOTHING_LEFT


def test_names_say_what_is_measured() -> None:
    assert LogOdds(" are", " is").name == "log-odds of 'are' against 'is'"
    assert LogOdds("are").name == "log-probability of 'are'"
    assert LogOdds(["are", "is"], ["is", "are"]).name == "log-odds of the target against the foil"
    assert LogOdds("are").unit == "nats"


def test_word_ranges_count_what_stands_in_front_and_end_with_the_input() -> None:
    [pieces] = read_pieces(tiny_lm("bert").tokenizer, ["the jalapeños cat"], special=True)
    spans = [(0, 3), (4, 13), (14, 17), (0, 0)]
    ranges = word_ranges(pieces, spans, 0, len(pieces))
    assert ranges[0].tolist() == [1, 2]
    assert ranges[1][1] - ranges[1][0] > 1
    assert ranges[2].tolist() == [len(pieces) - 2, len(pieces) - 1]
    assert ranges[3].tolist() == [0, 0]
    cut = word_ranges(pieces, spans, 2, 5)
    assert cut[0].tolist() == [3, 4]
    assert cut[1].tolist() == [4, 5]  # cut where the input ends
    assert cut[2].tolist() == [0, 0]


def test_a_deeper_batch_of_texts_gives_what_each_gives_alone() -> None:
    texts = [text("the cat ___ here"), text("dogs ___"), text("she ___ the jalapeños")]
    predict = LogOdds(["sat", "bark", "sat"], ["sit", "barks", ""])
    for kind in ("bert", "gpt2", "roberta", "llama"):
        bound = predict.bind(tiny_lm(kind), texts)
        together = values_of(bound, bound.looks(bound.versions))
        alone = [
            value(kind, one, LogOdds(target, foil))
            for one, target, foil in zip(texts, predict.target, predict.foil, strict=True)
        ]
        assert np.allclose(together, alone, atol=1e-5)


def test_a_scorer_is_made_once_and_goes_with_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from probekit.erasure import log_odds

    made: list[object] = []
    make = log_odds.make_scorer
    monkeypatch.setattr(
        log_odds, "make_scorer", lambda model, **options: made.append(1) or make(model, **options)
    )
    model = pk.load_model(str(tiny_lm_folder("bert")), device="cpu")
    for _ in range(2):
        LogOdds("cat").bind(model, [text("the ___")])
    LogOdds("cat", pll="original").bind(model, [text("the ___")])
    assert len(made) == 2
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_one_for_all_or_one_each() -> None:
    assert one_each("ab", 2, "target") == ["ab", "ab"]
    assert one_each(["a", "b"], 2, "target") == ["a", "b"]
    assert one_each(None, 2, "word") == [None, None]
    with pytest.raises(ConfigError, match="3 values of word for 2 texts"):
        one_each([1, 2, 3], 2, "word")
