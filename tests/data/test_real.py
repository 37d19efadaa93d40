"""Facts of the public data sets, which the readers must reproduce."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from probekit.data.corpus import Corpus
from probekit.data.read_cola import read_cola
from probekit.data.read_columns import read_columns
from probekit.data.read_conllu import read_conllu
from probekit.data.read_corpus import read_corpus
from probekit.data.read_sst import read_sst
from probekit.data.read_table import read_table
from probekit.data.read_trec import read_trec
from probekit.data.task import load_task
from probekit.data.write_conllu import write_conllu

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def ewt(shared_data: Path) -> Corpus:
    begun = time.process_time()
    corpus = read_conllu(str(shared_data / "ud_ewt" / "*.conllu"))
    assert time.process_time() - begun < 6  # 1.2 s on a quiet machine
    return corpus


def test_ewt(ewt: Corpus) -> None:
    assert ewt.name == "en_ewt-ud"
    assert ewt.sizes == {"train": 12_544, "dev": 2_001, "test": 2_077}
    assert ewt.split("train").n_words == 204_577
    for sentence in ewt:
        assert all(sentence.text[a:b].strip() for a, b in sentence.offsets)


def test_equal_text_between_splits(ewt: Corpus, shared_data: Path) -> None:
    """Test sentences (repeats counted) whose running text stands, character for character, in train."""
    assert ewt.overlap().counts["test in train"] == 93
    assert read_trec(str(shared_data / "trec" / "*.label")).overlap().counts == {"test in train": 10}
    cola = read_cola(str(shared_data / "cola" / "*.tsv"))
    assert cola.sizes == {"train": 8_551, "dev": 527, "test": 516}
    assert cola.overlap().counts == {"dev in train": 6, "test in train": 12, "test in dev": 1}


def test_ewt_comes_back_from_its_own_file(ewt: Corpus, tmp_path: Path) -> None:
    write_conllu(ewt.split("dev"), tmp_path / "en_ewt-ud-dev.conllu")
    again = read_conllu(tmp_path / "en_ewt-ud-dev.conllu")
    assert again.text_hash == ewt.split("dev").text_hash
    assert all(a.columns["feats"] == b.columns["feats"] for a, b in zip(again, ewt.split("dev"), strict=True))


def test_ewt_units(ewt: Corpus) -> None:
    units = load_task("upos").units(ewt)
    assert len(units.select("train")) == 204_577
    assert len(units.label_counts()) == 17
    assert len({ewt[int(i)].id for i in units.sentence[units.overlap & (units.split == "test")]}) == 93


def test_trec(shared_data: Path) -> None:
    corpus = read_trec(str(shared_data / "trec" / "*.label"))
    assert corpus.sizes == {"train": 5_452, "test": 500}
    train = corpus.split("train")
    assert (len({s.attributes["coarse"] for s in train}), len({s.attributes["fine"] for s in train})) == (
        6,
        50,
    )
    units = load_task("trec").units(corpus)
    assert len(units.select("train")) + len(units.select("dev")) == 5_452
    assert int(units.overlap[units.split == "test"].sum()) <= 10


def test_sst(shared_data: Path) -> None:
    assert read_sst(str(shared_data / "sst" / "stsa.binary.*")).sizes == {
        "train": 6_920,
        "dev": 872,
        "test": 1_821,
    }
    assert read_sst(str(shared_data / "sst" / "stsa.fine.*")).sizes == {
        "train": 8_544,
        "dev": 1_101,
        "test": 2_210,
    }


def test_wnut(shared_data: Path) -> None:
    folder = shared_data / "ner_wnut17"
    corpus = read_columns(
        [folder / name for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")]
    )
    assert corpus.sizes == {"train": 3_394, "dev": 1_009, "test": 1_287}
    assert [corpus.split(s).n_words for s in corpus.splits] == [62_730, 15_733, 23_394]


def test_tables_and_folders(shared_data: Path) -> None:
    table = read_table(shared_data / "play_contexts" / "play_contexts.tsv", text="sentence", label="upos")
    assert [s.attributes["label"] for s in table].count("VERB") == 330
    assert len(table) == 385
    assert read_corpus(shared_data / "ud_ewt").text_form == "surface"
    assert len(read_corpus(shared_data / "cola")) == 9_594
