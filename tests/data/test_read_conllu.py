"""CoNLL-U read and written: multiword tokens, empty nodes, spacing, and errors that name the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.data.corpus import Corpus
from probekit.data.read_conllu import read_conllu
from probekit.data.sentence import Sentence
from probekit.data.write_conllu import conllu_lines, write_conllu
from probekit.errors import DataError

ENGLISH = """\
# newdoc id = letters
# sent_id = a
# genre = note
# text = They don't rust (yet).
1\tThey\tthey\tPRON\tPRP\tCase=Nom|Number=Plur\t4\tnsubj\t4:nsubj\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\tMood=Ind\t4\taux\t4:aux\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t4:advmod\t_
3.1\trust\trust\tVERB\t_\t_\t_\t_\t0:root\t_
4\trust\trust\tVERB\tVB\tVerbForm=Inf\t0\troot\t0:root\t_
5\t(\t(\tPUNCT\t-LRB-\t_\t6\tpunct\t6:punct\tSpaceAfter=No
6\tyet\tyet\tADV\tRB\t_\t4\tadvmod\t4:advmod\tSpaceAfter=No
7\t)\t)\tPUNCT\t-RRB-\t_\t6\tpunct\t6:punct\tSpaceAfter=No
8\t.\t.\tPUNCT\t.\t_\t4\tpunct\t4:punct\t_

# sent_id = b
1\tYes\tyes\tINTJ\tUH\t_\t0\troot\t0:root\tSpaceAfter=No
2\t.\t.\tPUNCT\t.\t_\t1\tpunct\t1:punct\t_

"""
JAPANESE = """\
# text = 鍵が錆びた。
1\t鍵\t鍵\tNOUN\t_\t_\t3\tnsubj\t_\tSpaceAfter=No
2\tが\tが\tADP\t_\t_\t1\tcase\t_\tSpaceAfter=No
3\t錆び\t錆びる\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No
4\tた\tた\tAUX\t_\t_\t3\taux\t_\tSpaceAfter=No
5\t。\t。\tPUNCT\t_\t_\t3\tpunct\t_\tSpaceAfter=No

