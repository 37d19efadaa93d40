"""Suite files: small suites as a whole, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from probekit.data.read_suite import load_suite
from probekit.errors import ConfigError, DataError

HEAD = 'name = "mine"\nquestion = "?"\n'
ITEM = '[[item]]\ngood = "He runs."\nbad = "He run."\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_pairs(tmp_path: Path) -> None:
    path = write(
        tmp_path, HEAD + ITEM + 'source = "Il court."\ncluster = "c"\ngroups = { attractors = 0, x = "y" }\n'
    )
    suite = load_suite(path)
    item = suite.items[0]
    assert (suite.name, suite.kind, item.id, item.cluster, item.place) == (
        "mine",
        "sentence",
        "1",
        "c",
        str(path),
    )
    assert item.groups == {"attractors": "0", "x": "y"}
    assert item["bad"].source == "Il court."


def test_regions_and_predictions(tmp_path: Path) -> None:
    suite = load_suite(
        write(
            tmp_path,
            HEAD
            + """
kind = "regions"
regions = ["start", "object", "end"]
text = { capital = true, append = " ." }
[[prediction]]
name = "gap"
formula = "(3;%gap%) < (3;%full%)"
[[anchor]]
texts = { gap = "a |  | b", full = "a | c | b" }
scores = { "3;gap" = 1.0, "3;full" = 2.0 }
expect = true
[[item]]
id = "k"
conditions = { gap = "who did we see |  | today", full = "who did we see | him | today" }
""",
        )
    )
    gap = suite.items[0]["gap"]
    assert gap.text == "Who did we see today ."
    assert [gap.text[a:b] for a, b in gap.regions] == ["Who did we see", "", "today"]
    assert suite.region_names == ("start", "object", "end")
    assert suite.text_rule == "first letter capital; ' .' appended"
    assert len(suite.anchors) == 1


def test_the_caller_has_the_last_word_on_texts(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + 'text = { append = " !" }\n' + ITEM)
    assert load_suite(path).items[0]["bad"].text == "He run. !"
    assert load_suite(path, append=" ?").items[0]["bad"].text == "He run. ?"
    assert load_suite(path, append="").text_rule == "as given"
    assert load_suite(path, capital=True).text_rule == "first letter capital; ' !' appended"


def test_data_stand_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("good\tbad\nHe runs.\tHe run.\n")
    path = write(tmp_path, HEAD + 'format = "pairs"\ndata = "pairs.tsv"\n')
    assert load_suite(path).items[0].id == "pairs-1"
    assert load_suite(path).name == "mine"
    other = tmp_path / "other.tsv"
    other.write_text("good\tbad\na\tb\n")
    assert load_suite(path, data=other).items[0].id == "other-1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD, "either 'format' (and data), or [[item]] tables"),
        (HEAD + 'format = "pairs"\n' + ITEM, "either 'format' (and data), or [[item]] tables"),
        (
            HEAD + 'format = "blimp"\nkind = "sentence"\n',
            "'kind', 'regions' and [[prediction]] belong to suites",
        ),
        (HEAD + 'data = "x"\n' + ITEM, "'data' belongs to suites with a 'format'"),
        (HEAD + 'licens = "x"\n' + ITEM, "unknown key 'licens'; did you mean 'licence'?"),
        (HEAD + 'format = "blmp"\n', "did you mean 'blimp'?"),
        ('question = "?"\n' + ITEM, "missing key 'name'"),
        (
            HEAD + '[[item]]\ngood = "x"\nbad = "y"\nconditions = { a = "b" }\n',
            "item 1 has either 'good' and 'bad'",
        ),
        (HEAD + 'kind = "regions"\n[[item]]\nconditions = { a = "b" }\n', "suite 'mine' predicts nothing"),
        (
            HEAD + '[[item]]\ngood = "x"\n',
            "item '1': an item of kind 'sentence' has 'good' and 'bad', got good",
        ),
        (HEAD + 'kind = "target"\n' + ITEM, "condition 'good': 1 regions, and kind 'target' has 3"),
        (HEAD + '[[prediction]]\nname = "p"\nformula = "1 <"\n' + ITEM, "prediction 'p': formula: a score"),
        ("name = [\n", "not valid TOML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises((ConfigError, DataError)) as caught:
        load_suite(write(tmp_path, text))
    assert said in str(caught.value)
