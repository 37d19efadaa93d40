"""Words left out one at a time: the importance of each against the formula and against plain strings."""

from __future__ import annotations

import numpy as np
import pytest

from probekit.experiment.fitted import Fitted
from probekit.experiment.words_left_out import leave_words_out
from tests.experiment.stand_ins import Counting, CountingPairs, Measuring, Tagging


def share(power: int) -> float:
    return 2.0**power / (1 + 2.0**power)


def test_the_probability_with_the_word_minus_without() -> None:
    classifier = Counting()
    found = leave_words_out(Fitted.of(classifier), "keys miss a", 0)
    [one] = found.texts
    assert one.words == ("keys", "miss", "a")
    assert one.before == share(2)
    assert one.importance == pytest.approx([share(2) - share(1), share(2) - share(0), share(2) - share(3)])
    assert one.importance[2] < 0  # without "a" it rises
    assert classifier.calls == [["keys miss a", "miss a", "keys a", "keys miss"]]  # one call
    other = leave_words_out(Fitted.of(classifier), "keys miss a", 1).texts[0]
    assert other.importance == pytest.approx(-one.importance)


def test_words_of_both_texts_of_a_pair() -> None:
    found = leave_words_out(Fitted.of(CountingPairs()), ("keys rust", "cats"), 0)
    first, second = found.texts
    assert (first.id, second.id) == ("first", "second")
    assert first.importance == pytest.approx([share(1) - share(0)] * 2)
    assert np.isnan(second.importance).all()
    assert second.why == ("nothing left to read without it",)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_word_that_is_labelled_stays_where_it_moves_to(place: int) -> None:
    words = ("a", "long", "word")
    found = leave_words_out(Fitted.of(Tagging()), words, 0, place).texts[0]
    expected = []
    for left in range(3):
        if left == place:
            expected.append(np.nan)
            continue
        kept = [word for number, word in enumerate(words) if number != left]
        at = place - (left < place)
        without = share(len(kept[at]) - (len(kept[at - 1]) if at else 0))
        expected.append(found.before - without)
    assert found.why[place] == "what is predicted"
    assert found.importance == pytest.approx(expected, nan_ok=True)


def test_numbers_and_words_that_stay() -> None:
    found = leave_words_out(Fitted.of(Measuring()), "four five seven", 0, most=2)
    assert found.unit == "what is predicted"
    assert found.texts[0].importance[:2] == pytest.approx([13**0.5 - 9**0.5] * 2)
    assert found.texts[0].why[2] == "only the first 2 words are left out"
    assert found.left_out == {"only the first 2 words are left out": 1}
