"""Rules of the house that no linter knows: sizes, leftovers, machine paths, the distribution's name, pins, targets."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 400
BINARY = {".png", ".pdf", ".safetensors"}


def tracked() -> list[Path]:
    """The files that git keeps, or would keep; skipped where this is no checkout."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    """(name, content) of the text files of the repository, its tests apart."""
    return [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8", errors="replace"))
        for path in tracked()
        if path.suffix not in BINARY and not path.is_relative_to(ROOT / "tests")
    ]


def lines_with(pattern: str, given: list[tuple[str, str]]) -> list[str]:
    wanted = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in given
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n")
        for path in (ROOT / "probekit").rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}


def test_nothing_is_put_off() -> None:
    assert lines_with(r"\b(TODO|FIXME|XXX)\b", texts()) == []


def test_no_path_of_a_machine() -> None:
    assert lines_with(r"(?<![\w.])/(work|root|home)/", texts()) == []


# `probekit` on PyPI belongs to others; ours is probekit-nlp
INSTALL = r"pip3? install\b[^`\n]*['\" ]probekit(?!-nlp)(?![\w/])"


def test_nobody_is_told_to_install_another_project() -> None:
    assert lines_with(INSTALL, texts()) == []


def test_the_rule_on_installing_would_catch_a_breach() -> None:
    bad = ["pip install probekit", "pip install -U 'probekit[demo]'", "`pip install probekit==1`"]
    good = ["pip install 'probekit-nlp[demo]'", "`pip install x` and `probekit run`"]
    assert len(lines_with(INSTALL, [("page", "\n".join(bad + good))])) == len(bad)


def test_every_dependency_is_pinned_exactly() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    asked = {_plain(re.split(r"[<>=!~\[; ]", line)[0]) for group in groups for line in group}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line.strip() and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)] == []
    assert asked - {_plain(line.partition("==")[0]) for line in pins} == set()


def _plain(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_one_command_to_see_it_and_one_to_check_it() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"Makefile has no target {target}"
        assert f"make {target}" in readme, f"README does not name make {target}"
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
