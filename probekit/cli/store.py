"""`probekit store`: what representations are kept, whether they are whole, and removing them."""

from __future__ import annotations

import sys
from typing import Any

import click

from probekit.cli.common import emit, json_option, say


@click.group("store")
def command() -> None:
    """List, verify and remove stored representations (the folder PROBEKIT_STORE, else your cache folder)."""


@command.command("list")
@json_option
def list_entries(as_json: bool) -> None:
    """List the entries: key, model, corpus, rows, size."""
    from probekit.activations.store import Store

    store = Store()
    entries = store.list()
    if as_json:
        emit({"store": str(store.root), "entries": [_document(entry) for entry in entries]})
        return
    say(f"{store.root}: {len(entries)} entries, {sum(entry.size for entry in entries) / 1e6:,.1f} MB")
    for entry in entries:
        state = "" if entry.complete else "  (unfinished)"
        click.echo(
            f"{entry.key[:12]}  {entry.model}  {entry.corpus}  {entry.rows:,} {entry.unit} rows ({entry.pool}), "
            f"{len(entry.layers)} layers of {entry.dim}, {entry.size / 1e6:,.1f} MB{state}"
        )


@command.command("verify")
@click.argument("key", required=False)
@json_option
def verify(key: str | None, as_json: bool) -> int:
    """Read every byte of every entry, or of KEY; exit with 4 where any is wrong.

    Damaged files are moved to quarantine/. Nothing is computed: `probekit extract` or `probekit run` makes again
    what is missing.
    """
    from probekit.activations.store import Store

    store = Store()
    keys = [store.find(key)] if key else store.keys()
    damages = [damage for name in keys for damage in store.verify(name)]
    if as_json:
        lines = [
            {
                "key": damage.key,
                "file": str(damage.file),
                "what": damage.what,
                "moved_to": str(damage.moved_to) if damage.moved_to else None,
            }
            for damage in damages
        ]
        emit({"store": str(store.root), "entries": len(keys), "damages": lines})
    else:
        for damage in damages:
            click.echo(f"{damage.file}: {damage.what}")
            if damage.moved_to:
                click.echo(f"  moved to {damage.moved_to}")
        say(f"{len(keys)} entries verified, {len(damages)} damaged or missing files")
        if damages:
            say("extract or run again: only what is missing is computed")
    return 4 if damages else 0


@command.command("remove")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(key: str, yes: bool, as_json: bool) -> None:
    """Remove the entry whose key begins with KEY."""
    from probekit.activations.store import Store
    from probekit.errors import ConfigError

    store = Store()
    found = store.find(key)
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"would remove {store.path(found)}; add --yes to do it")
        if not click.confirm(f"remove {store.path(found)}?", err=True):
            say("nothing was removed")
            if as_json:
                emit({"removed": None, "freed_bytes": 0})
            return
    freed = store.remove(found)
    if as_json:
        emit({"removed": found, "freed_bytes": freed})
    else:
        click.echo(f"removed {found[:12]}, {freed / 1e6:,.1f} MB freed")


def _document(entry: Any) -> dict[str, Any]:
    return {
        "key": entry.key,
        "path": str(entry.path),
        "complete": entry.complete,
        "model": entry.model,
        "corpus": entry.corpus,
        "unit": entry.unit,
        "pool": entry.pool,
        "layers": list(entry.layers),
        "rows": entry.rows,
        "dim": entry.dim,
        "bytes": entry.size,
    }
