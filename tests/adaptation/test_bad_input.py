"""What a user gets wrong with either estimator: one clear line, or a count of what was cut or cannot be right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from probekit.adaptation.feature_extract import FeatureExtract
from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.live import Live
from probekit.errors import ConfigError, DataError, ModelError, ProbekitError
from probekit.models.model import Model
from tests.tiny_models import tiny_folder

TEXTS = ["the keys rust", "a dog barks", "the doors creak", "a cat sleeps"]
LABELS = ["pl", "sg", "pl", "sg"]
BOTH = [FineTune, FeatureExtract]


def make(cls: Any, **settings: Any) -> Any:
    return cls(str(tiny_folder("bert")), **({"epochs": 1, **settings} if cls is FineTune else settings))


def line(problem: pytest.ExceptionInfo[ProbekitError]) -> str:
    """The message, which is one line."""
    told = str(problem.value)
    assert told
    assert "\n" not in told
    return told


@pytest.mark.parametrize("cls", BOTH)
def test_a_label_that_training_had_not_cannot_be_right(cls: Any) -> None:
    fitted = make(cls).fit(TEXTS, LABELS, TEXTS[:2], ["pl", "dual"])
    said = fitted.predict(TEXTS).tolist()
    assert fitted.score(TEXTS, [*said[:3], "dual"]) == 0.75
    assert fitted.score(TEXTS, ["dual"] * 4) == 0.0
    assert fitted.classes_.tolist() == ["pl", "sg"]
    numbers = make(cls).fit(TEXTS, [2, 5, 2, 5])
    assert numbers.score(TEXTS, [0, 3, 4, 9]) == 0.0  # below, between and above the labels of training


LABELLED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "one class": (TEXTS, ["pl"] * 4, {}, "two classes are needed; the labels have one class: 'pl'"),
    "one class of words": ([["a", "b"]], [["x", "x"]], {}, "the labels have one class: 'x'"),
    "too few labels": (TEXTS, LABELS[:3], {}, "4 examples and 3 labels; each needs one"),
    "no labels": (TEXTS, None, {}, "labels are needed: fit(texts, labels)"),
    "text and numbers": (TEXTS, ["pl", 1, "pl", 1], {}, "labels must be all text or all numbers"),
    "a missing label": (TEXTS, ["pl", None, "pl", "sg"], {}, "labels must be all text or all numbers"),
    "a table of labels": (TEXTS, np.eye(4), {}, "one label per example expected; got shape (4, 4)"),
    "NaN": (TEXTS, [0.5, float("nan"), 1.0, 2.0], {}, "numbers to predict must be finite"),
    "NaN as a class": (TEXTS, [0.0, 1.0, float("nan"), 1.0], {"target": "classes"}, "label 2 is missing (NaN)"),
    "lists of labels": (TEXTS, [["a"], ["a", "b"]] * 2, {}, "one label per example expected; got lists"),
    "mappings": (TEXTS, [{"a": 1}, {"b": 1}] * 2, {}, "one label per example expected; got a dict ({'a': 1})"),
    "text for numbers": (TEXTS, LABELS, {"target": "number"}, "numbers to predict must be finite; got ['pl'"),
    "labels of words": ([["a", "b"], ["c"]], [["x", "y"], ["x", "y"]], {}, "example 1 has 1 words; its labels are"),
}  # fmt: skip


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("case", list(LABELLED))
def test_labels(cls: Any, case: str) -> None:
    texts, labels, settings, message = LABELLED[case]
    with pytest.raises(DataError) as problem:
        make(cls, **settings).fit(texts, labels)
    assert message in line(problem)


TYPED: dict[str, tuple[Any, str]] = {
    "empty": (["a dog", ""], "example 1 is an empty text; leave it out"),
    "blank": (["a dog", " \n\t"], "example 1 is an empty text"),
    "no texts": ([], "no texts were given"),
    "one text": ("a dog", "texts are a list; got one text: write [text]"),
    "none": (["a dog", None], "example 1: a text expected, got NoneType"),
    "a number": (["a dog", 3.5], "example 1: a text expected, got float (3.5)"),
    "bytes": (["a dog", b"a cat"], "example 1: a text expected, got bytes"),
    "a pair": (["a dog", ("a", "b")], "example 1: a text expected, got tuple"),
}


@pytest.fixture(scope="module")
def fitted() -> dict[Any, Any]:
    return {cls: make(cls).fit(TEXTS, LABELS) for cls in BOTH}


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("case", list(TYPED))
def test_texts_in_fit_and_predict(cls: Any, case: str, fitted: dict[Any, Any]) -> None:
    texts, message = TYPED[case]
    with pytest.raises(DataError) as problem:
        make(cls).fit(texts, ["pl", "sg"][: len(texts)])
    assert message in line(problem)
    with pytest.raises(DataError) as problem:
        fitted[cls].predict(texts)
    assert message in line(problem)


@pytest.mark.parametrize("cls", BOTH)
def test_pairs_and_words_with_nothing_in_them(cls: Any) -> None:
    for texts, labels, message in (
        ([("a", "b"), ("c", " ")], ["x", "y"], "example 1 has an empty text"),
        ([("a", "b"), ("c",)], ["x", "y"], "example 1: a pair has two texts; got 1"),
        ([["a", "b"], ["c", ""]], [["x", "y"], ["x", "y"]], "example 1 has an empty word, or none"),
        ([["a", "b"], []], [["x", "y"], []], "example 1 has an empty word, or none"),
        ([["a", "b"], ["c", 3]], [["x", "y"], ["x", "y"]], "example 1: all parts must be str"),
    ):
        with pytest.raises(DataError) as problem:
            make(cls).fit(texts, labels)
        assert message in line(problem)


@pytest.mark.parametrize("cls", BOTH)
def test_labels_of_another_type_in_dev_and_test(cls: Any, fitted: dict[Any, Any]) -> None:
    with pytest.raises(DataError) as problem:
        fitted[cls].score(TEXTS, [1, 2, 1, 2])
    assert line(problem) == "labels such as 1, where training had 'pl': give labels of one type"
    with pytest.raises(DataError) as problem:
        make(cls).fit(TEXTS, LABELS, TEXTS, [1, 2, 1, 2])
    assert "give labels of one type" in line(problem)


@pytest.mark.parametrize("cls", BOTH)
def test_a_number_that_is_none_in_dev_and_test(cls: Any) -> None:
    with pytest.raises(DataError, match="numbers are predicted; label 1 is nan, leave such examples out"):
        make(cls).fit(TEXTS, [0.5, 1.0, 2.0, 2.5], TEXTS[:2], [1.0, float("nan")])
    fitted = make(cls).fit(TEXTS, [0.5, 1.0, 2.0, 2.5])
    with pytest.raises(DataError, match="label 0 is inf"):
        fitted.score(TEXTS[:1], [float("inf")])


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed must be a whole number of at least 0; got -1"),
        ({"seed": "a"}, "seed must be a whole number of at least 0; got 'a'"),
        ({"seed": 2**70}, "seed must lie below 2**63"),
        ({"options": "layer"}, "options is a mapping from names to values, or None; got 'layer'"),
        ({"pool": None}, "pool"),
        ({"class_weight": {"pl": True}}, "class_weight of 'pl' must be a number of at least 0; got True"),
    ],
)
def test_settings_of_the_wrong_kind(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as problem:
        make(cls, **settings).fit(TEXTS, LABELS)
    assert message in line(problem)


@pytest.mark.parametrize("cls", BOTH)
def test_a_text_of_5000_words_is_cut_and_counted(cls: Any, fitted: dict[Any, Any]) -> None:
    long = " ".join(["the dogs bark"] * 1666 + ["a", "cat"])
    assert len(long.split()) == 5000
    found = make(cls).fit([*TEXTS, long], [*LABELS, "pl"])
    assert found.n_truncated_ == 1
    assert found.n_left_out_ == 0
    shares = fitted[cls].predict_proba([TEXTS[0], long, long + "!"])
    assert np.isfinite(shares).all()
    assert fitted[cls].n_truncated_predicted_ == 2
    pair = make(cls).fit([("a", "b"), ("c", long), ("a", "d"), ("e", "f")], LABELS)
    assert pair.n_truncated_ == 1


@pytest.mark.parametrize("cls", BOTH)
def test_words_behind_the_end_are_left_out_and_counted(cls: Any) -> None:
    """A sentence of 100 words and a model that reads 64 pieces: the words behind have training's commonest label."""
    words = [["cat", "dog", "mat"], ["dog"] * 100]
    found = make(cls).fit(words, [["x", "y", "y"], ["y"] * 100])
    assert found.n_truncated_ == 1
    assert 0 < found.n_left_out_ < 100
    assert len(found.predict(words)[1]) == 100
    assert found.predict(words)[1][-1] == "y"
    assert np.isfinite(np.concatenate(found.predict_proba(words))).all()