"""


def write(folder: Path, content: str | bytes, name: str = "x-ud-train.conllu") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def row(index: str, form: str, head: str = "0", misc: str = "_") -> str:
    return f"{index}\t{form}\t_\tNOUN\t_\t_\t{head}\troot\t_\t{misc}\n"


def test_words_offsets_and_annotation(tmp_path: Path) -> None:
    corpus = read_conllu(write(tmp_path, ENGLISH))
    a, b = corpus
    assert a.words == ("They", "do", "n't", "rust", "(", "yet", ")", ".")
    assert a.offsets == ((0, 4), (5, 7), (7, 10), (11, 15), (16, 17), (17, 20), (20, 21), (21, 22))
    assert a.columns["feats"][0] == "Case=Nom|Number=Plur"
    assert a.columns["head"][:3] == ("4", "4", "4")
    assert (a.id, a.document, a.split, dict(a.attributes)) == ("a", "letters", "train", {"genre": "note"})
    assert (b.text, b.offsets, b.document) == ("Yes.", ((0, 3), (3, 4)), "letters")
    assert corpus.files == ("x-ud-train.conllu",)
    assert corpus.text_form == "surface"


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.replace("\n", "\r\n"),
        lambda s: "\ufeff" + s,
        lambda s: s.rstrip("\n"),
        lambda s: "\n\n" + s.replace("\n\n", "\n \t\n\n"),
    ],
    ids=["crlf", "bom", "no last blank line", "more blank lines"],
)
def test_line_ends_do_not_matter(tmp_path: Path, change: object) -> None:
    plain = read_conllu(write(tmp_path, ENGLISH))
    changed = read_conllu(write(tmp_path, change(ENGLISH)))  # type: ignore[operator]
    assert changed.hash == plain.hash


def test_text_without_spaces(tmp_path: Path) -> None:
    for content in (JAPANESE, JAPANESE.split("\n", 1)[1]):  # with and without '# text'
        (sentence,) = read_conllu(write(tmp_path, content, "ja_dev.conllu"))
        assert sentence.text == "鍵が錆びた。"
        assert [sentence.text[a:b] for a, b in sentence.offsets] == list(sentence.words)
        assert (sentence.id, sentence.split) == ("ja_dev-1", "dev")


def test_spaces_inside_words_and_unusual_spaces(tmp_path: Path) -> None:
    content = (
        "# text = Noin 1\u00a0000 \u3000km\n"
        + row("1", "Noin")
        + row("2", "1 000", "1")
        + row("3", "km", "1")
    )
    (sentence,) = read_conllu(write(tmp_path, content))
    assert [sentence.text[a:b] for a, b in sentence.offsets] == ["Noin", "1\u00a0000", "km"]


def test_line_separators_inside_a_text_are_no_line_ends(tmp_path: Path) -> None:
    (sentence,) = read_conllu(
        write(tmp_path, "# text = a\u2028b\x85c\n" + row("1", "a") + row("2", "b", "1") + row("3", "c", "1"))
    )
    assert sentence.text == "a\u2028b\x85c"


def test_a_sentence_without_words_is_kept(tmp_path: Path) -> None:
    corpus = read_conllu(write(tmp_path, "# sent_id = empty\n# text = \n\n" + row("1", "Yes")))
    assert [(s.id, len(s)) for s in corpus] == [("empty", 0), ("x-ud-train-2", 1)]


def test_documents_without_a_name(tmp_path: Path) -> None:
    content = "# newdoc\n" + row("1", "a") + "\n" + row("1", "b") + "\n# newdoc\n" + row("1", "c")
    corpus = read_conllu(write(tmp_path, content))
    assert [s.document[-1] for s in corpus] == ["1", "1", "2"]


def test_ten_thousand_words(tmp_path: Path) -> None:
    content = "".join(row(str(i), "word", str(i - 1)) for i in range(1, 10_001))
    (sentence,) = read_conllu(write(tmp_path, content))
    assert len(sentence) == 10_000
    assert sentence.offsets[-1] == (49_995, 49_999)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("1\tKeys\t_\n", ":1: 3 tab-separated columns where CoNLL-U has 10"),
        (row("1", "a") + row("3", "b"), ":2: word number 3 where 2 was expected"),
        (row("x", "a"), ":1: 'x' is not a word number"),
        (row("1", ""), ":1: word 1 has no form"),
        ("# sent_id = 1\n" + row("1", "a", "2"), ":2: head '2' of word 1 is not a number from 0 to 1"),
        (row("1", "a") + row("2", "b", "one"), ":2: head 'one' of word 2"),
        (row("2-3", "ab") + row("1", "a"), ":1: multiword token '2-3' where one that begins at 1"),
        (row("1-3", "ab") + row("1", "a"), ":1: a multiword token reaches to word 3, but there are 1 words"),
        (row("1-2", "ab") + row("1", "a") + row("2-3", "bc"), ":3: multiword token 2-3 overlaps"),
        (
            "\n\n# text = a c\n" + row("1", "a") + row("2", "b", "1"),
            r":3: word 2 \('b'\) is not what .* character 3",
        ),
        ("# text = a b c\n" + row("1", "a"), ":1: '# text' goes on after the last word: ' b c'"),
        (row("1", "a").encode() + b"2\tcaf\xe9\n", r":2: byte 6 of this line \(0xe9\) is not UTF-8"),
        (b"1\t\xed\xa0\x80\n", r":1: byte 3 of this line \(0xed\)"),
        (b"1\ta\x00\n", ":1: NUL character"),
        ("1\ta\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as problem:
        read_conllu(write(tmp_path, content))
    assert "x-ud-train.conllu" in str(problem.value)


def test_two_files_with_one_id_are_refused_naming_both(tmp_path: Path) -> None:
    write(tmp_path, ENGLISH, "x-train.conllu")
    write(tmp_path, ENGLISH, "x-test.conllu")
    with pytest.raises(DataError, match=r"x-train.conllu:1.*already given at .*x-test.conllu:1"):
        read_conllu(str(tmp_path / "*.conllu"))


def test_missing_files(tmp_path: Path) -> None:
    write(tmp_path, ENGLISH, "train.conllu")
    with pytest.raises(DataError, match=r"did you mean 'train\.conllu'"):
        read_conllu(tmp_path / "trian.conllu")
    with pytest.raises(DataError, match="no file matches this pattern"):
        read_conllu(str(tmp_path / "*.conll"))
    with pytest.raises(DataError, match="this is a folder"):
        read_conllu(tmp_path)


FORM = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=5)


@st.composite
def sentences(draw: st.DrawFn, id: str) -> Sentence:
    """Words with free spacing; now and then two words share a span, as in a multiword token."""
    words: list[str] = []
    offsets: list[tuple[int, int]] = []
    text = ""
    for form in draw(st.lists(FORM, min_size=1, max_size=6)):
        start = len(text)
        text += form
        shared = draw(st.integers(1, 2)) if not form.startswith("#") else 1
        words += draw(st.lists(FORM, min_size=2, max_size=2)) if shared == 2 else [form]
        offsets += [(start, len(text))] * shared
        text += draw(st.sampled_from(["", " "]))
    n = len(words)
    columns = {"upos": draw(st.lists(st.sampled_from(["NOUN", "_"]), min_size=n, max_size=n))}
    heads = draw(st.lists(st.integers(0, n).map(str), min_size=n, max_size=n))
    return Sentence(
        id,
        tuple(words),
        text.rstrip(" "),
        tuple(offsets),
        {"upos": tuple(columns["upos"]), "head": tuple(heads)},
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    corpus = Corpus([data.draw(sentences(str(i))) for i in range(2)])
    path = tmp_path_factory.mktemp("round") / "x.conllu"
    write_conllu(corpus, path)
    again = read_conllu(path)
    assert again.text_hash == corpus.text_hash
    assert [s.columns["upos"] for s in again] == [s.columns["upos"] for s in corpus]
    assert [s.columns["head"] for s in again] == [s.columns["head"] for s in corpus]


def test_the_file_itself_comes_back(tmp_path: Path) -> None:
    lines = list(conllu_lines(read_conllu(write(tmp_path, ENGLISH))))
    # what is gone is the empty node; a text that was not written is
    kept = [line for line in ENGLISH.split("\n") if not line.startswith("3.1")]
    assert [line for line in lines if line != "# text = Yes."] == [
        *kept[:2], kept[3], kept[2], *kept[4:-1]
    ]  # fmt: skip


def test_words_that_do_not_spell_their_token_share_its_span(tmp_path: Path) -> None:
    french = "# text = du pain\n" + row("1-2", "du") + row("1", "de") + row("2", "le") + row("3", "pain")
    [sentence] = read_conllu(write(tmp_path, french))
    assert sentence.offsets == ((0, 2), (0, 2), (3, 7))


def test_a_line_break_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line break"):
        write_conllu(Corpus([Sentence.from_text("a", "x\ny")]), tmp_path / "x.conllu")
    assert not (tmp_path / "x.conllu").exists()
