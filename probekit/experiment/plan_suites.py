"""The suites that an analysis of a plan judges models on."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.data.strict import Strict


class SuitePlan(Strict):
    """A suite with what its file leaves open: where the published data lie, and the form of the text."""

    suite: str
    data: str | None = None
    format: str | None = None
    append: str | None = None
    capital: bool | None = None


def as_tables(suites: Sequence[str | SuitePlan]) -> list[SuitePlan]:
    """Every suite as a table."""
    return [SuitePlan(suite=one) if isinstance(one, str) else one for one in suites]
