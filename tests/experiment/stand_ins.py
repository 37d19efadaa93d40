"""Classifiers whose answers are known by heart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class Counting:
    """Reads texts: the odds of "pl" double with every "s" and halve with every "a"; it counts what it was asked."""

    unit_ = "sentence"
    classes_ = np.array(["pl", "sg"])

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []

    def odds(self, example: Any) -> float:
        return float(2.0 ** (example.count("s") - example.count("a")))

    def predict_proba(self, X: Any) -> Any:
        self.calls.append(list(X))
        share = [self.odds(one) / (1 + self.odds(one)) for one in X]
        return np.array([[one, 1 - one] for one in share])

    def predict(self, X: Any) -> Any:
        return self.classes_[self.predict_proba(X).argmax(1)]


class CountingPairs(Counting):
    """Reads pairs: an "s" of the first text counts for, one of the second against."""

    unit_ = "pair"

    def odds(self, example: Any) -> float:
        first, second = example
        return float(2.0 ** (first.count("s") - second.count("s")))


class Tagging(Counting):
    """Labels words: the odds double with the letters of the word and halve with those of the word before it."""

    unit_ = "word"

    def predict_proba(self, X: Any) -> Any:
        self.calls.append(list(X))
        found = []
        for words in X:
            before = ["", *words[:-1]]
            odds = [2.0 ** (len(own) - len(left)) for own, left in zip(words, before, strict=True)]
            found.append(np.array([[one / (1 + one), 1 / (1 + one)] for one in odds]))
        return found


class Measuring:
    """Gives a text a number: the square root of its letters."""

    unit_ = "sentence"

    def predict(self, X: Any) -> Any:
        return np.array([math.sqrt(len(text.replace(" ", ""))) for text in X])
