"""Splitting a corpus by sentence or document, or units by word type, before anything is fitted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.glossary import SPLITS

if TYPE_CHECKING:
    from probekit.data.corpus import Corpus

Fractions = tuple[float, float, float]


def assign_splits(
    corpus: Corpus, by: str, *, fractions: Fractions = (0.8, 0.1, 0.1), seed: int = 0
) -> list[str]:
    """One split per sentence, so that equal texts (`by="sentence"`) or whole documents stay together.

    Raises DataError for a split by document where a sentence has none.
    """
    if by == "sentence":
        return split_groups([s.text for s in corpus], fractions=fractions, seed=seed)
    if by == "document":
        for sentence in corpus:
            if not sentence.document:
                raise DataError(
                    f"{sentence.location}: a split by document needs documents, and it belongs to none"
                )
        return split_groups([s.document for s in corpus], fractions=fractions, seed=seed)
    raise ConfigError(f"cannot split by {by!r}; {did_you_mean(by, ['sentence', 'document'])}")


def split_groups(
    groups: Sequence[str], *, fractions: Fractions = (0.8, 0.1, 0.1), seed: int = 0
) -> list[str]:
    """One split per entry; entries of one group go together, and the fractions are of entries, met to one group.

    Groups are ordered by a hash of (seed, group), so the split of a group does not depend on the order given.

    >>> split_groups(["a", "b", "a", "c"], fractions=(0.5, 0.25, 0.25), seed=1)
    ['train', 'train', 'train', 'test']
    """
    if any(f < 0 for f in fractions) or not 0.999 < sum(fractions) < 1.001 or fractions[0] == 0:
        raise ConfigError(
            f"split fractions {list(fractions)} must be three shares, train above 0, that add up to 1"
        )
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    split_of: dict[str, str] = {}
    done = 0
    for group in sorted(sizes, key=lambda group: stable_hash(str(seed), group)):
        middle = (done + sizes[group] / 2) / len(groups)
        number = 0 if middle <= fractions[0] else 1 if middle <= fractions[0] + fractions[1] else 2
        split_of[group] = SPLITS[number]
        done += sizes[group]
    return [split_of[group] for group in groups]


def stable_hash(*parts: str) -> int:
    """64 bits that depend on the parts alone: not on the process, the machine or the order of calls."""
    data = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
