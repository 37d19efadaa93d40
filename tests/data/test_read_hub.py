"""Data sets of the hub, without the network."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from probekit.data.read_hub import read_hub
from probekit.errors import DataError, MissingExtra


class Rows(list[dict[str, Any]]):
    def __init__(self, rows: list[dict[str, Any]], features: dict[str, Any]) -> None:
        super().__init__(rows)
        self.features = features


CLASSES = SimpleNamespace(names=["bad", "good"])
TAGS = SimpleNamespace(feature=SimpleNamespace(names=["O", "B-PER"]))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for the package `datasets` that hands out these splits and notes how it was called."""
    state: dict[str, Any] = {}

    def load_dataset(name: str, config: str | None, **options: Any) -> Any:
        state["call"] = (name, config, options)
        if isinstance(state["splits"], Exception):
            raise state["splits"]
        return state["splits"]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return state


def test_text_with_named_classes(hub: dict[str, Any]) -> None:
    features = {"sentence": None, "label": CLASSES}
    hub["splits"] = {
        "train": Rows([{"sentence": "Yes  indeed", "label": 1}, {"sentence": "No", "label": -1}], features),
        "validation": Rows([{"sentence": "So", "label": 0}], features),
        "unsupervised": Rows([{"sentence": "?", "label": -1}], features),
    }
    corpus = read_hub("org/set", revision="abc", config="en", text="sentence")
    assert hub["call"] == ("org/set", "en", {"revision": "abc"})
    assert [(s.id, s.split, s.text, s.attributes["label"]) for s in corpus] == [
        ("train-1", "train", "Yes  indeed", "good"),
        ("train-2", "train", "No", "_"),
        ("validation-1", "dev", "So", "bad"),
    ]  # fmt: skip
    assert corpus.text_form == "surface"


def test_words_with_tags(hub: dict[str, Any]) -> None:
    hub["splits"] = {"test": Rows([{"tokens": ["Ada", "ran"], "ner": [1, 0]}], {"tokens": None, "ner": TAGS})}
    corpus = read_hub("set", words="tokens", columns={"tag": "ner"})
    assert corpus[0].columns == {"tag": ("B-PER", "O")}
    assert corpus.text_form == "words"


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": Rows([], {"txt": None})}, "set, split 'train': no column 'text'; did you mean 'txt'"),
        ({"extra": Rows([], {})}, r"none of its splits \(extra\)"),
        (ConnectionError("offline\n  mode"), "data set 'set' cannot be loaded: offline mode; check the name"),
    ],
)
def test_errors(hub: dict[str, Any], splits: Any, message: str) -> None:
    hub["splits"] = splits
    with pytest.raises(DataError, match=message):
        read_hub("set")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'probekit-nlp\[hub\]'"):
        read_hub("set")
