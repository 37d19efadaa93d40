"""Minimal pairs as pieces: what lines up, what places are called, and why a pair is left out."""

from __future__ import annotations

import pytest

import probekit as pk
from probekit.erasure import patch_pairs
from probekit.erasure.patch_pairs import PatchPair, line_up
from probekit.errors import DataError
from tests.tiny_models import tiny_lm


def one(kind: str, *given, **more):  # type: ignore[no-untyped-def]
    [found] = line_up(pk.make_scorer(tiny_lm(kind)), [PatchPair(*given, **more)])
    return found


def spoken(kind: str, found, positions):  # type: ignore[no-untyped-def]
    return tiny_lm(kind).tokenizer.decode(found.readings[0].base[list(positions)].tolist())


class TestCausal:
    def test_places_by_role_and_by_distance_from_the_end(self) -> None:
        found = one("llama", "the cat and the dog", "the mat and the dog", "sit", "dog", {"subject": [1]})
        assert found.left_out == ""
        names = list(found.places)
        assert (names[0], names[-1]) == ("begin", "last")
        assert spoken("llama", found, found.places["subject"]).strip() == "cat"
        assert spoken("llama", found, found.places["last"]).strip() == "dog"
        covered = sorted(p for positions in found.places.values() for p in positions)
        assert covered == list(range(found.context))
        assert found.shared <= found.places["subject"][-1]
        assert found.anchor == found.context - 1

    def test_target_and_foil_of_one_piece_share_a_pass(self) -> None:
        found = one("llama", "the cat and the dog", "the mat and the dog", "sit", "dog")
        [reading] = found.readings
        assert sorted(reading.weight.tolist()) == [-1.0] + [1.0] * (len(reading.weight) - 1)

    def test_longer_targets_are_read_in_passes_of_their_own(self) -> None:
        found = one("gpt2", "the cat", "the mat", "runs on the mat", "sits on the mat")
        assert len(found.readings) == 2
        assert len(found.readings[0].base) > found.context
        assert [float(reading.weight[0]) for reading in found.readings] == [1.0, -1.0]

    def test_several_words_are_one_place(self) -> None:
        found = one(
            "gpt2", "the cat sat on the mat", "the mat sat on the mat", "sit", "dog", {"ends": [1, 5]}
        )
        assert spoken("gpt2", found, found.places["ends"]).split() == ["cat", "mat"]
        assert "last" not in found.places

    def test_a_place_in_the_text_is_the_end_for_a_causal_model(self) -> None:
        with_place = one("gpt2", "the cat ___ on the mat", "the mat ___ on the mat", "sit", "dog")
        plain = one("gpt2", "the cat", "the mat", "sit", "dog")
        assert with_place.places == plain.places
        assert with_place.readings[0].base.tolist() == plain.readings[0].base.tolist()

    def test_a_space_stands_between_unless_one_is_there(self) -> None:
        asks = [PatchPair(base, "x", word, "y").asks()[0] for base in ("a", "a ") for word in ("b", " b")]
        assert [ask.text for ask in asks] == ["a b", "a b", "a b", "a  b"]
        inside = PatchPair("a ___ c", "x", " b", "y").asks()[0]
        assert inside.text == "a b c"
        assert inside.text[slice(*inside.spans[0])] == "b"


class TestMasked:
    def test_places_are_named_from_the_mask(self) -> None:
        found = one(
            "bert",
            "the cat ___ on the mat",
            "the dog ___ on the mat",
            "a",
            "s",
            {"subject": [1], "after": [4]},
        )
        assert found.left_out == ""
        assert found.places["begin"] == (0,)
        assert found.places["mask"] == (found.anchor,)
        assert found.places["end"] == (found.context - 1,)
        assert "mask+1" in found.places
        assert spoken("bert", found, found.places["after"]) == "the"
        assert spoken("bert", found, found.places["mask"]) == "[MASK]"
        assert len(found.readings) == 1

    def test_several_pieces_at_the_mask(self) -> None:
        found = one("bert", "the cat ___", "the dog ___", "knowingly", "a")
        assert found.left_out == patch_pairs.SEVERAL_PIECES


@pytest.mark.parametrize(
    ("given", "roles", "reason"),
    [
        (("the cat", "the cat sat", "sit", "dog"), {}, patch_pairs.OTHER_LENGTH),
        (("the cat", "the cat", "sit", "dog"), {}, patch_pairs.SAME),
        (("the cat", "the mat", "sit", "dog"), {"late": [2]}, "word"),
        (("", "", "", ""), {}, "empty text"),
        (("the cat " * 90, "the mat " * 90, "sit", "dog"), {}, "too long"),
    ],
)  # fmt: skip
def test_pairs_that_are_left_out(given: tuple[str, ...], roles: dict[str, list[int]], reason: str) -> None:
    if reason == "word":
        with pytest.raises(
            DataError, match=r"role 'late' names word 2 of 'the cat', whose words are numbered 0 to 1"
        ):
            one("gpt2", *given, roles)
    else:
        assert one("gpt2", *given, roles).left_out == reason


def test_words_that_stand_at_other_pieces_are_left_out() -> None:
    long, short = "laughs", "cat"  # as many pieces in all, in another order
    found = one("gpt2", f"{long} {short}", f"{short} {long}", "sit", "dog")
    tokenizer = tiny_lm("gpt2").tokenizer
    assert len(tokenizer(long).input_ids) != len(tokenizer(f" {short}").input_ids)  # the control
    assert found.left_out in (patch_pairs.OTHER_WORDS, patch_pairs.OTHER_LENGTH)
    same = one("gpt2", "a cat", "a dog", "sit", "dog", {"subject": [1]})
    assert same.left_out in ("", patch_pairs.OTHER_LENGTH)


def test_a_role_behind_the_prediction() -> None:
    found = one("gpt2", "the cat ___ on the mat", "the mat ___ on the mat", "sit", "dog", {"late": [4]})
    assert found.left_out == patch_pairs.BEHIND


def test_a_role_without_words() -> None:
    with pytest.raises(DataError, match="role 'subject' names no word"):
        one("gpt2", "the cat", "the mat", "sit", "dog", {"subject": []})
