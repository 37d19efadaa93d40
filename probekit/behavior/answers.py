"""What one scorer answered to a suite: bits of every span that was asked for, kept until rows are made of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probekit.behavior.questions import Questions, ask_suite
from probekit.errors import DataError
from probekit.glossary import Progress, silent
from probekit.results.bundle import load_bundle, save_bundle

if TYPE_CHECKING:
    from probekit.data.suite import Suite
    from probekit.models.scoring import Answer, Scorer

Array = NDArray[Any]

ROLES = ("", "random-twin", "unigram", "ngram", "given")
"""Whose answers: the model's own (""), or those of a baseline."""


@dataclass(frozen=True, eq=False, repr=False)
class Answers:
    """The answers of one scorer to one suite (at one layer).

    Attributes
    ----------
    bits : float64 (spans,): surprisal -log2 p of every span, NaN where it could not be scored
    n_pieces : int64 (spans,): pieces that were scored in it
    reason : int32 (texts,): why a text was left out, a code into `reasons`; 0 is a text that was scored
    name, rule, kind : of the scorer; `rule` says in words what was scored given what
    suite : the hash of the suite asked
    role : "" for the model, else one of `ROLES`
    layer : "" for the model's own output, else the layer that a lens read
    """

    name: str
    rule: str
    kind: str
    suite: str
    bits: Array
    n_pieces: Array
    reason: Array
    reasons: tuple[str, ...] = ("",)
    role: str = ""
    layer: str = ""
    model_kind: str = "pretrained"
    seconds: float | None = None

    def __repr__(self) -> str:
        left_out = int((self.reason > 0).sum())
        where = f" at layer {self.layer}" if self.layer else ""
        return f"<Answers of {self.name}{where}: {len(self.reason):,} texts, {left_out:,} left out>"

    def save(self, stem: str | Path) -> None:
        """Write `<stem>.safetensors` and, last, `<stem>.json`. Raises DiskError."""
        words = {name: getattr(self, name) for name in _WORDS} | {"reasons": list(self.reasons)}
        save_bundle(stem, {name: getattr(self, name) for name in _ARRAYS}, words)

    @classmethod
    def load(cls, stem: str | Path) -> Answers:
        """Read what `save` wrote. Raises DataError where a file is absent, StoreError where one is damaged."""
        arrays, words = load_bundle(stem)
        given: dict[str, Any] = {**words, **arrays, "reasons": tuple(words["reasons"])}
        return cls(**given)

    def check(self, suite: Suite, questions: Questions) -> None:
        """Raise DataError unless these are answers to this very suite."""
        if self.suite != suite.hash or len(self.bits) != questions.n_spans:
            raise DataError(
                f"the answers of {self.name} are not to suite {suite.name!r} as it is now (its items, formulas or "
                "texts differ); judge it again"
            )


_ARRAYS = ("bits", "n_pieces", "reason")
_WORDS = ("name", "rule", "kind", "suite", "role", "layer", "model_kind", "seconds")


def answer_suite(
    scorer: Scorer,
    suite: Suite,
    *,
    questions: Questions | None = None,
    role: str = "",
    model_kind: str = "pretrained",
    progress: Progress = silent,
) -> Answers:
    """Ask a scorer everything a suite needs. Weak answers are answers: nothing is refused for being wrong.

    Common prefixes of an item's texts are left unscored where every formula of the suite allows it. Raises
    DataError where the scorer gives another number of answers than it was asked for.
    """
    questions = questions or ask_suite(suite)
    begun = time.perf_counter()
    given = scorer.score(
        questions.groups, shared_prefix_cancels=questions.shared_prefix_cancels, progress=progress
    )
    flat = [answer for group in given for answer in group]
    asked = [len(ask.spans) for group in questions.groups for ask in group]
    if [len(answer.bits) for answer in flat] != asked:
        raise DataError(f"scorer {scorer.name!r} did not answer every span it was asked for")
    return collect(
        flat,
        name=scorer.name,
        rule=scorer.rule,
        kind=scorer.kind,
        suite=suite.hash,
        role=role,
        model_kind=model_kind,
        seconds=time.perf_counter() - begun,
    )


def collect(flat: Sequence[Answer], **words: Any) -> Answers:
    """Answers, one per text and in order, as arrays."""
    reasons = ("", *sorted({answer.left_out for answer in flat} - {""}))
    number = {reason: code for code, reason in enumerate(reasons)}
    empty: list[Any] = [np.zeros(0)]
    return Answers(
        bits=np.concatenate([*empty, *(answer.bits for answer in flat)]).astype(np.float64),
        n_pieces=np.concatenate([*empty, *(answer.n_pieces for answer in flat)]).astype(np.int64),
        reason=np.array([number[answer.left_out] for answer in flat], dtype=np.int32),
        reasons=reasons,
        **words,
    )
