"""What scikit-learn asks of an estimator, for both estimators of texts: most of its own checks give arrays of numbers,
which these refuse, so the contract is written out here."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import get_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

from probekit.adaptation.feature_extract import FeatureExtract
from probekit.adaptation.fine_tune import FineTune
from probekit.adaptation.saved import load_adapted
from probekit.errors import ConfigError
from probekit.models.ref import ModelRef
from tests.tiny_models import tiny_folder

TEXTS = ["the keys rust", "a dog barks", "the doors creak", "a cat sleeps", "the farmers laugh", "a teacher reads",
         "the dogs chase cats", "a cat sat on the mat"]  # fmt: skip
LABELS = ["pl", "sg", "pl", "sg", "pl", "sg", "pl", "sg"]
NEW = ["the cats sit", "a farmer laughs", "the teachers bark at night"]
CLASSES = ["the", "a", "the", "a", "the", "a", "none", "none"]

TUNED = ("full", "pfeiffer")
FROZEN = ("frozen-linear", "scalar-mix")
ALL = (*TUNED, *FROZEN)
TWO = ("full", "frozen-linear")
ASKED = {"n_truncated_predicted_", "n_left_out_predicted_"}
"""What a prediction leaves behind."""


def make(strategy: str, **settings: Any) -> Any:
    ref = ModelRef(name=str(tiny_folder("bert")), device="cpu")
    if strategy in TUNED:
        return FineTune(ref, strategy, **{"epochs": 1, "batch_size": 4, **settings})
    return FeatureExtract(ref, strategy, **settings)


@functools.cache
def fitted_once(strategy: str) -> Any:
    """One that is fitted and only asked."""
    return make(strategy).fit(TEXTS, LABELS)


def same(one: Any, other: Any) -> bool:
    """The same bits for texts never seen."""
    return bool(np.array_equal(one.decision_function(NEW), other.decision_function(NEW)))


@pytest.mark.parametrize("cls", [FineTune, FeatureExtract])
@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable", "check_estimator_repr", "check_no_attributes_set_in_init",
        "check_parameters_default_constructible", "check_get_params_invariance", "check_set_params",
        "check_mixin_order", "check_valid_tag_types",
    ],
)  # fmt: skip
def test_the_checks_that_need_no_data(cls: Any, name: str) -> None:
    getattr(estimator_checks, name)(cls.__name__, cls())


@pytest.mark.parametrize("strategy", TWO)
def test_clone_copies_settings_and_no_weights(strategy: str) -> None:
    fitted = fitted_once(strategy)
    copy = clone(fitted)
    assert type(copy) is type(fitted)
    assert copy.model is fitted.model
    assert copy.get_params() == fitted.get_params()
    assert [name for name in vars(copy) if name.endswith("_")] == []
    assert same(copy.fit(TEXTS, LABELS), fitted)


@pytest.mark.parametrize("strategy", TWO)
def test_params_are_kept_as_given_and_can_be_set(strategy: str) -> None:
    options = {"layer": 1} if strategy == "frozen-linear" else None
    estimator = make(strategy, options=options, seed=2)
    before = estimator.get_params()
    assert before["options"] is options
    estimator.fit(TEXTS, LABELS)
    assert estimator.get_params() == before
    assert estimator.set_params(seed=5) is estimator
    assert estimator.seed == 5
    with pytest.raises(ValueError, match="Invalid parameter 'sead'"):
        estimator.set_params(sead=1)
    again = type(estimator)(**before)
    assert again.get_params() == before


@pytest.mark.parametrize("strategy", ALL)
def test_a_second_fit_forgets_the_first(strategy: str) -> None:
    estimator = make(strategy)
    estimator.fit(TEXTS, CLASSES)
    assert estimator.classes_.tolist() == ["a", "none", "the"]
    assert estimator.fit(TEXTS, LABELS) is estimator
    assert estimator.classes_.tolist() == ["pl", "sg"]
    fresh = fitted_once(strategy)
    assert same(estimator, fresh)
    assert {*vars(fresh)} - ASKED == {*vars(estimator)} - ASKED


@pytest.mark.parametrize("strategy", TWO)
def test_words_then_numbers_then_texts(strategy: str) -> None:
    """Nothing is left of another unit or of another kind of target."""
    estimator = make(strategy)
    estimator.fit(
        [text.split() for text in TEXTS], [["x" if len(w) > 3 else "y" for w in t.split()] for t in TEXTS]
    )
    assert [len(one) for one in estimator.predict([text.split() for text in NEW])] == [3, 3, 5]
    estimator.fit(TEXTS, [float(len(text)) for text in TEXTS])
    assert not hasattr(estimator, "classes_")
    assert estimator.predict(NEW).shape == (3,)
    assert same(estimator.fit(TEXTS, LABELS), fitted_once(strategy))


@pytest.mark.parametrize("strategy", TWO)
def test_nothing_is_predicted_or_saved_before_it_is_fitted(strategy: str, tmp_path: Path) -> None:
    estimator = make(strategy)
    for act in (
        lambda: estimator.predict(NEW),
        lambda: estimator.predict_proba(NEW),
        lambda: estimator.decision_function(NEW),
        lambda: estimator.score(NEW, ["pl", "sg", "pl"]),
        lambda: estimator.save(tmp_path),
    ):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            act()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("strategy", TWO)
def test_what_scikit_learn_takes_it_for(strategy: str) -> None:
    assert is_classifier(make(strategy))
    assert is_regressor(make(strategy, target="number"))
    assert not is_classifier(make(strategy, target="number"))


@pytest.mark.parametrize("strategy", TWO)
def test_in_a_pipeline(strategy: str) -> None:
    def lower(texts: Any) -> list[str]:
        return [text.lower() for text in texts]

    pipe = make_pipeline(FunctionTransformer(lower), make(strategy))
    pipe.fit([text.upper() for text in TEXTS], LABELS)
    plain = fitted_once(strategy)
    assert np.array_equal(pipe.predict_proba([text.upper() for text in NEW]), plain.predict_proba(NEW))
    assert pipe.score([t.upper() for t in TEXTS], LABELS) == plain.score(TEXTS, LABELS)
    assert pipe.classes_.tolist() == ["pl", "sg"]


@pytest.mark.parametrize("strategy", TWO)
def test_in_a_grid_search(strategy: str) -> None:
    """Settings that cannot learn lose by far against those that can. Both folds have the same texts and the classes
    share no word: it holds whatever pieces the tiny tokenizer was trained to (ties fall anew in each process)."""
    singular, plural = ("cat", "dog", "teacher"), ("keys", "doors", "farmers")
    texts = [f"{one} {other}" for words in (singular, plural) for one in words for other in words] * 2
    labels = (["sg"] * 9 + ["pl"] * 9) * 2
    grid: dict[str, list[Any]] = {"rate": [1e-9, 1e-2]}
    if strategy == "frozen-linear":
        grid = {"options": [{"C": 1e-6}, {"C": 10.0}]}
    settings = {"epochs": 4, "dropout": 0.0} if strategy == "full" else {}
    search = GridSearchCV(make(strategy, **settings), grid, cv=2, scoring="neg_log_loss", error_score="raise")
    search.fit(np.array(texts, dtype=object), np.array(labels))
    [name] = grid
    assert search.best_params_[name] == grid[name][1]
    unlearnt, learnt = search.cv_results_["mean_test_score"]
    assert unlearnt < -0.6 < -0.3 < learnt
    assert np.array_equal(search.predict(NEW), search.best_estimator_.predict(NEW))


@pytest.mark.parametrize("strategy", TWO)
def test_in_cross_validation_by_class(strategy: str) -> None:
    """Folds keep the classes' shares, as for any classifier: with the classes in blocks, plain folds would have one."""
    order = np.argsort(LABELS, kind="stable")
    texts, labels = [TEXTS[i] for i in order], [LABELS[i] for i in order]
    scores = cross_val_score(make(strategy), texts, labels, cv=2, error_score="raise")
    folds = list(StratifiedKFold(2).split(texts, labels))
    train, test = folds[0]
    one = make(strategy).fit([texts[i] for i in train], [labels[i] for i in train])
    assert scores[0] == one.score([texts[i] for i in test], [labels[i] for i in test])


