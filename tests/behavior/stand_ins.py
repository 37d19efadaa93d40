"""Suites made by hand and scorers that say what they are told to: every right answer is known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from probekit.data.formula import parse_formula
from probekit.data.suite import Condition, Item, Prediction, Suite, pair_suite, sentence_pair, target_pair
from probekit.glossary import Progress, silent
from probekit.models.scoring import Answer, Ask


class Told:
    """A scorer whose bits are a function of text and span; "" as reason is an answer, else it is left out."""

    rule = "as told"
    kind = "causal"

    def __init__(
        self,
        bits: Callable[[str, str], float],
        *,
        name: str = "told",
        reason: Callable[[str], str] = lambda text: "",
        pieces: Callable[[str], int] = lambda part: len(part.split()),
    ) -> None:
        self.name, self.bits, self.reason, self.pieces = name, bits, reason, pieces
        self.asked: list[Ask] = []
        self.shared: list[bool] = []

    def score(
        self,
        groups: Sequence[Sequence[Ask]],
        *,
        shared_prefix_cancels: bool = False,
        progress: Progress = silent,
    ) -> list[list[Answer]]:
        self.asked += [ask for group in groups for ask in group]
        self.shared.append(shared_prefix_cancels)
        return [[self.answer(ask) for ask in group] for group in groups]

    def answer(self, ask: Ask) -> Answer:
        reason = self.reason(ask.text)
        parts = [ask.text[start:end] for start, end in ask.spans]
        bits = [np.nan if reason else self.bits(ask.text, part) for part in parts]
        return Answer(
            bits=np.array(bits, dtype=np.float64),
            n_pieces=np.array([self.pieces(part) for part in parts], dtype=np.int64),
            left_out=reason,
        )


def listed(table: dict[str, float], **options: object) -> Told:
    """A scorer that looks the bits of a span up by its text."""
    return Told(lambda text, part: table[part], **options)  # type: ignore[arg-type]


def pairs(*bits: tuple[float, float], groups: Sequence[dict[str, str]] = ()) -> tuple[Suite, Told]:
    """Whole sentences with the bits of (good, bad), and the scorer that gives them."""
    table: dict[str, float] = {}
    items = []
    for number, (good, bad) in enumerate(bits):
        texts = f"good {number}", f"bad {number}"
        table |= dict(zip(texts, (good, bad), strict=True))
        marked = dict(groups[number]) if groups else {}
        cluster = marked.pop("cluster", "")
        items.append(Item(f"i{number}", sentence_pair(*texts), cluster, marked))
    return pair_suite("pairs", items, "sentence"), listed(table)


def agreement(cells: dict[tuple[str, str], tuple[int, int]], ties: int = 0) -> tuple[Suite, Told]:
    """Target pairs by (attractors, nonce) with so many right and wrong; the margin of item k is +-(k + 1)."""
    items, margins = [], {}
    number = 0
    for (attractors, nonce), (right, wrong) in cells.items():
        for at in range(right + wrong):
            before = f"subject {number}"
            margins[f"{before} are here"] = (1.0 if at < right else -1.0) * (number + 1)
            groups = {"attractors": attractors, "nonce": nonce, "number": "Plur" if at % 2 else "Sing",
                      "phenomenon": "agreement", "distance": str(2 * int(attractors) + 1)}  # fmt: skip
            items.append(Item(f"n{number}", target_pair(before, "are", "is", "here"), "", groups))
            number += 1
    for _ in range(ties):
        margins[f"subject {number} are here"] = 0.0
        items.append(Item(f"n{number}", target_pair(f"subject {number}", "are", "is", "here"), "", {}))
        number += 1
    suite = pair_suite("agreement-by-hand", items, "target")
    return suite, Told(lambda text, part: 0.0 if part == "are" else margins[text.replace(" is ", " are ")])


def regions(
    formula: str, conditions: dict[str, list[str]], *more: tuple[str, str], name: str = "held"
) -> Suite:
    """One item of free conditions cut into regions, with one or more formulas."""
    made = tuple(Condition.of_parts(key, parts) for key, parts in conditions.items())
    predictions = [Prediction(name, parse_formula(formula))]
    predictions += [Prediction(key, parse_formula(text)) for key, text in more]
    return Suite("by-region", (Item("one", made),), tuple(predictions), "regions")


def acceptability(*rows: tuple[float, int, str]) -> tuple[Suite, Told]:
    """Sentences with (bits, pieces, label)."""
    table = {f"sentence {k}": row for k, row in enumerate(rows)}
    items = tuple(
        Item(f"s{k}", (Condition.of_text("sentence", text),), "", {"label": row[2]})
        for k, (text, row) in enumerate(table.items())
    )
    suite = Suite("labelled", items, (), "acceptability")
    return suite, Told(lambda text, part: table[text][0], pieces=lambda part: table[part][1])
