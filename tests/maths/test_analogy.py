"""Rules of analogy: by hand, against plain loops, and where a likely wrong formula gives another word."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.maths.analogy import EPSILON, RULES, answer

NAMES = list(RULES)


def plain(vectors: np.ndarray, question: list[int], rule: str, included: bool) -> int:
    def cos(x: np.ndarray, y: np.ndarray) -> float:
        return float(x @ y / np.sqrt((x @ x) * (y @ y)))

    a, b, c = (vectors[i] for i in question[:3])
    scores = []
    for i, x in enumerate(vectors):
        if not included and i in question[:3]:
            scores.append(-np.inf)
            continue
        xa, xb, xc = cos(x, a), cos(x, b), cos(x, c)
        scores.append(
            {
                "3CosAdd": xb - xa + xc,
                "3CosMul": ((xb + 1) / 2) * ((xc + 1) / 2) / ((xa + 1) / 2 + EPSILON),
                "nearest to c": xc,
                "b + c": xb + xc,
                "opposite offset": xa - xb + xc,
            }[rule]
        )
    return int(np.argmax(scores))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_every_rule_equals_its_plain_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(12, 4)) * rng.uniform(0.2, 5, size=(12, 1))  # lengths must not matter
    questions = np.array([rng.permutation(12)[:4] for _ in range(5)])
    found = answer(vectors, questions)
    for i, rule in enumerate(NAMES):
        for j in range(2):
            if j and rule == "b + c":
                continue  # b and c have one score, and rounding decides
            for q, question in enumerate(questions.tolist()):
                assert found[i, j, q] == plain(vectors, question, rule, bool(j)), (rule, j)


def test_a_small_offset_answers_c_itself_unless_it_is_excluded() -> None:
    vectors = np.array([[1.0, 0, 0], [1, 0, 0.1], [0, 1, 0], [0, 1, 0.3]])
    found = answer(vectors, np.array([[0, 1, 2, 3]]))
    assert found[0, :, 0].tolist() == [3, 2]
    assert found[NAMES.index("nearest to c"), :, 0].tolist() == [3, 2]


def test_nearness_and_arithmetic_can_differ() -> None:
    """The nearest word to c is a decoy; the offset points at d."""
    vectors = np.array([[1.0, 0, 0, 0], [1, 0, 0, 2], [0, 1, 0, 0], [0, 1, 0, 2], [0, 1, 0.2, -0.2]])
    found = answer(vectors, np.array([[0, 1, 2, 3]]))
    assert found[NAMES.index("3CosAdd"), 0, 0] == 3
    assert found[NAMES.index("nearest to c"), 0, 0] == 4
    assert found[NAMES.index("opposite offset"), 0, 0] == 4


def test_chunks_do_not_change_answers(monkeypatch: object) -> None:
    import probekit.maths.analogy as module

    rng = np.random.default_rng(0)
    vectors, questions = rng.normal(size=(20, 5)), np.array([rng.permutation(20)[:4] for _ in range(30)])
    whole = answer(vectors, questions)
    seen: list[int] = []
    monkeypatch.setattr(module, "CELLS", 70)  # type: ignore[attr-defined]
    assert np.array_equal(answer(vectors, questions, progress=seen.append), whole)
    assert seen[-1] == 30
