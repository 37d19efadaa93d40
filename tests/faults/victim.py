"""A process that has loaded a model and extracts in children of its own, so that killing one costs no
start-up.

Reads commands from stdin, one per line, and answers each with one line:
``start STORE LIMIT`` -> the process number of a child that extracts into STORE, with at most LIMIT bytes a
file (0: no limit); ``wait PROCESS`` -> its exit code (negative: the signal) and what it said.
"""

from __future__ import annotations

import os
import random
import resource
import sys

import torch

from probekit.activations.extract import extract
from probekit.data.corpus import Corpus
from probekit.data.sentence import Sentence
from probekit.errors import ProbekitError
from probekit.models.load import load_model
from probekit.models.model import Model

WORDS = ["the", "cat", "dog", "keys", "cabinet", "runs", "barks", "sits", "on", "near", "a", "mat", "laughs"]


def corpus() -> Corpus:
    draw = random.Random(0)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 40))) for _ in range(600)]
    return Corpus([Sentence.from_text(f"s{i}", text) for i, text in enumerate(texts)], name="drawn")


def work(model: Model, store: str, limit: int) -> tuple[int, str]:
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        found = extract(model, corpus(), store=store, rows_per_shard=300, pieces_per_batch=100)
    except ProbekitError as problem:
        return problem.exit_code, str(problem)
    return 0, found.key


def main() -> None:
    torch.set_num_threads(1)  # one thread: a fork takes only the calling one along
    model = load_model(sys.argv[1], device="cpu")
    said: dict[int, int] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        what, *rest = line.split()
        if what == "start":
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                code = 99
                try:
                    code, words = work(model, rest[0], int(rest[1]))
                    os.write(write, words.encode())
                finally:
                    os._exit(code)
            os.close(write)
            said[child] = read
            print(child, flush=True)
        else:
            child = int(rest[0])
            with os.fdopen(said.pop(child)) as file:
                words = file.read()
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            print(code, words.replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
