"""Train a Transformer from a configuration to an ordinary transformers folder; run again, it continues."""

from __future__ import annotations

import copy
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from probekit.errors import ConfigError, DiskError, ModelError, ProbekitError
from probekit.glossary import Progress, silent
from probekit.models.load import device_of
from probekit.models.quiet import quiet
from probekit.models.training.architecture import build_module
from probekit.models.training.batches import Batches, encode_texts
from probekit.models.training.card import model_card
from probekit.models.training.checkpoint import STATE, Progressed, load_state, saved_threads
from probekit.models.training.config import TrainingConfig, load_config
from probekit.models.training.evaluate import HeldOut
from probekit.models.training.lean import lean_forward
from probekit.models.training.loop import Work, make_optimizer, precision_in_force, run_loop, steps_of
from probekit.models.training.objective import make_objective
from probekit.models.training.text import Texts, mark_of, read_texts
from probekit.models.training.tokenizer import boundaries, load_tokenizer, make_tokenizer
from probekit.models.training.trained import RECORD, Trained
from probekit.results.files import disk_errors, read_json, write_bytes, write_json

PLAN = "plan.json"


def train(
    config: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    overrides: Sequence[str] = (),
    progress: Progress = silent,
    say: Callable[[str], None] = lambda message: None,
) -> Trained:
    """Train a causal or masked language model as a configuration says, into `out` (default ``models/<name>``).

    The folder appears when the model is finished; until then the work lies in ``<out>.unfinished``, and the same
    call continues it: at the same number of threads on a CPU, to the same bits. A finished model of the same
    configuration and text is reported; one of another is never written over, unless with `fresh`.

    Raises ConfigError (a key, a value, a folder in the way), DataError (no text, less than a batch), ModelError
    (a loss that is no number) and DiskError.

    >>> trained = pk.train({"steps": 2, "corpus": {"generated": {"train": 60}}, "objective": {"kind": "causal"},
    ...     "tokenizer": {"kind": "words"}, "batches": {"pieces": 64, "length": 32},
    ...     "model": {"family": "gpt2", "layers": 1, "width": 16, "heads": 2}}, out="tiny")
    >>> pk.load_model("tiny").kind, trained.curve[-1]["step"]
    ('self-trained', 2)
    """
    plan = load_config(config, overrides)
    final = Path(out) if out is not None else Path("models") / plan.name
    texts = read_texts(plan.corpus, mark=mark_of(plan))
    same = identity(plan, texts)
    if found := _finished(final, same, fresh):
        say(f"{final} is finished; nothing to do (train it anew with --fresh)")
        return found
    part = final.with_name(final.name + ".unfinished")
    threads = torch.get_num_threads()
    with disk_errors(part):
        part.mkdir(parents=True, exist_ok=True)
    try:
        with _alone(part):
            try:
                return _train(plan, texts, same, final, part, fresh=fresh, progress=progress, say=say)
            except ProbekitError:
                if (part / PLAN).is_file() and not (part / "resume" / STATE).is_file():
                    shutil.rmtree(part, ignore_errors=True)  # nothing in it that could be continued
                raise
    finally:
        torch.set_num_threads(threads)