def test_strategies_that_are_not_there() -> None:
    for cls, strategy, message in (
        (FineTune, "lroa", "no strategy 'lroa'; did you mean 'lora'?"),
        (FeatureExtract, "scalar_mix", "no strategy 'scalar_mix'; did you mean 'scalar-mix'?"),
        (FineTune, "frozen-linear", "'frozen-linear' is a strategy of FeatureExtract; known: "),
        (FeatureExtract, "lora", "'lora' is a strategy of FineTune; known: "),
    ):
        with pytest.raises(ConfigError) as problem:
            make(cls, strategy=strategy).fit(TEXTS, LABELS)
        assert line(problem).startswith(message)
    for cls, strategy, options in (
        (FineTune, "full", {"layers": 2}),
        (FineTune, "lora", {"rnk": 2}),
        (FeatureExtract, "frozen-linear", {"laye": 2}),
    ):
        with pytest.raises(ConfigError) as problem:
            make(cls, strategy=strategy, options=options).fit(TEXTS, LABELS)
        assert f"strategy {strategy!r} has no option {next(iter(options))!r}; " in line(problem)


@pytest.mark.parametrize(
    ("kind", "strategy", "options", "message"),
    [
        ("llama", "bitfit", {}, "impossible for this model"),
        (
            "bert",
            "continued",
            {},
            "strategy 'continued' is impossible for this model (family 'bert'): its checkpoint",
        ),
        ("bert", "top-k", {"k": 9}, "9"),
        ("bert", "prompt", {"pieces": 60}, "60 pieces in front leave 4 of the 64"),
    ],
)
def test_strategies_that_a_model_cannot(kind: str, strategy: str, options: Any, message: str) -> None:
    with pytest.raises((ModelError, ConfigError)) as problem:
        FineTune(str(tiny_folder(kind)), strategy, options=options, epochs=1).fit(TEXTS, LABELS)
    assert message in line(problem)