@pytest.mark.parametrize("strategy", ALL)
def test_the_same_seeds_give_the_same_bits(strategy: str) -> None:
    torch.rand(7)  # what was drawn elsewhere changes nothing
    np.random.rand(7)  # noqa: NPY002
    assert same(make(strategy).fit(TEXTS, LABELS), fitted_once(strategy))
    if strategy in TUNED:
        assert not same(make(strategy, seed=2).fit(TEXTS, LABELS), fitted_once(strategy))


@pytest.mark.parametrize("strategy", TWO)
def test_a_fit_draws_from_no_generator_of_others(strategy: str) -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    make(strategy).fit(TEXTS, LABELS)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.random.get_state()[1].tolist() == numpy_state[1].tolist()  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("strategy", ALL)
def test_it_is_saved_without_a_pickle_and_says_the_same_bits(strategy: str, tmp_path: Path) -> None:
    fitted = fitted_once(strategy)
    fitted.save(tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".safetensors", ".json"}
    for path in tmp_path.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    assert not any(
        path.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05", b"PK") for path in tmp_path.rglob("*.*")
    )
    again = load_adapted(tmp_path)
    assert type(again) is type(fitted)
    assert same(again, fitted)
    assert again.predict(NEW).tolist() == fitted.predict(NEW).tolist()
    assert clone(again).get_params()["strategy"] == strategy


