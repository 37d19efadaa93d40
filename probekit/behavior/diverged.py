"""What edits do to a model's predictions: divergence, perplexity before and after, their difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.perplexity import Perplexity, bounded, quotient
from probekit.maths.resampling import cluster_bootstrap, describe_interval
from probekit.results.formats import slug
from probekit.results.measurement import Measurement, tidy
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Divergence:
    """What edits do to a model's predictions, text by text.

    Attributes
    ----------
    edits : the edits in words
    bits : float64 (sentences,): KL(unedited || edited) summed over the pieces of each text, NaN where it is left out
    before, after : perplexity of the same texts without and with the edits, from the same passes
    """

    edits: str
    layer: str
    site: str
    bits: Array
    before: Perplexity
    after: Perplexity

    @property
    def per_piece(self) -> float | None:
        """The mean divergence per predicted piece, in bits. None where no text was scored."""
        scored = self._scored
        n = self.before.n_pieces[scored].sum()
        return float(self.bits[scored].sum() / n) if n else None

    @property
    def left_out(self) -> dict[str, int]:
        """How many texts were left out, by reason."""
        return self.before.left_out

    @property
    def _scored(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = ~np.isnan(self.bits)
        return found

    @cached_property
    def rows(self) -> list[Measurement]:
        """Divergence per piece; perplexity before, after, and their difference, paired by text. Intervals are over
        texts."""
        scored, before = self._scored, self.before
        p = "pseudo_" if before.pseudo else ""
        base = Measurement(
            metric="", corpus=before.corpus, split=before.split, model=before.name, model_kind=before.model_kind,
            layer=self.layer, site=self.site, method=self.edits, unit="sentence", n=int(scored.sum()),
            n_left_out=int((~scored).sum()), reason="no sentence was scored",
        )  # fmt: skip
        columns = (self.bits, before.bits, self.after.bits, before.n_pieces)
        sums = np.stack([column[scored] for column in columns], axis=1).astype(np.float64)
        perplexity = f"{p}perplexity_per_piece"
        wanted: list[tuple[str, str, str, Callable[[Array], Array]]] = [
            ("kl_bits_per_piece", "", "", partial(_of, column=0, raised=False)),
            (perplexity, "edits=before", "", partial(_of, column=1, raised=True)),
            (perplexity, "edits=after", "", partial(_of, column=2, raised=True)),
            (f"{perplexity}_difference", "", "edits=before", _difference),
        ]
        rows = []
        for metric, group, reference, statistic in wanted:
            row = replace(base, metric=metric, group=group, reference=reference)
            if sums[:, 3].sum() > 0:
                value, low, high = cluster_bootstrap(sums, statistic, resamples=before.resamples)
                made = describe_interval(before.resamples) if np.isfinite(low) else ""
                row = replace(
                    row, value=float(value), low=float(low), high=float(high), interval=made, reason=""
                )
            rows.append(row)
        return rows

    @property
    def summary(self) -> str:
        """What a paper would write."""
        of = f" of {self.before.corpus}" if self.before.corpus else ""
        if self.per_piece is None:
            return f"{self.before.name}: none of {len(self.bits):,} texts{of} could be scored."
        kl, first, second, apart = self.rows
        gone = ", ".join(f"{n:,} {reason}" for reason, n in self.left_out.items())
        gone = f"Left out: {gone}. " if gone else ""
        what = "pseudo-perplexity" if self.before.pseudo else "perplexity"
        return (
            f"{self.before.name} over {kl.n:,} texts{of}, {self.edits}: the output moves by KL {bounded(kl)} bits per "
            f"piece; {what} {bounded(first)} before, {bounded(second)} after, difference {bounded(apart)}. "
            f"{gone}Scoring: {self.before.rule}."
        )

    @property
    def panels(self) -> list[Panel]:
        """A table of the measurements, and the summary as a sentence."""
        name = slug("divergence", self.before.name[-30:], self.layer[-12:], self.edits[-30:])
        cells = [
            [f"{row.metric.replace('_', ' ')}{_when(row)}", bounded(row), row.n, row.n_left_out, row.reason]
            for row in self.rows
        ]
        labels = {
            "columns": ["metric", "value [95 %]", "texts", "left out", "why none"],
            "formats": ["text", "text", "int", "int", "text"],
            "rows": cells,
        }
        caption = (
            f"KL(unedited || edited) with the whole vocabulary. {self.before.rule}. Intervals: "
            f"{describe_interval(self.before.resamples)}."
        )
        return [
            Panel("sentence", f"{name}-summary", "In a sentence", labels={"text": self.summary}),
            Panel("table", name, f"Output of {self.before.name}: {self.edits}", caption, labels=labels),
        ]

    def sentences(self) -> pandas.DataFrame:
        """A row per text: id, KL and surprisal in bits, pieces, why it was left out."""
        import pandas

        return pandas.DataFrame(
            {
                "id": self.before.ids,
                "kl_bits": self.bits,
                "bits_before": self.before.bits,
                "bits_after": self.after.bits,
                "n_pieces": self.before.n_pieces,
                "left_out": self.before.reasons,
            }
        )

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    def __repr__(self) -> str:
        shown = "none scored" if self.per_piece is None else f"{self.per_piece:.4g} bits per piece"
        return f"<Divergence of {self.before.name} over {len(self.bits):,} texts, {self.edits}: {shown}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape

        return f"<p>{escape(self.summary)}</p>"


def _of(sums: Array, column: int, raised: bool) -> Array:
    return quotient(sums[..., [column, 3]], raised)


def _difference(sums: Array) -> Array:
    after: Array = _of(sums, 2, True) - _of(sums, 1, True)
    return after


def _when(row: Measurement) -> str:
    return f", {row.group.removeprefix('edits=')}" if row.group else ""
