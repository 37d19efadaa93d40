"""Two hand-made treebanks in CoNLL-U: Japanese, written without spaces, and Finnish, with multiword tokens."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

SIZES = {"train": 40, "dev": 14, "test": 14}

Word = tuple[str, str, str]
"""Form, part of speech, features."""

JA_NOUNS = ["猫", "犬", "学生", "図書館", "牛丼", "𠮷野家", "コーヒー", "ビル", "か\u3099っこう"]
JA_VERBS = ["食べる", "見る", "買う", "読む", "走る"]
JA_PARTICLES = ["は", "が", "も"]

FI_NOUNS = ["talo", "yö", "sää", "lentokonemoottori", "hätä"]
FI_ENDINGS = {"Nom": "", "Ine": "ss{a}", "Ela": "st{a}", "Gen": "n", "Ade": "ll{a}"}
FI_VERBS = ["näkyy", "häviää", "kuuluu"]
FI_CONTRACTED = {"ettei": ("että", "ei"), "miksei": ("miksi", "ei"), "ellei": ("jos", "ei")}

CASE_TASK = """
name = "sija"
question = "Missä sijassa nomini on?"
unit = "word"
label = "feats.Case"
where = "upos = NOUN"
metric = "accuracy"
names = { Ine = "inessiivi – sisäpaikka", Nom = "主格 (nominatiivi)" }
"""


def write_japanese(folder: Path) -> Path:
    """ja-{train,dev,test}.conllu: no word is followed by a space; one character lies outside the BMP."""
    rng = random.Random(1)

    def sentence() -> str:
        words: list[Word] = [(rng.choice(JA_NOUNS), "NOUN", "_"), (rng.choice(JA_PARTICLES), "ADP", "_")]
        if rng.random() < 0.6:
            words += [(rng.choice(JA_NOUNS), "NOUN", "_"), ("を", "ADP", "_")]
        words += [(rng.choice(JA_VERBS), "VERB", "_"), ("。", "PUNCT", "_")]
        text = "".join(form for form, *_ in words)
        rows = [_row(number, word, "SpaceAfter=No") for number, word in enumerate(words, 1)]
        return "\n".join([f"# text = {text}", *rows])

    return _write(folder, "ja", sentence)


def write_finnish(folder: Path) -> Path:
    """fi-{train,dev,test}.conllu: cases, compounds, umlauts, and tokens of two words (ettei = että + ei)."""
    rng = random.Random(2)

    def noun() -> Word:
        stem = rng.choice(FI_NOUNS)
        case = rng.choice(list(FI_ENDINGS))
        harmony = "ä" if set(stem) & set("äöy") and not set(stem) & set("aou") else "a"
        return stem + FI_ENDINGS[case].format(a=harmony), "NOUN", f"Case={case}|Number=Sing"

    def sentence() -> str:
        rows: list[str] = []
        surface: list[str] = []

        def add(word: Word, misc: str = "_") -> None:
            rows.append(_row(1 + sum("-" not in row.split("\t")[0] for row in rows), word, misc))

        if rng.random() < 0.5:
            token = rng.choice(list(FI_CONTRACTED))
            surface.append(token)
            rows.append(f"1-2\t{token}" + "\t_" * 8)
            for form, tag in zip(FI_CONTRACTED[token], ("SCONJ", "AUX"), strict=True):
                add((form, tag, "_"))
        for word in (noun(), noun()):
            surface.append(word[0])
            add(word)
        verb = rng.choice(FI_VERBS)
        surface.append(verb + ".")
        add((verb, "VERB", "_"), "SpaceAfter=No")
        add((".", "PUNCT", "_"))
        return "\n".join([f"# text = {' '.join(surface)}", *rows])

    return _write(folder, "fi", sentence)


def _row(number: int, word: Word, misc: str) -> str:
    form, tag, features = word
    head, relation = (0, "root") if number == 1 else (1, "dep")
    return f"{number}\t{form}\t{form}\t{tag}\t_\t{features}\t{head}\t{relation}\t_\t{misc}"


def _write(folder: Path, language: str, sentence: Callable[[], str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, n in SIZES.items():
        blocks = [f"# sent_id = {language}-{split}-{number}\n{sentence()}\n" for number in range(1, n + 1)]
        (folder / f"{language}-{split}.conllu").write_text("\n".join(blocks) + "\n", encoding="utf-8")
    return folder
