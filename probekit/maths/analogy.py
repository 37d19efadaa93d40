"""Analogies by arithmetic: a is to b as c is to which word? Rules, and the controls that tell arithmetic from nearness.

Sources: Mikolov et al. 2013 (3CosAdd); Levy & Goldberg 2014 (3CosMul); Linzen 2016 (controls without the offset);
Rogers et al. 2017 (with the words of the question among the candidates).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

EPSILON = 0.001
CELLS = 8_000_000
"""Scores held at once: 32 MB."""


def _add(a: Array, b: Array, c: Array) -> Array:
    return b - a + c


def _multiply(a: Array, b: Array, c: Array) -> Array:
    # cosines are moved to 0 ... 1 first, so that two negative ones do not make a positive product
    scores: Array = (b + 1) * (c + 1) / (a + 1 + 2 * EPSILON)
    return scores


def _only(a: Array, b: Array, c: Array) -> Array:
    return c


def _ignore(a: Array, b: Array, c: Array) -> Array:
    return b + c


def _opposite(a: Array, b: Array, c: Array) -> Array:
    return a - b + c


RULES: Mapping[str, Callable[[Array, Array, Array], Array]] = MappingProxyType(
    {
        "3CosAdd": _add,
        "3CosMul": _multiply,
        "nearest to c": _only,
        "b + c": _ignore,
        "opposite offset": _opposite,
    }
)
"""From the cosines of every candidate with a, b and c to its score."""


def answer(vectors: Array, questions: Array, *, progress: Callable[[int], None] = lambda done: None) -> Array:
    """The candidate that each rule names, int64[rules, 2, questions]: with a, b and c excluded, and among them.

    `vectors` float[words, dim], scaled to length 1 here; `questions` int64[questions, 4]: rows of a, b, c and d. Of
    equal scores the first candidate wins. d plays no part. Vectors must not be 0.

    >>> vectors = np.array([[1.0, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1]])
    >>> found = answer(vectors, np.array([[0, 1, 2, 3]]))
    >>> found[0, :, 0].tolist()
    [3, 3]
    """
    unit = np.asarray(vectors, dtype=np.float32)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    asked, where = np.unique(questions[:, :3], return_inverse=True)
    where = where.reshape(-1, 3)
    cosines = unit[asked] @ unit.T
    found = np.empty((len(RULES), 2, len(questions)), dtype=np.int64)
    step = max(1, CELLS // max(1, len(unit)))
    for start in range(0, len(questions), step):
        part = slice(start, start + step)
        a, b, c = (cosines[where[part, i]] for i in range(3))
        rows = np.arange(len(a))[:, None]
        for i, rule in enumerate(RULES.values()):
            scores = rule(a, b, c)
            found[i, 1, part] = scores.argmax(axis=1)
            scores = scores.copy() if rule is _only else scores
            scores[rows, questions[part, :3]] = -np.inf
            found[i, 0, part] = scores.argmax(axis=1)
        progress(min(start + step, len(questions)))
    return found
