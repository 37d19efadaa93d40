"""Definite pronouns: who is meant, by number, and what is unclear."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.attention.links import attribute_links
from probekit.data.read_dpr import read_dpr
from probekit.errors import DataError

PAIR = """The sniper shot the terrorist because he was a bad guy.
he
The sniper,the terrorist
the terrorist

The sniper shot the terrorist because he had orders.
he
The sniper,the terrorist
The sniper
"""


def write(folder: Path, text: str, name: str = "test.c.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_pair(tmp_path: Path) -> None:
    corpus = read_dpr(write(tmp_path, PAIR))
    first, second = corpus
    assert first.words[6:] == ("he", "was", "a", "bad", "guy", ".")
    assert first.attributes == {"pronoun": "7", "answer": "4 5", "other": "1 2"}
    assert second.attributes == {"pronoun": "7", "answer": "1 2", "other": "4 5"}
    assert first.document == second.document
    assert (corpus.name, corpus.sizes) == ("dpr", {"test": 2})


def test_no_more_than_two_sentences_are_a_pair(tmp_path: Path) -> None:
    corpus = read_dpr(write(tmp_path, PAIR + "\n" + PAIR), split="dev")
    documents = [sentence.document for sentence in corpus]
    assert documents[0] == documents[1] != documents[2] == documents[3]
    assert corpus.sizes == {"dev": 4}


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("It is said that it fell on a cat and a dog.\nit\na cat,a dog\na cat\n", None),
        (
            "Ann met Sue and she met her, she said.\nshe\nAnn,Sue\nAnn\n",
            "'she' stands in the sentence 2 times",
        ),
        ("Ann met Sue and that girl left.\nthat girl\nAnn,Sue\nAnn\n", "'that girl' is more than one word"),
        ("Ann met Sue and she left.\nshe\nAnn,Susan\nAnn\n", "'Susan' does not stand in the sentence"),
        ("Ann met him and he left.\nhim\nAnn,him\nAnn\n", "the pronoun 'him' is part of a candidate"),
    ],
)
def test_unclear_sentences_say_why(tmp_path: Path, block: str, said: str | None) -> None:
    (sentence,) = read_dpr(write(tmp_path, block))
    assert sentence.attributes.get("unclear") == said
    assert ("pronoun" in sentence.attributes) == (said is None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("One line.\nhe\nA,B\n", "test.c.txt:1: a block of four lines expected"),
        (PAIR + "more\n", "test.c.txt:10: an empty line expected"),
        ("A met B; he left.\nhe\nA,B,C\nA\n", "test.c.txt:3: two candidates"),
        ("A met B; he left.\nhe\nA,B\nC\n", "test.c.txt:3: two candidates, one of them the answer 'C'"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_dpr(write(tmp_path, text))


@pytest.mark.real
def test_the_public_set(shared_data: Path) -> None:
    corpus = read_dpr(str(shared_data / "dpr" / "*.c.txt"))
    assert corpus.sizes == {"train": 1316, "test": 564}
    links = attribute_links(corpus, "pronoun", "answer", cluster="document")
    assert len(links) + sum("unclear" in sentence.attributes for sentence in corpus) == 1880
    assert len(links) > 1800
    assert links.n_clusters > 900
