"""Variants of an experiment file: tables of other values for the same keys, chosen by ``NAME#variant``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from probekit.errors import ConfigError, did_you_mean


def parted(source: str) -> tuple[str, str]:
    """What is before and behind the last ``#``; a path may hold one in a folder's name.

    >>> parted("trec_adaptation#small"), parted("a#b/experiment.toml")
    (('trec_adaptation', 'small'), ('a#b/experiment.toml', ''))
    """
    name, mark, variant = source.rpartition("#")
    return (name, variant) if mark and name and "/" not in variant else (source, "")


def take_variant(document: dict[str, Any], variant: str, where: str) -> dict[str, Any]:
    """The document with the keys of one of its variants (none: without them all).

    Tables are merged key by key; of a list of tables, the first of the variant changes the first, and so on. Raises
    ConfigError for a variant that there is not.

    >>> file = {"analysis": [{"kind": "adapt", "seeds": 5}], "variant": {"small": {"analysis": [{"seeds": 2}]}}}
    >>> take_variant(file, "small", "file.toml")
    {'analysis': [{'kind': 'adapt', 'seeds': 2}]}
    """
    document = dict(document)
    variants = document.pop("variant", {})
    if not isinstance(variants, Mapping) or not all(isinstance(one, Mapping) for one in variants.values()):
        raise ConfigError(f"{where}: variants are tables: [variant.small]")
    if not variant:
        return document
    if variant not in variants:
        raise ConfigError(f"{where}: no [variant.{variant}]; {did_you_mean(variant, variants)}")
    changed: dict[str, Any] = _merged(document, variants[variant])
    return changed


def _merged(value: Any, other: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return {**value, **{key: _merged(value.get(key), given) for key, given in other.items()}}
    if _tables(value) and _tables(other):
        pairs = [_merged(own, given) for own, given in zip(value, other, strict=False)]
        return [*pairs, *value[len(other) :], *other[len(value) :]]
    return other


def _tables(value: Any) -> bool:
    return isinstance(value, Sequence) and bool(value) and all(isinstance(one, Mapping) for one in value)
