"""The text a model is trained on: texts to learn from, texts held out, and marked words in them."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probekit.data.corpus import Corpus
from probekit.data.lines import expand, read_lines, split_of, stem
from probekit.errors import ConfigError, DataError, did_you_mean
from probekit.models.training.config import CorpusPlan, TrainingConfig, load_config
from probekit.results.files import read_json, tagged_hash

Span = tuple[int, int]


@dataclass(frozen=True)
class Texts:
    """Training and held-out texts, each in a fixed order; `marks` are spans of characters, text by text."""

    train: Sequence[str]
    held_out: Sequence[str]
    train_marks: Sequence[Sequence[Span]] = ()
    source: str = ""
    files: Sequence[Path] = ()
    licence: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """What was read, to the character and in order, and what was held out."""
        parts = {
            "train": _digest(self.train),
            "held_out": _digest(self.held_out),
            "marks": hashlib.sha256(
                repr([list(map(tuple, m)) for m in self.train_marks]).encode()
            ).hexdigest(),
        }
        return tagged_hash("probekit.training-text.1", parts)


def read_texts(plan: CorpusPlan, *, mark: str = "") -> Texts:
    """The texts a plan names; `mark` names the attribute that holds the number (from 1) of a word to mark.

    Raises DataError where there is no text, ConfigError for an unknown key of a generator.
    """
    if plan.text is not None:
        found = _from_files(plan)
    elif plan.hub is not None:
        from probekit.data.read_hub import read_hub

        hub = plan.hub
        corpus = read_hub(hub.name, revision=hub.revision, config=hub.config, text=hub.text, label=None)
        found = _from_corpus(corpus, plan, "", f"{hub.name} (hub, revision {hub.revision or 'latest'})")
    else:
        found = _from_corpus(
            _generate(plan),
            plan,
            mark,
            f"the {plan.source if plan.agreement is not None else 'built-in'} grammar",
        )
    if not found.train:
        raise DataError(f"{found.source}: there is no text to train on; name files with text in them")
    if not found.held_out:
        raise DataError(
            f"{found.source}: {len(found.train)} texts are too few to hold any out; give more text, or a larger "
            "corpus.held_out"
        )
    return found


def training_text(folder: str | Path) -> list[str]:
    """The texts a self-trained model learned from, read again from where they were.

    Raises DataError, with the reason, where they are no longer there or are no longer the same.
    """
    folder = Path(folder)
    folder = folder.parent.parent if folder.parent.name == "revisions" else folder
    record = folder / "training.json"
    if not record.is_file():
        raise DataError(f"{folder}: no training.json in it, so its training text is not known")
    facts = read_json(record)
    document = facts["config"]
    if document["corpus"].get("text") is not None:
        document["corpus"]["text"] = [os.path.normpath(folder / name) for name in facts["corpus"]["files"]]
    config = load_config(document)
    texts = read_texts(config.corpus, mark=mark_of(config))
    if texts.hash != facts["corpus"]["hash"]:
        raise DataError(f"{folder}: the text it was trained on has changed since; restore it or train again")
    return list(texts.train)


def mark_of(config: TrainingConfig) -> str:
    """The attribute whose word the objective masks besides, or ""."""
    return config.objective.also_mask.column if config.objective.also_mask else ""


def _from_files(plan: CorpusPlan) -> Texts:
    assert plan.text is not None
    named = [plan.text] if isinstance(plan.text, str) else plan.text
    files = expand([_inside(name) for name in named])
    split: dict[str, list[tuple[str, str]]] = {"train": [], "dev": [], "test": []}
    for file in files:
        lines = read_lines(file)
        texts = (
            _paragraphs(lines) if plan.unit == "paragraph" else [t for line in lines if (t := line.strip())]
        )
        if plan.tags:
            texts = [_without_tags(text, plan.tags) for text in texts]
        split[split_of(file) or "train"] += [(stem(file), text) for text in texts]
    source = ", ".join(dict.fromkeys(file.name for file in files[:3])) + (
        f" and {len(files) - 3} more files" if len(files) > 3 else ""
    )
    train, held_out = split["train"], [text for _, text in split["dev"]]
    kept = [text for _, text in train]
    if not held_out:
        kept, held_out = hold_out(train, plan.held_out, by=plan.held_out_by)
    facts = {"unit": plan.unit, "held out by": "file names" if split["dev"] else plan.held_out_by}
    return Texts(kept, held_out, source=source, files=files, licence=plan.licence, facts=facts)


def _inside(name: str) -> str:
    """A folder stands for the text files in it."""
    folder = Path(name).expanduser()
    return str(folder / "**" / "*.txt") if folder.is_dir() else name


def _without_tags(text: str, sign: str) -> str:
    """``I_PRP go_VB`` without what stands behind the last sign of a word, where that looks like a tag."""
    return re.sub(rf"(?<=\S){re.escape(sign)}[^\sa-z{re.escape(sign)}]+(?=\s|$)", "", text).strip()


def _paragraphs(lines: Iterable[str]) -> list[str]:
    """Lines up to a blank one, joined by a space."""
    found: list[list[str]] = [[]]
    for line in lines:
        if text := line.strip():
            found[-1].append(text)
        elif found[-1]:
            found.append([])
    return [" ".join(parts) for parts in found if parts]


def hold_out(texts: Sequence[tuple[str, str]], share: float, *, by: str) -> tuple[list[str], list[str]]:
    """Texts, given as (document, text), apart by a hash of themselves: to train on, and held out.

    Equal texts fall on one side; the same text falls on the same side whatever stands around it. By document,
    whole documents are held out, in the order of their hashes, until they make the share of all characters.
    """
    if by == "text":
        sides: tuple[list[str], list[str]] = ([], [])
        for _, text in texts:
            sides[_draw(text) < share].append(text)
        return sides
    sizes: dict[str, int] = {}
    for document, text in texts:
        sizes[document] = sizes.get(document, 0) + len(text)
    wanted, held = share * sum(sizes.values()), set()
    for document in sorted(sizes, key=_draw)[: len(sizes) - 1]:
        if wanted <= 0:
            break
        held.add(document)
        wanted -= sizes[document]
    return [t for d, t in texts if d not in held], [t for d, t in texts if d in held]


def _draw(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:7], "big") / 2**56


def _generate(plan: CorpusPlan) -> Corpus:
    if plan.agreement is not None:
        from probekit.data.agreement import generate_agreement

        return _called(generate_agreement, plan.agreement, "corpus.agreement")
    from probekit.data.grammar import generate_corpus

    return _called(generate_corpus, plan.generated or {}, "corpus.generated")


def _called(function: Callable[..., Corpus], keys: dict[str, Any], place: str) -> Corpus:
    known = inspect.signature(function).parameters
    for key in keys:
        if key not in known:
            raise ConfigError(f"unknown key '{place}.{key}'; {did_you_mean(key, known)}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in keys.items()}
    try:
        return function(**values)
    except (TypeError, ValueError) as problem:
        raise ConfigError(f"{place}: {problem}") from None


def _from_corpus(corpus: Corpus, plan: CorpusPlan, mark: str, source: str) -> Texts:
    """Sentences of train, held out those of dev; of no dev, a share of train. Test sentences are never read."""
    train = [s for s in corpus if s.split in ("train", "") and s.text.strip()]
    held_out = [s.text for s in corpus if s.split == "dev" and s.text.strip()]
    facts: dict[str, Any] = {"unit": "sentence", "held out by": "dev sentences" if held_out else "text"}
    if not held_out:
        _, held_out = hold_out([("", s.text) for s in train], plan.held_out, by="text")
        held = set(held_out)
        train = [s for s in train if s.text not in held]
    marks: list[list[Span]] = []
    if mark:
        for sentence in train:
            number = sentence.attributes.get(mark, "")
            if number and not (number.isdecimal() and 0 < int(number) <= len(sentence)):
                raise ConfigError(
                    f"objective.also_mask.column: {sentence.location} has {mark} = {number!r}, which is no word number"
                )
            marks.append([sentence.offsets[int(number) - 1]] if number else [])
        if not any(marks):
            hint = did_you_mean(mark, corpus.attributes)
            raise ConfigError(f"objective.also_mask.column: no sentence has {mark!r}; {hint}")
    return Texts([s.text for s in train], held_out, marks, source, (), corpus.licence, facts)


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
