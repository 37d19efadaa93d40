"""Every example in a docstring runs as it stands, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import probekit as pk
from probekit.models.families import FAMILIES

PACKAGE = Path(pk.__file__).resolve().parent
MODULES = [
    ".".join(("probekit", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
]
PUBLIC = [name for name in pk.__all__ if name != "__version__"]
RULES = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def examples_of(name: str) -> Iterator[doctest.DocTest]:
    """The docstrings with examples of a module, each with the module's own names, `np`, `pk` and `Path`."""
    module = importlib.import_module(name)
    names = {**vars(module), "np": np, "pk": pk, "Path": Path}
    for found in doctest.DocTestFinder(exclude_empty=True).find(module, globs=names):
        if found.examples:
            yield found


@pytest.fixture
def own_families() -> Iterator[None]:
    """What an example registers is gone when it ends: other tests look at the table."""
    before = dict(FAMILIES)
    yield
    FAMILIES.clear()
    FAMILIES.update(before)


@pytest.mark.usefixtures("own_families")
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=RULES)
    for found in examples_of(name):
        runner.run(found, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    value = getattr(pk, name)
    assert ">>> " in (inspect.getdoc(value) or ""), f"{value.__module__}.{name} has no example"


ARRAYS = re.compile(r"NDArray|Array|Float\[|Int\[")
SHAPE = re.compile(r"[\[(][^\])]*\b(n|n_\w+|rows\w*|dim|features|labels|classes|samples)\b[^\[(]*[\])]")


def members(name: str) -> Iterator[tuple[str, Any]]:
    """A public function, or a public class's own public methods and properties, as plain functions."""
    value = getattr(pk, name)
    if not inspect.isclass(value):
        yield name, value
        return
    for below, member in vars(value).items():
        member = next((m for a in ("fget", "func", "__func__") if (m := getattr(member, a, None))), member)
        if inspect.isfunction(member) and not below.startswith("_"):
            yield f"{name}.{below}", member


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_that_give_arrays_say_their_shape(name: str) -> None:
    for spoken, member in members(name):
        if ARRAYS.search(str(member.__annotations__.get("return"))):
            assert SHAPE.search(inspect.getdoc(member) or ""), f"{spoken}: its docstring says no shape"
