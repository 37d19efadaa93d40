"""Sentences, corpora, readers, tasks and their controls; the generated English. Loads no torch and no pydantic."""

from probekit.data.catalogue import probes_folder
from probekit.data.conllu import read_conllu, write_conllu
from probekit.data.corpus import Corpus, Overlap
from probekit.data.sentence import Sentence
from probekit.data.task import Task, list_tasks, load_task
from probekit.data.units import Units

__all__ = [
    "Corpus",
    "Overlap",
    "Sentence",
    "Task",
    "Units",
    "list_tasks",
    "load_task",
    "probes_folder",
    "read_conllu",
    "write_conllu",
]