def _train(
    plan: TrainingConfig, texts: Texts, same: dict[str, Any], final: Path, part: Path, *, fresh: bool,
    progress: Progress, say: Callable[[str], None],
) -> Trained:  # fmt: skip
    if _whole(part, same) and not fresh:  # ended between its last file and its name
        _put_in_place(part, final)
        return Trained(final, read_json(final / RECORD))
    _prepare(part, same, fresh)
    resume = part / "resume"
    if (threads := saved_threads(resume)) is not None and threads != torch.get_num_threads():
        say(f"continuing with {threads} threads, as it began")
        torch.set_num_threads(threads)
    device = device_of(plan.device)
    precision = precision_in_force(plan, device)
    tokenizer = _tokenizer(plan, texts, part)
    pieces = encode_texts(tokenizer, texts.train, texts.train_marks)
    batches = Batches(pieces, plan.batches, plan.seed)
    objective = make_objective(plan.objective, tokenizer)
    held_out = HeldOut(
        encode_texts(tokenizer, texts.held_out), texts.held_out, np.bincount(pieces.ids, minlength=len(tokenizer)),
        objective, length=plan.batches.length, at_once=plan.batches.pieces, limit=plan.evaluate_pieces,
    )  # fmt: skip
    steps = steps_of(plan, batches.per_epoch)
    module = build_module(plan, tokenizer)
    torch.nn.Module.to(module, device)
    optimizer = make_optimizer(module, plan.optimizer)
    generator = np.random.default_rng([plan.seed, 1])

    def keep(step: int) -> None:
        _save_model(part / "revisions" / f"step-{step:06d}", module, tokenizer)

    devices = range(torch.cuda.device_count()) if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(plan.seed)
        progressed = load_state(resume, module, optimizer, generator)
        if progressed is not None:
            say(f"continuing at step {progressed.step:,} of {steps:,}")
            progressed.interruptions += 1
        progressed = progressed or Progressed()
        work = Work(
            plan, module, lean_forward(module), optimizer, batches, objective, held_out, generator, progressed,
            resume, keep, progress,
        )  # fmt: skip
        run_loop(work, steps, precision)
    record = _record(work, texts, tokenizer, same, final, steps=steps, precision=precision)
    _finish(part, final, module, tokenizer, record)
    return Trained(final, record)


def identity(plan: TrainingConfig, texts: Texts) -> dict[str, Any]:
    """What makes two trainings the same: the configuration but for names of files, and the text itself."""
    document = plan.model_dump(mode="json", by_alias=True)
    for key in ("name", "save_seconds", "device"):
        document.pop(key)
    document["corpus"].pop("text")
    return {**document, "text": texts.hash}


def _finished(final: Path, same: dict[str, Any], fresh: bool) -> Trained | None:
    """The model in a folder, where it is the one asked for; ConfigError where something else is in the way."""
    if not final.exists() or (final.is_dir() and not any(final.iterdir())):
        return None
    if not (final / RECORD).is_file():
        raise ConfigError(f"{final} is there and holds no model trained here; choose another folder")
    if fresh:
        return None
    record = read_json(final / RECORD)
    if record["identity"] == same:
        return Trained(final, record)
    raise ConfigError(
        f"{final} holds a model trained otherwise ({_difference(record['identity'], same)}); choose another folder, or "
        "train over it with --fresh"
    )


def _whole(part: Path, same: dict[str, Any]) -> bool:
    return (
        (part / RECORD).is_file()
        and not (part / "resume").exists()
        and bool(read_json(part / RECORD)["identity"] == same)
    )


def _prepare(part: Path, same: dict[str, Any], fresh: bool) -> None:
    """An empty working folder, or the one of the same training that was interrupted."""
    begun = read_json(part / PLAN) if (part / PLAN).is_file() else None
    if begun is not None and begun != same and not fresh:
        raise ConfigError(
            f"{part} holds an unfinished training of another kind ({_difference(begun, same)}); finish that first, "
            "choose another folder, or drop it with --fresh"
        )
    if begun is None and any(thing.name != ".lock" for thing in part.iterdir()):
        raise ConfigError(f"{part} is there and holds no training; move it away, or choose another folder")
    if fresh:
        with disk_errors(part):
            for thing in part.iterdir():
                if thing.name != ".lock":
                    shutil.rmtree(thing) if thing.is_dir() else thing.unlink()
    write_json(part / PLAN, same)


def _difference(old: dict[str, Any], new: dict[str, Any], place: str = "") -> str:
    """The first key in which two descriptions differ, in words."""
    for key in [*old, *(key for key in new if key not in old)]:
        one, other = old.get(key), new.get(key)
        if one != other:
            if isinstance(one, dict) and isinstance(other, dict):
                return _difference(one, other, f"{place}{key}.")
            return "other text" if key == "text" else f"{place}{key}: {one!r} there, {other!r} here"
    return "nothing"


