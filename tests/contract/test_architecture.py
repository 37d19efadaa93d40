"""The rule of the floors: who may import whom, read from the source and seen in fresh processes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "probekit"
FLOORS = [
    {"errors", "glossary"},
    {"maths"},
    {"results"},
    {"data"},
    {"estimators"},
    {"models"},
    {"activations"},
    {"probing", "behavior", "erasure", "attention", "geometry", "adaptation"},
    {"experiment"},
    {"cli"},
]
BELOW = {room: set().union(*FLOORS[:floor]) for floor, rooms in enumerate(FLOORS) for room in rooms}
BELOW["glossary"] = {"errors"}
BELOW["report"] = {"errors", "glossary", "maths", "results"}
BELOW["experiment"] |= {"report"}
BELOW["cli"] |= {"report"}
TRANSFORMERS_ROOMS = {"models", "adaptation"}
TORCH_FREE_ROOMS = {"errors", "glossary", "maths", "results", "data", "report"}
WRITERS = {"results/files.py", "models", "activations", "report", "cli"}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it, written in full."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in BELOW, f"{room} has no floor"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "probekit" and len(parts) > 1 and parts[1] in BELOW:
            assert parts[1] == room or parts[1] in BELOW[room], f"{path} imports {name}"


def test_the_rule_would_catch_a_breach(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("from probekit.experiment import run\n")
    assert "probekit.experiment.run" in imported(bad)
    assert "experiment" not in BELOW["data"]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_packages_stay_in_their_rooms(path: Path) -> None:
    room, heads = room_of(path), {name.split(".")[0] for name in imported(path)}
    if room not in TRANSFORMERS_ROOMS:
        assert not heads & {"transformers", "peft"}
    if room in TORCH_FREE_ROOMS:
        assert "torch" not in heads
    assert not heads & {"pickle", "shelve", "dill", "cloudpickle", "marshal"}


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_loads_code_or_prints(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in {"eval", "exec", "torch.load", "joblib.load", "joblib.dump", "torch.save"}, (
            called
        )
        assert not any(
            k.arg == "allow_pickle" and getattr(k.value, "value", None) is not False for k in node.keywords
        )
        if room_of(path) != "cli":
            assert called != "print"
        if called.endswith(".from_pretrained") and "Tokenizer" not in called:
            assert any(k.arg in {"trust_remote_code", None} for k in node.keywords), f"{path}:{node.lineno}"


def in_a_fresh_process(code: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("room", sorted(TORCH_FREE_ROOMS | {"cli"}))
def test_torch_free_rooms_load_no_torch(room: str) -> None:
    names = [
        ".".join(("probekit", *p.relative_to(PACKAGE).with_suffix("").parts))
        for p in sources()
        if room_of(p) == room
    ]
    code = f"import sys, json, importlib\nfor n in {names!r}: importlib.import_module(n)\n"
    if room == "cli":
        code = "import sys, json, probekit.cli\n"
    code += (
        "print(json.dumps({'torch': 'torch' in sys.modules, 'transformers': 'transformers' in sys.modules}))"
    )
    assert in_a_fresh_process(code) == {"torch": False, "transformers": False}


def test_importing_probekit_is_nearly_free() -> None:
    code = (
        "import sys, json, time\nbegun = time.process_time()\nimport probekit\nseconds = time.process_time() - begun\n"
        "heavy = sorted({'numpy', 'torch', 'pydantic', 'click'} & set(sys.modules))\n"
        "print(json.dumps({'heavy': heavy, 'fast': seconds < 0.3}))"
    )
    assert in_a_fresh_process(code) == {"heavy": [], "fast": True}


def test_help_is_nearly_free() -> None:
    code = (
        "import sys, json, time, io, contextlib\nbegun = time.process_time()\nfrom probekit.cli import main\n"
        "out = io.StringIO()\n"
        "try:\n    with contextlib.redirect_stdout(out): main(['--help'])\nexcept SystemExit as end: code = end.code\n"
        "seconds = time.process_time() - begun\n"
        "heavy = sorted({'numpy', 'torch', 'pydantic', 'rich', 'pandas'} & set(sys.modules))\n"
        "print(json.dumps({'code': code, 'heavy': heavy, 'fast': seconds < 0.3, 'shown': 'probe' in out.getvalue()}))"
    )
    assert in_a_fresh_process(code) == {"code": 0, "heavy": [], "fast": True, "shown": True}
