"""A small treebank on disk: three files of a made-up language whose tags follow from form and neighbour."""

from __future__ import annotations

import random
from pathlib import Path

NOUNS, VERBS = ["dog", "cat", "key", "book", "walk"], ["barks", "sees", "walk", "reads"]


def write_treebank(folder: Path, *, train: int = 60, dev: int = 20, test: int = 24, seed: int = 0) -> Path:
    """Write tiny-ud-{train,dev,test}.conllu; `walk` is a noun behind "the" and a verb elsewhere."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for split, n in (("train", train), ("dev", dev), ("test", test)):
        blocks = []
        for number in range(n):
            words = [("the", "DET"), (rng.choice(NOUNS), "NOUN"), (rng.choice(VERBS), "VERB")]
            if rng.random() < 0.5:
                words += [("the", "DET"), (rng.choice(NOUNS), "NOUN")]
            words += [(".", "PUNCT")]
            lines = [f"# sent_id = {split}-{number}", "# text = " + " ".join(form for form, _ in words)]
            for place, (form, tag) in enumerate(words, start=1):
                lines.append(f"{place}\t{form}\t{form}\t{tag}\t_\t_\t{0 if place == 1 else 1}\t_\t_\t_")
            blocks.append("\n".join(lines) + "\n")
        (folder / f"tiny-ud-{split}.conllu").write_text("\n".join(blocks) + "\n", encoding="utf-8")
    return folder
