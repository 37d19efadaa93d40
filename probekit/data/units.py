"""What a task labels in a corpus: words or sentences, with their labels, splits and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from probekit.errors import DataError, did_you_mean
from probekit.glossary import SPLITS


@dataclass(frozen=True, eq=False, repr=False)
class Units:
    """n labelled units of a corpus, in corpus order.

    ``sentence`` [n] is the sentence's number in the corpus, ``word`` [n] the word's (from 0; -1 for sentence
    units); ``labels`` [n] are str (classes) or float64 (numbers). ``types`` are word forms as written, or the
    sentence's text. ``ids`` are ``"sentence id:word"`` (word from 1) or ``"sentence id"``. ``overlap`` [n] marks
    dev and test units whose sentence's text also stands in train. ``left_out``: reason -> units without a label.
    """

    unit: str
    corpus_hash: str
    sentence: npt.NDArray[np.int32]
    word: npt.NDArray[np.int32]
    labels: npt.NDArray[Any]
    types: tuple[str, ...]
    split: npt.NDArray[np.str_]
    ids: tuple[str, ...]
    left_out: Mapping[str, int]
    overlap: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split} {int((self.split == split).sum()):,}" for split in SPLITS)
        return f"Units({self.unit}s: {sizes}; left out {sum(self.left_out.values()):,})"

    @property
    def numeric(self) -> bool:
        """Whether the labels are numbers."""
        return self.labels.dtype.kind == "f"

    def select(self, split: str) -> Units:
        """The units of one split; `left_out` stays that of the whole."""
        if split not in SPLITS:
            raise DataError(f"unknown split {split!r}; {did_you_mean(split, SPLITS)}")
        return self.take(np.flatnonzero(self.split == split))

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Units:
        """The units at these positions, in this order."""
        return replace(
            self,
            sentence=self.sentence[rows],
            word=self.word[rows],
            labels=self.labels[rows],
            types=tuple(self.types[i] for i in rows),
            split=self.split[rows],
            ids=tuple(self.ids[i] for i in rows),
            overlap=self.overlap[rows],
        )

    def label_counts(self) -> dict[str, dict[str, int]]:
        """Label -> split -> units, most frequent in train first; empty for numbers.

        A label that train has not is kept (a probe must get it wrong), and this is where it shows.
        """
        if self.numeric:
            return {}
        counts: dict[str, dict[str, int]] = {}
        for split in SPLITS:
            for label, n in zip(
                *np.unique(self.labels[self.split == split], return_counts=True), strict=True
            ):
                counts.setdefault(str(label), dict.fromkeys(SPLITS, 0))[split] = int(n)
        return dict(
            sorted(counts.items(), key=lambda item: (-item[1]["train"], -sum(item[1].values()), item[0]))
        )
