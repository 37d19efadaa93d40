"""One number with what it takes to believe it: what, where, how, its interval, and how many units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from probekit.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas

_NUMBERS = ("value", "low", "high", "p", "p_adjusted", "seconds")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One row of results.

    A value that could not be measured is `None` with a `reason`, never 0 and never NaN: NaN and infinity are
    turned into `None` on the way in.

    control
        "" for the task itself, else "word-type", "shuffled", "majority", "word-identity", "random-twin".
    group
        What the number is restricted to or varied by: "label=NOUN", "strength=1.0", "text-overlap=excluded".
    interval
        How `low` and `high` were made, e.g. "cluster bootstrap over sentences, 1000 resamples, 95 %".
    reference
        The row a difference was taken from; `p` belongs to that comparison, `p_adjusted` is corrected over a
        family of `family_size` comparisons.

    >>> Measurement(metric="accuracy", layer="3", value=0.95, n=100).value
    0.95
    """

    run: str = ""
    question: str = ""
    corpus: str = ""
    model: str = ""
    model_kind: str = "pretrained"
    layer: str = ""
    site: str = "hidden"
    method: str = ""
    control: str = ""
    group: str = ""
    seeds: tuple[tuple[str, int], ...] = ()
    split: str = "test"
    metric: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str = ""
    n: int = 0
    n_left_out: int = 0
    unit: str = "word"
    reference: str = ""
    p: float | None = None
    p_adjusted: float | None = None
    family_size: int | None = None
    seconds: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        def fix(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name in _NUMBERS:
            number = getattr(self, name)
            if number is not None:
                fix(name, float(number) if math.isfinite(number) else None)
        if self.value is None and not self.reason:
            fix("reason", "not defined")
        fix("n", int(self.n))
        fix("n_left_out", int(self.n_left_out))
        if self.family_size is not None:
            fix("family_size", int(self.family_size))
        pairs = self.seeds.items() if isinstance(self.seeds, Mapping) else self.seeds
        fix("seeds", tuple(sorted((str(name), int(seed)) for name, seed in pairs)))

    def to_dict(self) -> dict[str, Any]:
        """The row as a JSON object; `seeds` as an object of its own."""
        return asdict(self) | {"seeds": dict(self.seeds)}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Measurement:
        """The row read back. Raises DataError for a key that no measurement has, and for a missing metric."""
        known = [field.name for field in fields(cls)]
        for key in row:
            if key not in known:
                raise DataError(f"a measurement has no field {key!r}; {did_you_mean(key, known)}")
        if "metric" not in row:
            raise DataError(f"a measurement without a metric: {dict(row)}")
        return cls(**row)


@dataclass(frozen=True)
class About:
    """What every row of an analysis says alike."""

    run: str = ""
    question: str = ""
    corpus: str = ""
    model: str = ""
    model_kind: str = "pretrained"
    site: str = "hidden"


def tidy(rows: Iterable[Measurement]) -> pandas.DataFrame:
    """The rows as a pandas table, one column per field; seeds spelt "control=1 probe=0"."""
    import pandas

    records = [
        row.to_dict() | {"seeds": " ".join(f"{name}={seed}" for name, seed in row.seeds)} for row in rows
    ]
    table = pandas.DataFrame.from_records(records, columns=[field.name for field in fields(Measurement)])
    return table.astype(dict.fromkeys(_NUMBERS, float))
