"""Analogy questions by section."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_analogies import Analogy, read_analogies
from probekit.errors import DataError


def test_questions_and_sections(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text(": family\nboy girl king queen\n\n: gram8 plural\ncat cats dog dogs\n")
    assert read_analogies(tmp_path / "q.txt") == [
        Analogy("family", "boy", "girl", "king", "queen"), Analogy("gram8 plural", "cat", "cats", "dog", "dogs"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("boy girl king queen\n", r"q\.txt:1: a ': section' line first expected"),
        (": family\nboy girl king\n", r"q\.txt:2: four words expected, got 'boy girl king'"),
        (": \nboy girl king queen\n", r"q\.txt:1: a section without a name"),
        (": family\n", "headers and no question"),
    ],
)
def test_misfits(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "q.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        read_analogies(tmp_path / "q.txt")


@pytest.mark.real
def test_real(shared_data: Path) -> None:
    questions = read_analogies(shared_data / "analogies/questions-words.txt")
    assert len(questions) == 19544
    assert len({q.section for q in questions}) == 14
    phrases = read_analogies(shared_data / "analogies/questions-phrases.txt")
    assert len({q.section for q in phrases}) == 5
