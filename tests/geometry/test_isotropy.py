"""Isotropy against loops over all pairs, a planted space, and inputs that have nothing to say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.errors import ConfigError
from probekit.geometry.isotropy import first_share, isotropy
from tests.geometry.made import made

Array = np.ndarray[Any, Any]
TEXTS = [["The", "cat", "sat"], ["the", "dog"], ["a", "cat", "the", "cat"], ["the", "end"],
         ["cat", "and", "the", "Cat"], ["dogs", "the"], ["no", "cat"]]  # fmt: skip
SIZES = [len(text) for text in TEXTS]
OWN = np.repeat(np.arange(len(TEXTS)), SIZES)
FORMS = np.array([word.casefold() for text in TEXTS for word in text])


def cosine(x: Array, y: Array) -> float:
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def layers(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {k: rng.normal(size=(len(OWN), 5)) + 0.5 for k in "01"}


def test_equals_loops_over_pairs() -> None:
    stored = layers()
    order = np.random.default_rng(1).permutation(len(OWN))
    found = isotropy(made(stored, SIZES, words=TEXTS, order=order), min_sentences=5)
    assert found.types == ("the",)  # in six sentences; cat in four
    for i, X in enumerate(stored.values()):
        n = len(X)
        pairs = [(a, b) for a in range(n) for b in range(a) if OWN[a] != OWN[b]]
        base = np.mean([cosine(X[a], X[b]) for a, b in pairs])
        own = np.mean([cosine(X[a], X[b]) for a, b in pairs if FORMS[a] == FORMS[b] == "the"])
        inside = np.mean([cosine(X[a], X[OWN[a] == OWN].mean(axis=0)) for a in range(n)])
        value = {metric: intervals[i].value for metric, intervals in found.values.items()}
        assert value["anisotropy"] == pytest.approx(base, abs=1e-5)
        assert value["self_similarity"] == pytest.approx(own, abs=1e-5)
        assert value["self_similarity_adjusted"] == pytest.approx(own - base, abs=1e-5)
        assert value["intra_sentence_similarity"] == pytest.approx(inside, abs=1e-5)
        assert found.by_type[i, 0] == pytest.approx(own - base, abs=1e-5)
        the = X[FORMS == "the"]
        values = np.linalg.svd(the - the.mean(axis=0), compute_uv=False) ** 2
        assert value["max_explainable_variance"] == pytest.approx(values[0] / values.sum(), abs=1e-5)
        assert first_share(the) == pytest.approx(values[0] / values.sum())


def test_types_are_means_over_types_not_over_pairs() -> None:
    stored = layers()
    found = isotropy(made(stored, SIZES, words=TEXTS), min_sentences=3)
    assert found.types == ("cat", "the")
    base = found.values["anisotropy"][0].value
    assert found.values["self_similarity"][0].value == pytest.approx(found.by_type[0].mean() + base)
    # two cats of one sentence are no pair of contexts
    X = stored["0"]
    cats = [k for k in range(len(X)) if FORMS[k] == "cat"]
    slow = np.mean([cosine(X[a], X[b]) for a in cats for b in cats if OWN[a] != OWN[b]])
    assert found.by_type[0, 0] + base == pytest.approx(slow, abs=1e-5)


def test_planted_spaces() -> None:
    rng = np.random.default_rng(0)
    texts = [[f"w{k}" for k in rng.choice(12, 6, replace=False)] for _ in range(60)]
    own = np.repeat(np.arange(60), 6)
    kind = np.array([int(word[1:]) for text in texts for word in text])
    types, sentences = rng.normal(size=(12, 30)), rng.normal(size=(60, 30))
    noise = rng.normal(size=(360, 30))
    stored = {
        "static": types[kind], "context": sentences[own], "noise": noise, "cone": noise + 4 * np.ones(30),
    }  # fmt: skip
    found = isotropy(made(stored, [6] * 60, words=texts))
    value = {m: [one.value for one in found.values[m]] for m in found.values}
    low = [one.low for one in found.values["anisotropy"]]
    assert value["self_similarity"][0] == pytest.approx(1, abs=1e-6)  # one vector a type
    assert value["intra_sentence_similarity"][1] == pytest.approx(1, abs=1e-6)  # one vector a sentence
    assert abs(value["self_similarity_adjusted"][1]) < 0.05
    assert abs(value["anisotropy"][2]) < 0.02
    assert low[2] < 0 < found.values["anisotropy"][2].high
    assert value["anisotropy"][3] == pytest.approx(16 / 17, abs=0.01)
    assert abs(value["self_similarity_adjusted"][3]) < 0.01  # what cosines alone would call very alike
    assert found.reasons["static", "max_explainable_variance"] == "a type's vectors are all identical"


def test_nothing_to_say_is_none_with_a_reason() -> None:
    rare = isotropy(made(layers(), SIZES, words=TEXTS), min_sentences=7)
    row = next(row for row in rare.rows if row.metric == "self_similarity")
    assert (row.value, row.reason) == (None, "no word type occurs in 7 sentences of these 7")
    assert next(row for row in rare.rows if row.metric == "anisotropy").value is not None
    assert rare.summary.endswith("no word type occurs in 7 sentences.")
    alone = isotropy(made({"0": layers()["0"][:3]}, [3]), min_sentences=2)
    row = next(row for row in alone.rows if row.metric == "anisotropy")
    assert row.reason == "one sentence only: there are no words of different sentences to compare"
    zero = layers()
    zero["1"][3] = 0
    found = isotropy(made(zero, SIZES, words=TEXTS))
    assert "layer 1 of made: 1 row is 0 and has no direction" in found.reasons["1", "anisotropy"]
    assert np.isfinite(found.values["anisotropy"][0].value)
    same = isotropy(made({"0": np.ones((len(OWN), 4))}, SIZES, words=TEXTS))
    assert all(row.value is None and "all 19 rows are identical" in row.reason for row in same.rows)
    assert "not defined (layer 0: all 19 rows are identical" in same.summary
    for one in (rare, alone, found, same):
        assert "nan" not in one.summary + one._repr_html_()
        for panel in one.panels:
            if panel.kind != "sentence":
                pk.plot(panel)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_sentences must be at least 2"):
        isotropy(made(layers(), SIZES, words=TEXTS), min_sentences=1)
    with pytest.raises(ConfigError, match="rows of words, and these are one per sentence"):
        isotropy(made(layers(), SIZES, unit="sentence"))
    acts = made(layers(), SIZES)
    acts.corpus = None
    with pytest.raises(ConfigError, match="came without their corpus"):
        isotropy(acts)


def test_sentences_of_equal_text_are_one_sentence() -> None:
    X = layers()["0"]
    once = isotropy(made({"0": X}, SIZES, words=TEXTS), min_sentences=4)
    twice = isotropy(made({"0": np.concatenate([X, X])}, SIZES * 2, words=TEXTS * 2), min_sentences=4)
    assert (twice.sentences, twice.copies, once.copies) == (7, 7, 0)
    assert "of 7 sentences and 7 copies of them" in twice.summary
    for metric in ("anisotropy", "self_similarity"):  # a copy is no other sentence, so cosines are as before
        assert twice.values[metric][0].value == pytest.approx(once.values[metric][0].value, abs=1e-6)
    assert twice.types == once.types


def test_one_layer_and_cosines_of_almost_one_read_well() -> None:
    X = np.ones((len(OWN), 4)) + 1e-5 * np.random.default_rng(0).normal(size=(len(OWN), 4))
    found = isotropy(made({"0": X, "1": X}, SIZES, words=TEXTS))
    for metric in ("anisotropy", "self_similarity", "intra_sentence_similarity"):
        assert all(one.value <= 1 for one in found.values[metric])
    assert ">1.000" not in found.summary
    assert ">-0.001" not in found.summary
    assert "nearer than that by less than 0.001 at layer 0" in found.summary
    alone = isotropy(made({"3": layers()["0"]}, SIZES, words=TEXTS))
    assert alone.summary.count("layer 3") == 2  # once for the cosine, once for the types
    assert "(mean of 1 type)" in alone.summary
