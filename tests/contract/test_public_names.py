"""The public names: every one of them exists, is documented, and is where __all__ says."""

from __future__ import annotations

import inspect

import pytest

import probekit as pk


@pytest.mark.parametrize("name", [n for n in pk.__all__ if n != "__version__"])
def test_every_public_name_loads_and_is_documented(name: str) -> None:
    value = getattr(pk, name)
    assert inspect.getdoc(value), f"{name} has no docstring"
    assert value.__name__ == name


def test_version_and_listing() -> None:
    assert pk.__version__.count(".") == 2
    assert dir(pk) == sorted(pk.__all__)


def test_a_misspelt_name_gets_a_hint() -> None:
    with pytest.raises(AttributeError, match="did you mean 'load_model'"):
        pk.laod_model  # noqa: B018
