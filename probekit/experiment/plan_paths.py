"""Paths in an experiment file are relative to the file: made whole before the plan is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CORPUS_FILES = ("conllu", "columns", "table", "cola", "trec", "sst", "text")
"""Sources of a corpus that are files."""
TASKS = ("tasks", "concepts", "control_concepts", "neighbours", "senses")
"""Keys of an analysis that name tasks."""
WITH_SUITES = ("judge", "erase", "attend", "change")
"""Kinds of analysis that judge suites."""


def resolve_paths(document: dict[str, Any], folder: Path) -> None:
    """Make every relative path of a document one from `folder`, in place."""
    resolve_corpus(document, folder)
    resolve_models(document, folder)
    resolve_tasks(document, folder)
    resolve_suites(document, folder)


def resolve_corpus(document: dict[str, Any], folder: Path) -> None:
    """The files of the corpus, and of the corpora that models are adapted on."""
    analyses = document.get("analysis")
    listed = analyses if isinstance(analyses, list) else []
    found = [document.get("corpus"), *(one.get("on") for one in listed if isinstance(one, dict))]
    for corpus in [one for one in found if isinstance(one, dict)]:
        for name in CORPUS_FILES:
            given = corpus.get(name)
            if isinstance(given, str):
                corpus[name] = str(folder / given)
            elif isinstance(given, list):
                corpus[name] = [str(folder / item) if isinstance(item, str) else item for item in given]


def resolve_models(document: dict[str, Any], folder: Path) -> None:
    """Training configurations, and models named by a path that begins with a dot."""
    models = document.get("model")
    for model in models if isinstance(models, list) else []:
        if not isinstance(model, dict):
            continue
        name, config = model.get("name"), model.get("train")
        if isinstance(name, str) and name.startswith("."):
            model["name"] = str(folder / name)
        if isinstance(config, str):
            model["train"] = str(folder / config)


def resolve_tasks(document: dict[str, Any], folder: Path) -> None:
    """A task with the ending of a task file is a path; other names are built in."""
    analyses = document.get("analysis")
    for analysis in analyses if isinstance(analyses, list) else []:
        for key in TASKS if isinstance(analysis, dict) else ():
            if isinstance(analysis.get(key), list):
                analysis[key] = [
                    str(folder / one) if isinstance(one, str) and one.endswith(".toml") else one
                    for one in analysis[key]
                ]
        one = analysis.get("task") if isinstance(analysis, dict) else None
        if isinstance(one, str) and one.endswith(".toml"):
            analysis["task"] = str(folder / one)


def resolve_suites(document: dict[str, Any], folder: Path) -> None:
    """A suite with a slash or an ending is a path; data and baseline texts always are."""
    analyses = document.get("analysis")
    for analysis in analyses if isinstance(analyses, list) else []:
        if not isinstance(analysis, dict) or analysis.get("kind") not in WITH_SUITES:
            continue
        if isinstance(analysis.get("suites"), list):
            analysis["suites"] = [_suite_path(one, folder) for one in analysis["suites"]]
        texts = analysis.get("baseline_text")
        if isinstance(texts, str):
            analysis["baseline_text"] = str(folder / texts)
        elif isinstance(texts, list):
            analysis["baseline_text"] = [str(folder / one) if isinstance(one, str) else one for one in texts]


def _suite_path(one: Any, folder: Path) -> Any:
    if isinstance(one, str):
        return str(folder / one) if "/" in one or one.endswith((".toml", ".jsonl", ".json", ".tsv")) else one
    if isinstance(one, dict):
        known = {key: value for key, value in one.items() if key != "data"}
        if isinstance(one.get("data"), str):
            known["data"] = str(folder / one["data"])
        return known | {"suite": _suite_path(one.get("suite"), folder)}
    return one
