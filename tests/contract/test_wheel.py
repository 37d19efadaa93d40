"""A wheel built from the checkout, unpacked into an empty folder, works from there: its tasks, lexicon, experiment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# run beside the wheel's files: the checkout, which an editable install puts on the path, is taken off it first
SCRIPT = """
import contextlib, io, json, sys
from pathlib import Path

root, unpacked = (Path(name).resolve() for name in sys.argv[1:])
sys.path[:] = [name for name in sys.path if Path(name).resolve() != root]

import probekit as pk
from probekit.cli import main
from probekit.data.catalogue import probes_folder
from probekit.experiment.plan import built_in_experiments


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as end:
            return {"code": end.code, "out": out.getvalue(), "err": err.getvalue()}


small = ["--set", "corpus.generated={ train = 20, dev = 5, test = 5 }"]
found = {
    "tasks": json.loads(call("tasks", "list", "--json")["out"]),
    "label": pk.load_task("upos").label,
    "sizes": pk.generate_corpus(3, 1, 1).sizes,
    "run": call("run", "quickstart", "--dry-run", *small),
    "agreement": call("run", "agreement", "--dry-run"),
    "used": call("run", "number_is_used", "--dry-run"),
    "adaptation": call("run", "adaptation", "--dry-run"),
    "experiments": sorted(built_in_experiments()),
    "version": pk.__version__,
}
places = {str(probes_folder()), *(str(path) for path in built_in_experiments().values())}
places |= {m.__file__ for name, m in sys.modules.items() if name.split(".")[0] == "probekit" and m.__file__}
found["outside"] = sorted(place for place in places if not Path(place).resolve().is_relative_to(unpacked))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = folder.glob("probekit_nlp-*.whl")
    return built


def test_what_the_wheel_holds(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "probekit").rglob("*.py")}
    assert sources <= names
    assert "probekit/py.typed" in names
    assert {f"probekit/_probes/tasks/{p.name}" for p in (ROOT / "probes/tasks").glob("*.toml")} <= names
    assert {name.rpartition(".")[2] for name in names} <= {
        "py",
        "typed",
        "toml",
        "tsv",
        "md",
        "ipynb",
        "css",
        "jinja",
        "js",
    }
    for name in names:
        if name.endswith(".ipynb"):
            cells = json.loads(zipfile.ZipFile(wheel).read(name))["cells"]
            assert not any(cell.get("outputs") for cell in cells), f"{name} carries outputs"


def test_the_wheel_works_alone(wheel: Path, tmp_path: Path) -> None:
    unpacked, elsewhere = tmp_path / "unpacked", tmp_path / "elsewhere"
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(unpacked)
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", SCRIPT, str(ROOT), str(unpacked)],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["outside"] == []
    assert {task["name"] for task in found["tasks"]} == {
        p.stem for p in (ROOT / "probes/tasks").glob("*.toml")
    }
    assert found["label"] == "upos"
    assert found["sizes"] == {"train": 3, "dev": 1, "test": 1}
    assert found["experiments"] == ["adaptation", "agreement", "number_is_used", "quickstart"]
    assert found["agreement"]["code"] == 0, found["agreement"]["err"]
    assert "train masked as" in found["agreement"]["out"]
    assert found["used"]["code"] == 0, found["used"]["err"]
    assert "erase verb_number, subject_kind at every layer" in found["used"]["out"]
    assert found["adaptation"]["code"] == 0, found["adaptation"]["err"]
    assert "adapt to deprel by frozen-linear, scalar-mix, lora, full" in found["adaptation"]["out"]
    assert found["run"]["code"] == 0, found["run"]["err"]
    assert "plan for demo:minilm" in found["run"]["out"]
    assert str(wheel.name).split("-")[1] == found["version"]
    assert list(elsewhere.iterdir()) == []