def _tokenizer(plan: TrainingConfig, texts: Texts, part: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of an interrupted training, else a new one, which is kept."""
    folder = part / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        made = make_tokenizer(plan, texts.train)
        with disk_errors(folder):
            made.save_pretrained(folder)
    return load_tokenizer(folder, plan)


def _save_model(folder: Path, module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """An ordinary transformers folder, whole or not at all."""
    aside = folder.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        _write_model(aside, module, tokenizer)
        with disk_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            aside.replace(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _write_model(folder: Path, module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    with quiet(), disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            module.save_pretrained(folder)
        except SafetensorError as problem:
            raise DiskError(
                f"cannot write {folder}: {problem}; free some space and run the same command again"
            ) from problem
        tokenizer.save_pretrained(folder)


def _record(
    work: Work, texts: Texts, tokenizer: PreTrainedTokenizerBase, same: dict[str, Any], final: Path, *, steps: int,
    precision: str,
) -> dict[str, Any]:  # fmt: skip
    from importlib.metadata import version

    done, module, plan = work.progressed, work.module, work.config
    document = copy.deepcopy(plan.model_dump(mode="json", by_alias=True))
    named = document["corpus"]["text"]
    if named is not None:
        document["corpus"]["text"] = [
            _seen_from(final, name) for name in ([named] if isinstance(named, str) else named)
        ]
    existing = document["tokenizer"]["from"]
    if existing is not None and Path(existing).is_dir():
        document["tokenizer"]["from"] = _seen_from(final, existing)
    score = work.held_out.score(module, work.forward)
    begin, end = boundaries(tokenizer)
    return {
        "name": plan.name,
        "objective": plan.objective.kind,
        "config": document,
        "identity": same,
        "corpus": {
            "source": texts.source,
            "files": [_seen_from(final, file) for file in texts.files],
            "hash": texts.hash,
            "train_texts": len(texts.train),
            "train_pieces": int(work.batches.available),
            "left_out_texts": work.batches.left_out,
            "held_out_texts": len(texts.held_out),
            "licence": plan.corpus.licence or texts.licence,
            **texts.facts,
        },
        "parameters": sum(p.numel() for p in module.parameters()),
        "vocabulary": len(tokenizer),
        "pieces": {
            "begin": tokenizer.convert_ids_to_tokens(begin),
            "end": tokenizer.convert_ids_to_tokens(end),
        },
        "steps": steps,
        "steps_per_epoch": work.batches.per_epoch,
        "precision": precision,
        "forward": work.forward.name,
        "score": score.row(),
        "curve": done.curve,
        "revisions": sorted(folder.name for folder in (work.folder.parent / "revisions").glob("step-*")),
        "cost": {
            "cpu_seconds": round(done.cpu_seconds, 1),
            "wall_seconds": round(done.wall_seconds, 1),
            "pieces": done.pieces,
            "threads": torch.get_num_threads(),
            "device": module.device.type,
            "interruptions": done.interruptions,
        },
        "versions": {
            "probekit-nlp": version("probekit-nlp"),
            "torch": str(torch.__version__),
            "transformers": str(transformers.__version__),
            "tokenizers": version("tokenizers"),
        },
    }


def _seen_from(final: Path, path: str | Path) -> str:
    """A path relative to the model's folder: it says nothing about the machine."""
    return os.path.relpath(Path(path).expanduser().absolute(), final.absolute())


def _finish(
    part: Path, final: Path, module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, record: dict[str, Any]
) -> None:  # fmt: skip
    """Write the model and what stands beside it, and give the folder its name in one step."""
    _write_model(part, module, tokenizer)
    write_bytes(part / "README.md", model_card(record).encode("utf-8"))
    write_json(part / RECORD, record)
    for name in ("resume", "tokenizer"):
        shutil.rmtree(part / name, ignore_errors=True)
    for name in (PLAN, ".lock"):
        with suppress(OSError):
            (part / name).unlink()
    _put_in_place(part, final)


def _put_in_place(part: Path, final: Path) -> None:
    with disk_errors(final):
        old = final.with_name(f".{final.name}.{secrets.token_hex(4)}.old")
        if final.exists():
            final.replace(old)
        part.replace(final)
        shutil.rmtree(old, ignore_errors=True)


def _take(lock: int) -> None:
    """Lock a file where the system has such locks; they end with the process. OSError where another holds it."""
    with suppress(ImportError):
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Only one process trains into a folder; a killed one leaves no lock behind."""
    with disk_errors(part):
        lock = os.open(part / ".lock", os.O_CREAT | os.O_RDWR, 0o666)
    try:
        try:
            _take(lock)
        except OSError:
            raise ModelError(
                f"another process is training into {part}; wait for it, or choose another folder"
            ) from None
        yield
    finally:
        os.close(lock)
