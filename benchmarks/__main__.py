"""`python -m benchmarks [--only NAME] [--rounds N]`: one JSON line per ratio; exit 1 if results differ."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import benchmarks.common  # noqa: F401 - one thread, before numpy and torch are loaded

HELPERS = {"__init__", "__main__", "common"}


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks asked for; 0 if every result equals its peer's."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=names, action="append", help="run only this one; repeatable")
    parser.add_argument("--rounds", type=int, default=5, help="measured turns of every peer (default 5)")
    chosen = parser.parse_args(argv)
    equal = True
    for name in chosen.only or names:
        for ratio in importlib.import_module(f"benchmarks.{name}").run(chosen.rounds):
            print(ratio.line(), flush=True)
            equal &= ratio.equal
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
