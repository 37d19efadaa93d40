"""Treebanks in other languages, walked as a user would: extract, probe, report.

Japanese has no spaces, so a piece may cover two words; Finnish has tokens of two words, long compounds and umlauts.
"""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from probekit.activations.extract import extract
from probekit.data.corpus import Corpus
from probekit.data.read_conllu import read_conllu
from probekit.models.align import encode
from probekit.results.run import Run
from tests.cli.test_extract import run
from tests.integration.treebanks import CASE_TASK, write_finnish, write_japanese
from tests.tiny_models import tiny_folder, tiny_model

WRITERS = {"ja": write_japanese, "fi": write_finnish}
FAST = ("--twins", 1, "--control-seeds", 1, "--strengths", "1", "--layers", "0,2")


@pytest.fixture(scope="module", params=list(WRITERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WRITERS[request.param](tmp_path_factory.mktemp("treebanks") / request.param)


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return read_conllu(folder / "*.conllu")


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("kind", ["roberta", "llama"])
def test_byte_level_pieces_cover_every_word(corpus: Corpus, kind: str) -> None:
    model = tiny_model(kind)
    found = encode(model, corpus.sentences)
    assert found.word_reason.tolist() == [0] * corpus.n_words
    for word, sentence in enumerate(found.word_sentence.tolist()):
        start = int(found.input_start[found.word_input[word]])
        first, stop = int(found.word_first[word]), int(found.word_stop[word])
        pieces = model.tokenizer.decode(found.piece_ids[start + first : start + stop].tolist())
        begin, end = corpus[sentence].offsets[int(found.word_index[word])]
        assert squeezed(corpus[sentence].text[begin:end]) in squeezed(pieces)


@pytest.mark.parametrize("kind", ["bert", "roberta", "t5"])
def test_every_word_has_a_row_or_a_reason(corpus: Corpus, kind: str) -> None:
    acts = extract(tiny_model(kind), corpus)
    assert acts.n_rows + sum(acts.left_out.values()) == corpus.n_words
    assert set(acts.left_out) <= {"unknown piece"}
    if kind == "roberta" or corpus[0].id.startswith("fi"):
        assert (
            not acts.left_out
        )  # bytes have no unknown, and every letter of Finnish is in the small vocabularies
    else:
        assert "'図書館'" in " ".join(acts.left_out_examples["unknown piece"])


def test_words_of_one_token_have_one_span(tmp_path: Path) -> None:
    sentences = read_conllu(write_finnish(tmp_path) / "*.conllu").sentences
    found = [s for s in sentences if s.words[1] == "ei"]
    assert found
    for sentence in found:
        assert sentence.offsets[0] == sentence.offsets[1]
        assert sentence.text[slice(*sentence.offsets[0])] in ("ettei", "miksei", "ellei")


def test_japanese_from_files_to_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_japanese(tmp_path / "ja")
    command = (
        "probe",
        "upos",
        "--data",
        data,
        "--model",
        tiny_folder("bert"),
        *FAST,
        "--runs",
        tmp_path / "runs",
    )
    assert run(*command, "--json") == 0
    found = Run(json.loads(capsys.readouterr().out)["run"])
    [left] = found.info["left_out"]
    assert left["reason"] == "unknown piece"
    assert left["n"] == found.measurements()[0].n_left_out > 100
    page = html.unescape(found.page.read_text(encoding="utf-8"))
    for example in left["examples"]:
        assert example in page
    assert "図書館" in page


def test_finnish_case_by_a_task_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_finnish(tmp_path / "fi")
    task = tmp_path / "sija.toml"
    task.write_text(CASE_TASK, encoding="utf-8")
    command = (
        "probe",
        task,
        "--data",
        data,
        "--model",
        tiny_folder("llama"),
        *FAST,
        "--runs",
        tmp_path / "runs",
    )
    assert run(*command, "--json") == 0
    found = Run(json.loads(capsys.readouterr().out)["run"])
    assert found.info["left_out"] == []
    page = html.unescape(found.page.read_text(encoding="utf-8"))
    assert "inessiivi – sisäpaikka" in page
    assert "主格 (nominatiivi)" in page
    assert "sija" in found.info["summary"][0]
