"""The corpus that a plan names, read by the reader of its format."""

from __future__ import annotations

from functools import lru_cache

from probekit.data.corpus import Corpus
from probekit.experiment.plan import CorpusPlan


def read_planned(plan: CorpusPlan) -> Corpus:
    """Read the corpus of a plan. Raises DataError as its reader does, ConfigError for an option it has not."""
    source = plan.source
    if plan.generated is not None:
        from probekit.data.grammar import generate_corpus

        given = plan.generated
        return generate_corpus(train=given.train, dev=given.dev, test=given.test, seed=given.seed)
    if plan.agreement is not None:
        from probekit.data.agreement import generate_agreement

        return generate_agreement(**plan.agreement.model_dump())
    if plan.hub is not None:
        from probekit.data.read_hub import read_hub

        return read_hub(
            plan.hub.name,
            revision=plan.hub.revision,
            config=plan.hub.config,
            text=plan.hub.text,
            label=plan.hub.label,
        )
    from probekit.data.read_corpus import read_corpus

    named = {key: value for key, value in (("name", plan.name), ("licence", plan.licence)) if value}
    return read_corpus(getattr(plan, source), format=source, **named, **plan.options)


def read_once(plan: CorpusPlan) -> Corpus:
    """The corpus of a plan, kept by this process until another is asked for."""
    return _read(plan.model_dump_json())


def looked_at(corpus: Corpus, split: str | None = None) -> Corpus:
    """The split named; where none is, test, or a corpus without test as a whole. Raises DataError."""
    if split is None and "test" not in corpus.sizes:
        return corpus
    return corpus.split(split or "test")


@lru_cache(maxsize=1)
def _read(plan: str) -> Corpus:
    return read_planned(CorpusPlan.model_validate_json(plan))