@pytest.mark.parametrize("strategy", TWO)
def test_probabilities_labels_and_outputs_agree(strategy: str) -> None:
    labels = [3 if label == "pl" else 7 for label in LABELS]
    fitted = make(strategy).fit(TEXTS, labels)
    shares, outputs, said = fitted.predict_proba(NEW), fitted.decision_function(NEW), fitted.predict(NEW)
    assert shares.shape == (3, 2)
    assert outputs.shape == (3,), "of two classes one number, as scikit-learn's scorers read it"
    assert shares.sum(axis=1) == pytest.approx(np.ones(3))
    assert (shares > 0).all()
    assert said.dtype.kind == "i"
    assert said.tolist() == fitted.classes_[shares.argmax(axis=1)].tolist()
    assert np.log(shares[:, 1]) - np.log(shares[:, 0]) == pytest.approx(outputs, abs=1e-4)
    assert said.tolist() == fitted.classes_[(outputs > 0).astype(int)].tolist()
    assert fitted.score(NEW, [7, 7, 7]) == np.mean(said == 7)
    one_by_one = np.concatenate([fitted.predict_proba([text]) for text in NEW[::-1]])[::-1]
    assert one_by_one == pytest.approx(shares, abs=1e-5)  # neighbours do not matter


@pytest.mark.parametrize("strategy", TWO)
def test_lists_arrays_and_columns_of_a_table_are_alike(strategy: str) -> None:
    plain = fitted_once(strategy)
    table = pandas.DataFrame({"text": TEXTS, "label": LABELS}, index=range(100, 108))
    assert same(make(strategy).fit(np.array(TEXTS), tuple(LABELS)), plain)
    assert same(make(strategy).fit(table["text"], table["label"]), plain)
    assert plain.predict(table["text"]).tolist() == plain.predict(TEXTS).tolist()


