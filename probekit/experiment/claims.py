"""What an experiment claims of its own results, checked against its measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probekit.experiment.plan import ClaimPlan
from probekit.results.formats import format_interval
from probekit.results.measurement import Measurement
from probekit.results.panel import Panel


@dataclass(frozen=True)
class Checked:
    """A claim with what was found: `holds` only where exactly one measurement is meant and its value is in bounds."""

    says: str
    holds: bool
    wanted: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    remark: str = ""

    @property
    def told(self) -> str:
        """The claim in a line for a person."""
        found = (
            self.remark or f"{self.value:.3f} {format_interval(self.low, self.high)}, n = {self.n:,}".strip()
        )
        return f"claim {'holds' if self.holds else 'DOES NOT HOLD'}: {self.says} ({self.wanted}; {found})"


def check_claims(claims: Sequence[ClaimPlan], rows: Sequence[Measurement]) -> list[Checked]:
    """Compare every claim with the one measurement that it names."""
    return [_check(claim, rows) for claim in claims]


def _check(claim: ClaimPlan, rows: Sequence[Measurement]) -> Checked:
    bounds = (("at least", claim.at_least), ("at most", claim.at_most))
    wanted = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
    meant = [
        row for row in rows if all(str(getattr(row, key)) == value for key, value in claim.where.items())
    ]
    if len(meant) != 1:
        return Checked(claim.says, False, wanted, remark=f"{len(meant)} measurements are meant, not one")
    [row] = meant
    if row.value is None:
        return Checked(claim.says, False, wanted, n=row.n, remark=f"not measured: {row.reason}")
    low_enough = claim.at_most is None or row.value <= claim.at_most
    holds = low_enough and (claim.at_least is None or row.value >= claim.at_least)
    return Checked(claim.says, holds, wanted, row.value, row.low, row.high, row.n)


def claims_panel(checked: Sequence[Checked]) -> Panel:
    """The claims as a table of the page."""
    rows = [
        ["holds" if one.holds else "does not hold", one.says, one.wanted, one.value,
         format_interval(one.low, one.high), one.n, one.remark]
        for one in checked
    ]  # fmt: skip
    return Panel(
        "table",
        "claims",
        "What was claimed",
        "Claims of the experiment file, each compared with the one measurement that it names.",
        labels={
            "columns": ["", "claim", "wanted", "value", "95% interval", "n", "remark"],
            "rows": rows,
            "formats": ["text", "text", "text", "score", "text", "int", "text"],
        },
    )
