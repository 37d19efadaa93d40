"""Corpus sources of a training, and what is held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from probekit.errors import ConfigError, DataError
from probekit.models.training.config import CorpusPlan
from probekit.models.training.text import hold_out, read_texts, training_text
from probekit.models.training.train import train
from tests.models.training.tiny import TEXTS, tiny


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def test_a_folder_stands_for_its_text_files(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path, a="one\n\ntwo\n")
    write(tmp_path / "deep", b="three\n")
    texts = read_texts(CorpusPlan(text=str(tmp_path), held_out=0.5))
    assert sorted([*texts.train, *texts.held_out]) == ["one", "three", "two"]
    assert [file.name for file in texts.files] == ["a.txt", "b.txt"]


def test_paragraphs_and_tags(tmp_path: Path) -> None:
    write(tmp_path, train="I_PRP go_VB\nhome_NN ._.\n\n\nsnake_case stays_VBZ", dev="held_VBN")
    texts = read_texts(CorpusPlan(text=str(tmp_path / "*.txt"), unit="paragraph", tags="_"))
    assert list(texts.train) == ["I go home .", "snake_case stays"]
    assert list(texts.held_out) == ["held"]
    assert texts.facts["held out by"] == "file names"


def test_test_files_are_never_read(tmp_path: Path) -> None:
    write(tmp_path, train="a\n", dev="b\n", test="c\n")
    texts = read_texts(CorpusPlan(text=str(tmp_path)))
    assert (list(texts.train), list(texts.held_out)) == (["a"], ["b"])


def test_equal_texts_fall_on_one_side() -> None:
    texts = [("", f"text {number % 50}") for number in range(500)]
    train, held_out = hold_out(texts, 0.3, by="text")
    assert not set(train) & set(held_out)
    assert 50 < len(held_out) < 250
    assert (
        hold_out(texts[:20], 0.3, by="text")[1]
        == held_out[: len([t for _, t in texts[:20] if t in set(held_out)])]
    )


def test_documents_are_held_out_whole() -> None:
    texts = [(f"d{number % 10}", f"text {number:03}") for number in range(100)]
    train, held_out = hold_out(texts, 0.25, by="document")
    assert len(held_out) == 30  # whole documents until a quarter is there
    assert {int(t[-1]) for t in train} | {int(t[-1]) for t in held_out} == set(range(10))
    assert not {t[-1] for t in train} & {t[-1] for t in held_out}
    assert hold_out(texts[:1], 0.25, by="document") == (["text 000"], [])


def test_generated_text_holds_out_dev_and_leaves_test() -> None:
    texts = read_texts(CorpusPlan(generated={"train": 30, "dev": 5, "test": 7}))
    assert (len(texts.train), len(texts.held_out)) == (30, 5)
    assert texts.licence.startswith("Apache")


def test_marks_are_the_words_named() -> None:
    plan = CorpusPlan(agreement={"train": 40, "dev": 5, "test": 1, "attractors": [1]})
    texts = read_texts(plan, mark="target")
    assert len(texts.train_marks) == 40
    for text, spans in zip(texts.train, texts.train_marks, strict=True):
        ((start, stop),) = spans
        assert text[start:stop] in text.split()
    assert texts.hash != read_texts(plan).hash


@pytest.mark.parametrize(
    ("plan", "mark", "words"),
    [
        ({"generated": {"trian": 3}}, "", ["unknown key 'corpus.generated.trian'", "did you mean 'train'?"]),
        ({"generated": {"train": 3}}, "target", ["no sentence has 'target'"]),
        ({"agreement": {"train": 3, "dev": 1, "test": 1}}, "number", ["number = ", "no word number"]),
        ({"generated": {"train": "many"}}, "", ["corpus.generated"]),
    ],
)
def test_mistakes_in_a_source(plan: dict[str, object], mark: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_texts(CorpusPlan(**plan), mark=mark)
    for word in words:
        assert word in str(caught.value)


def test_an_empty_corpus(tmp_path: Path) -> None:
    write(tmp_path, empty="  \n")
    with pytest.raises(DataError, match="the file is empty"):
        read_texts(CorpusPlan(text=str(tmp_path)))
    with pytest.raises(DataError, match="no file matches"):
        read_texts(CorpusPlan(text=str(tmp_path / "*.text")))
    write(tmp_path, empty="one")
    with pytest.raises(DataError, match=r"too few to hold any out|no text to train on"):
        read_texts(CorpusPlan(text=str(tmp_path)))


def test_training_text_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, a="\n".join(TEXTS), b="\n".join(text.upper() for text in TEXTS))
    made = train(tiny(corpus={"text": [str(tmp_path)]}, steps=1), out=tmp_path / "model")
    again = training_text(tmp_path / "model")
    assert again == list(read_texts(made.config.corpus.model_copy(update={"text": str(tmp_path)})).train)
    assert str(tmp_path) not in (tmp_path / "model" / "training.json").read_text()
    write(tmp_path, a="changed\n" * 20)
    with pytest.raises(DataError, match="has changed since"):
        training_text(tmp_path / "model")
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DataError, match="no such file"):
        training_text(tmp_path / "model")
    with pytest.raises(DataError, match=r"no training\.json"):
        training_text(tmp_path)


def test_generated_training_text_is_made_again(tmp_path: Path) -> None:
    train(tiny(steps=1, checkpoints=[1]), out=tmp_path / "model")
    assert len(training_text(tmp_path / "model")) == 60
    assert len(training_text(tmp_path / "model" / "revisions" / "step-000001")) == 60
    record = json.loads((tmp_path / "model" / "training.json").read_text())
    assert record["corpus"]["files"] == []