@pytest.mark.parametrize("strategy", TWO)
def test_outputs_of_three_classes_are_a_column_each(strategy: str) -> None:
    fitted = make(strategy).fit(TEXTS, CLASSES)
    shares, outputs = fitted.predict_proba(NEW), fitted.decision_function(NEW)
    assert shares.shape == outputs.shape == (3, 3)
    assert np.log(shares) - np.log(shares[:, :1]) == pytest.approx(outputs - outputs[:, :1], abs=1e-4)


@pytest.mark.parametrize("strategy", TWO)
def test_scorers_that_rank_have_something_to_rank(strategy: str) -> None:
    found = cross_val_score(make(strategy), TEXTS, LABELS, cv=2, scoring="roc_auc")
    fitted = fitted_once(strategy)
    assert np.isfinite(found).all()
    second = np.array(LABELS) == fitted.classes_[1]
    by_shares = roc_auc_score(second, fitted.predict_proba(TEXTS)[:, 1])
    assert get_scorer("roc_auc")(fitted, TEXTS, LABELS) == pytest.approx(by_shares)


@pytest.mark.parametrize("strategy", TWO)
def test_what_gives_examples_one_by_one_is_read_once(strategy: str) -> None:
    lists, words = [text.split() for text in TEXTS], [[len(w) > 3 for w in text.split()] for text in TEXTS]
    assert same(make(strategy).fit(iter(TEXTS), iter(LABELS)), fitted_once(strategy))
    found = make(strategy).fit(iter(lists), iter(words))
    assert found.unit_ == "word"
    assert found.predict_proba(lists)[0].shape == (3, 2)


@pytest.mark.parametrize("strategy", TWO)
def test_a_table_of_pairs_is_pairs(strategy: str) -> None:
    pairs = list(zip(TEXTS, TEXTS[::-1], strict=True))
    table = make(strategy).fit(np.array(pairs), LABELS)
    assert table.unit_ == "pair"
    assert np.array_equal(table.predict_proba(pairs), make(strategy).fit(pairs, LABELS).predict_proba(pairs))


@pytest.mark.parametrize(("strategy", "other"), [("full", "pfeiffer"), ("frozen-linear", "knn")])
def test_what_is_saved_is_what_was_fitted_not_what_was_set_since(
    strategy: str, other: str, tmp_path: Path
) -> None:
    fitted = make(strategy, seed=3).fit(TEXTS, LABELS)
    fitted.set_params(strategy=other, seed=4).save(tmp_path / "c")
    again = load_adapted(tmp_path / "c")
    assert same(again, fitted)
    assert (again.strategy, again.seed) == (strategy, 3)


@pytest.mark.parametrize(
    "change", [{"strategy": "pfeiffer"}, {"dropout": 0.3}, {"model": str(tiny_folder("gpt2"))}]
)
def test_a_warm_start_under_other_settings_is_refused(change: dict[str, Any]) -> None:
    fitted = make("full", warm_start=True).fit(TEXTS, LABELS)
    before = fitted.predict_proba(NEW)
    fitted.set_params(**change)
    with pytest.raises(ConfigError, match=f"warm start: {next(iter(change))} is .* in the last fit"):
        fitted.fit(TEXTS, LABELS)
    assert np.array_equal(fitted.predict_proba(NEW), before)


def test_a_class_that_a_warm_start_does_not_meet_again() -> None:
    fitted = make("full", warm_start=True).fit(TEXTS, CLASSES).fit(TEXTS[:2], CLASSES[:2])
    assert fitted.predict_proba(NEW).sum(axis=1) == pytest.approx(np.ones(3))


@pytest.mark.parametrize("strategy", TWO)
def test_class_weights_may_be_numbers_of_numpy(strategy: str) -> None:
    weights = {"pl": np.int64(2), "sg": np.float32(0.5)}
    plain = make(strategy, class_weight={"pl": 2.0, "sg": 0.5}).fit(TEXTS, LABELS)
    assert same(make(strategy, class_weight=weights).fit(TEXTS, LABELS), plain)