@pytest.mark.parametrize("cls", BOTH)
def test_models_that_are_not_there(cls: Any, tmp_path: Any) -> None:
    for model, wanted in ((str(tmp_path / "nothing"), ModelError), (3, ConfigError), (None, ConfigError)):
        with pytest.raises(wanted) as problem:
            cls(model).fit(TEXTS, LABELS)
        line(problem)


@pytest.mark.parametrize("where", ["cpu", "cuda", "python"])
def test_memory_that_does_not_suffice(
    where: str, monkeypatch: pytest.MonkeyPatch, fitted: dict[Any, Any]
) -> None:
    """What torch says when an allocation is refused, on either device, becomes a line with what to do."""

    def refuse(*_: Any, **__: Any) -> Any:
        if where == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore lines")
        if where == "python":
            raise MemoryError
        return torch.empty(2**50)

    with monkeypatch.context() as patched:
        patched.setattr(Live, "forward", refuse)
        with pytest.raises(ModelError) as problem:
            make(FineTune).fit(TEXTS, LABELS)
        assert "does not fit into memory; " in line(problem)
        assert "batch_size" in line(problem)
        with pytest.raises(ModelError) as problem:
            fitted[FineTune].predict(TEXTS)
        assert "does not fit into memory; " in line(problem)
    with monkeypatch.context() as patched:
        patched.setattr(Model, "states", refuse)
        with pytest.raises(ModelError) as problem:
            make(FeatureExtract).fit(["a text never read before", *TEXTS[1:]], LABELS)
        assert "memory" in line(problem)
    assert make(FineTune).fit(TEXTS, LABELS).predict(TEXTS).shape == (4,)  # the next one is unharmed
