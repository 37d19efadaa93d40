"""The corpus that a plan names, read by the reader of its format."""

from __future__ import annotations

from dataclasses import replace

from probekit.data.corpus import Corpus
from probekit.experiment.plan import CorpusPlan


def read_planned(plan: CorpusPlan) -> Corpus:
    """Read the corpus of a plan. Raises DataError as its reader does."""
    source = plan.source
    given = getattr(plan, source)
    if source == "generated":
        from probekit.data.grammar import generate_corpus

        corpus = generate_corpus(train=given.train, dev=given.dev, test=given.test, seed=given.seed)
    elif source == "hub":
        from probekit.data.read_hub import read_hub

        corpus = read_hub(
            given.name, revision=given.revision, config=given.config, text=given.text, label=given.label
        )
    else:
        from probekit.data.read_corpus import read_corpus

        corpus = read_corpus(given, format=source, **_options(source, plan.fields))
    if plan.text_form is not None and plan.text_form != corpus.text_form:
        corpus = replace(corpus, text_form=plan.text_form)
    return corpus
