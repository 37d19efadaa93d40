"""A classifier says of a file what it says of its texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probekit.adaptation.feature_extract import FeatureExtract
from probekit.adaptation.fine_tune import FineTune
from probekit.errors import DataError
from probekit.experiment.predicted import predict_files
from tests.tiny_models import tiny_folder

TEXTS = ["the keys rust", "a dog barks", "the doors creak", "a cat sleeps"]


@pytest.fixture(scope="module")
def fitted() -> Any:
    return FeatureExtract(str(tiny_folder("bert"))).fit(TEXTS, ["pl", "sg", "pl", "sg"])


def test_lines_are_predicted_in_order_whatever_the_file_is_called(fitted: Any, tmp_path: Path) -> None:
    file = tmp_path / "questions.lst"
    file.write_text("\n\n".join(TEXTS) + "\n")
    found = predict_files(fitted, [file])
    assert [one.text for one in found] == TEXTS, "short texts with blank lines between are no columns"
    assert [one.label for one in found] == list(fitted.predict(TEXTS))
    np.testing.assert_allclose([one.probability for one in found], fitted.predict_proba(TEXTS).max(axis=1))
    assert found[0].to_dict() == {
        "id": found[0].id,
        "text": TEXTS[0],
        "label": found[0].label,
        "probability": found[0].probability,
    }


def test_a_known_format_is_read_as_such(fitted: Any, tmp_path: Path) -> None:
    file = tmp_path / "TREC_10.label"
    file.write_text("LOC:city Where is Oulu ?\nNUM:dist How far is it ?\n")
    assert [one.text for one in predict_files(fitted, [file])] == ["Where is Oulu ?", "How far is it ?"]


def test_words_pairs_and_numbers(tmp_path: Path) -> None:
    bert = str(tiny_folder("bert"))
    file = tmp_path / "some.txt"
    words = FineTune(bert, "head-only", epochs=1).fit(
        [["a", "dog"], ["the", "key"]], [["D", "N"], ["D", "N"]]
    )
    file.write_text("a key rusts\n")
    found = predict_files(words, [file])
    assert [one.text for one in found] == ["a", "key", "rusts"]
    assert [one.id for one in found] == ["some-1:1", "some-1:2", "some-1:3"]
    assert [one.label for one in found] == list(words.predict([["a", "key", "rusts"]])[0])
    pairs = FeatureExtract(bert).fit([("a dog", "barks"), ("a cat", "sleeps")], ["x", "y"])
    file.write_text("a dog\tbarks\n")
    [one] = predict_files(pairs, [file])
    assert one.label == pairs.predict([("a dog", "barks")])[0]
    file.write_text("a dog barks\n")
    with pytest.raises(DataError, match="two texts with a tab between expected"):
        predict_files(pairs, [file])
    numbers = FeatureExtract(bert).fit(TEXTS, [1.0, 2.0, 3.0, 4.0])
    [one] = predict_files(numbers, [file])
    assert one.probability is None
    assert one.label == pytest.approx(float(numbers.predict(["a dog barks"])[0]))


def test_nothing_to_predict_is_told(fitted: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.txt"):
        predict_files(fitted, [tmp_path / "absent.txt"])
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError):
        predict_files(fitted, [tmp_path / "empty.txt"])
    with pytest.raises(DataError, match="holds no saved classifier"):
        predict_files(tmp_path, [tmp_path / "empty.txt"])


def test_files_of_several_formats_are_no_lines_of_text(fitted: Any, tmp_path: Path) -> None:
    table, lines = tmp_path / "a.csv", tmp_path / "b.txt"
    table.write_text("text,label\nthe keys rust,pl\n")
    lines.write_text("a dog barks\n")
    assert [one.text for one in predict_files(fitted, [table])] == ["the keys rust"]
    with pytest.raises(DataError, match=r"not of one format \(a.csv: table, b.txt: text\)"):
        predict_files(fitted, [table, lines])
    with pytest.raises(DataError, match=r"not of one format \(a.csv: table, b.txt: text\)"):
        predict_files(fitted, [str(tmp_path / "*.*")])


def test_pairs_with_a_tab_between_may_be_called_tsv(tmp_path: Path) -> None:
    pairs = list(zip(TEXTS, TEXTS[::-1], strict=True))
    classifier = FeatureExtract(str(tiny_folder("bert"))).fit(pairs, ["pl", "sg", "pl", "sg"])
    file = tmp_path / "pairs.tsv"
    file.write_text("".join(f"{first}\t{second}\n" for first, second in pairs))
    assert [one.label for one in predict_files(classifier, [file])] == list(classifier.predict(pairs))
