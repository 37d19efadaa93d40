"""CoLA, TREC and SST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from probekit.data.corpus import Corpus
from probekit.data.read_cola import read_cola
from probekit.data.read_sst import read_sst
from probekit.data.read_trec import read_trec
from probekit.errors import DataError


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_cola(tmp_path: Path) -> None:
    line = "gj04\t0\t*\tThey drank  the pub.\n"
    files = [
        write(tmp_path, f"{n}.tsv", line) for n in ("in_domain_train", "in_domain_dev", "out_of_domain_dev")
    ]
    corpus = read_cola(files)
    assert [(s.id, s.split) for s in corpus] == [
        ("in_domain_train-1", "train"), ("in_domain_dev-1", "dev"), ("out_of_domain_dev-1", "test")
    ]  # fmt: skip
    assert corpus[0].text == "They drank  the pub."
    assert corpus[0].attributes == {"label": "0", "source": "gj04", "mark": "*"}


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_trec_in_both_encodings(tmp_path: Path, encoding: str) -> None:
    train = write(tmp_path, "train_5500.label", "LOC:city Where is Besançon ?\n".encode(encoding))
    test = write(tmp_path, "TREC_10.label", "NUM:dist How far ?\n")
    corpus = read_trec([train, test])
    assert corpus.sizes == {"train": 1, "test": 1}
    assert corpus[0].words == ("Where", "is", "Besançon", "?")
    assert corpus[0].attributes == {"label": "LOC", "coarse": "LOC", "fine": "LOC:city"}


def test_sst(tmp_path: Path) -> None:
    (sentence,) = read_sst(write(tmp_path, "stsa.binary.dev", "1 a fine film .\n"))
    assert (sentence.text, sentence.attributes, sentence.split) == ("a fine film .", {"label": "1"}, "dev")


@pytest.mark.parametrize(
    ("reader", "line", "message"),
    [
        (read_cola, "gj04\t2\t\tYes.", r"f:2: four tab-separated columns.* expected, got 'gj04"),
        (read_cola, "Yes.", "f:2: four"),
        (read_trec, "loc where", "f:2: 'COARSE:fine question' expected"),
        (read_sst, "fine film", "f:2: 'label sentence'"),
        (read_sst, "", "f:2: 'label sentence'"),
    ],
)
def test_wrong_lines(tmp_path: Path, reader: Callable[..., Corpus], line: str, message: str) -> None:
    good = {read_cola: "a\t1\t\tYes.", read_trec: "LOC:city Where ?", read_sst: "1 yes"}[reader]
    with pytest.raises(DataError, match=message):
        reader(write(tmp_path, "f", f"{good}\n{line}\n{good}\n"))
