"""Suites by name, by file, or from data in a published format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from probekit.data.anchors import check_anchors, check_scores
from probekit.data.catalogue import probes_folder
from probekit.data.guess_suite import data_files, guess_format, has_magic
from probekit.data.lines import Paths
from probekit.data.read_blimp import read_blimp
from probekit.data.read_blocks import PARTIAL, read_blocks
from probekit.data.read_cola_suite import read_cola_suite
from probekit.data.read_goldberg import read_goldberg
from probekit.data.read_gulordava import read_gulordava
from probekit.data.read_linzen import read_linzen
from probekit.data.read_marvin_linzen import read_marvin_linzen
from probekit.data.read_pairs import read_pairs
from probekit.data.read_syntaxgym import read_syntaxgym
from probekit.data.suite import SENTENCE, TARGET, Anchor, Kind, Prediction, Suite
from probekit.data.suite_toml import SuiteFile, own_suite, read_suite_file, with_header
from probekit.data.text_rule import apply_text_rule
from probekit.errors import ConfigError, did_you_mean


class Reader(Protocol):
    """Files in one format -> a suite."""

    def __call__(self, paths: Paths, *, name: str = "") -> Suite: ...


READERS: dict[str, Reader] = {
    "blimp": read_blimp,
    "syntaxgym": read_syntaxgym,
    "gulordava": read_gulordava,
    "linzen": read_linzen,
    "marvin-linzen": read_marvin_linzen,
    "goldberg": read_goldberg,
    "cola": read_cola_suite,
    "pairs": read_pairs,
    "blocks": read_blocks,
}


class Meant(NamedTuple):
    """The kind and the predictions that every suite in a format has (None: the data bring their own)."""

    kind: Kind
    predictions: tuple[Prediction, ...] | None


_PAIRS = Meant("sentence", (Prediction("good over bad", SENTENCE),))
_TARGETS = Meant("target", (Prediction("good over bad", TARGET),))
MEANT: dict[str, Meant] = {
    "blimp": _PAIRS,
    "syntaxgym": Meant("regions", None),
    "gulordava": _TARGETS,
    "linzen": _TARGETS,
    "marvin-linzen": _PAIRS,
    "goldberg": _TARGETS,
    "cola": Meant("acceptability", ()),
    "pairs": Meant("sentence", None),
    "blocks": Meant("regions", (Prediction("right candidate over wrong", PARTIAL),)),
}


class Stated(NamedTuple):
    """What is known of a suite file before any data are read.

    `predictions` is None where the data bring them, `n_items` where the data bring the items.
    """

    table: SuiteFile
    file: Path
    kind: Kind
    predictions: tuple[Prediction, ...] | None
    n_items: int | None = None

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        return self.table.anchors

    def check(self) -> int:
        """Check the anchors; how many could be (none where the data bring the predictions)."""
        if self.predictions is None:
            return 0
        return check_scores(self.table.name, self.anchors, self.predictions, self.kind)


def list_suites() -> list[str]:
    """Names of the built-in suites, sorted; for the published ones their data must be at hand.

    >>> list_suites()[:3]
    ['agreement', 'agreement-coordination', 'agreement-nonce']
    """
    return sorted(path.stem for path in (probes_folder() / "suites").glob("*.toml"))


def find_suite_file(name: str | Path) -> Path | None:
    """The file of a built-in suite, or of one's own (a path that ends in ``.toml``); None for anything else."""
    if str(name).endswith(".toml"):
        if not Path(name).is_file():
            raise ConfigError(f"{name}: no such suite file")
        return Path(name)
    return probes_folder() / "suites" / f"{name}.toml" if str(name) in list_suites() else None


def state_suite(name: str | Path) -> Stated:
    """What the file of a suite says; its items are read or generated where the file itself says them.

    Raises ConfigError for an unknown name, and for every wrong key or value.
    """
    file = find_suite_file(name)
    if file is None:
        hint = did_you_mean(str(name), list_suites())
        raise ConfigError(
            f"no suite {str(name)!r}; {hint} (a suite file of your own: give its path, ending in .toml)"
        )
    table = read_suite_file(file)
    if table.format is None:
        suite = own_suite(table, file)
        return Stated(table, file, suite.kind, suite.predictions, len(suite))
    return Stated(table, file, *MEANT[table.format])


def load_suite(
    source: str | Path,
    *,
    data: str | Path | None = None,
    format: str | None = None,
    append: str | None = None,
    capital: bool | None = None,
) -> Suite:
    """A suite: a built-in name, a suite file (``.toml``), or data in a published format (file, folder or glob).

    Args:
        data: where the data of a published suite are (others' data are not part of this package); a folder is one
            suite, and its files are its phenomena.
        format: blimp, syntaxgym, gulordava, linzen, marvin-linzen, goldberg, cola, pairs or blocks; default: told by
            the content.
        append: what is added to every text that does not end so, such as ``" ."``; default: as the suite file says.
        capital: whether texts begin with a capital letter; default: as the suite file says.

    Raises:
        ConfigError: for an unknown name or format, a wrong key in a suite file, anchors that the prediction fails.
        DataError: for data that are not as their format demands, with file and line.

    >>> suite = load_suite("simple-agreement")
    >>> suite.items[0]["good"].text
    'The pilot sleeps at home .'
    """
    if format is not None and format not in READERS:
        raise ConfigError(f"unknown format {format!r}; {did_you_mean(format, READERS)}")
    file = find_suite_file(source)
    if file is None:
        suite, table = _published(source, data, format)
    else:
        table = read_suite_file(file)
        suite = _of_file(table, file, data, format)
    rule = table.text if table else None
    suite = apply_text_rule(
        suite,
        append if append is not None else rule.append if rule else "",
        capital if capital is not None else rule.capital if rule else False,
    )
    check_anchors(suite)
    return suite


def _of_file(table: SuiteFile, file: Path, data: str | Path | None, format: str | None) -> Suite:
    if table.format is None:
        if data is not None or format is not None:
            raise ConfigError(f"suite {table.name!r} has items of its own; it takes no data and no format")
        return own_suite(table, file)
    if format not in (None, table.format):
        raise ConfigError(f"suite {table.name!r} has the format {table.format!r}, not {format!r}")
    if data is None:
        if not table.data:
            raise ConfigError(
                f"suite {table.name!r} needs its data, which are not part of this package: get them from"
                f" {table.source or 'their publisher'} and say where they are (data=, or --data PATH)"
            )
        data = file.parent / Path(table.data).expanduser()
    suite = READERS[table.format](data_files(data, table.format), name=table.name)
    return with_header(suite, table)


def _published(
    source: str | Path, data: str | Path | None, format: str | None
) -> tuple[Suite, SuiteFile | None]:
    path = Path(source).expanduser()
    if data is not None or not (path.exists() or has_magic(str(source)) or path.parent != Path()):
        hint = did_you_mean(str(source), list_suites())
        raise ConfigError(
            f"no suite {str(source)!r}; {hint} (or the path of a suite file, data file or folder)"
        )
    chosen = format or guess_format(source)
    files = data_files(source, chosen)
    name = path.resolve().name if path.is_dir() else ""
    return _with_built_in(READERS[chosen](files, name=name), chosen)


def _with_built_in(suite: Suite, format: str) -> tuple[Suite, SuiteFile | None]:
    """Data of a published suite named by their path are told as the built-in suite of that format is."""
    for name in list_suites():
        table = read_suite_file(probes_folder() / "suites" / f"{name}.toml")
        if table.format == format:
            return replace(with_header(suite, table), name=suite.name), table
    return suite, None
