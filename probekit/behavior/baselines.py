"""What needs no grammar: unigram and n-gram models over the model's own pieces, and models with random weights."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.behavior.answers import Answers, answer_suite
from probekit.behavior.questions import Questions
from probekit.data.suite import Suite
from probekit.errors import DataError
from probekit.glossary import Progress, silent
from probekit.models.kneser_ney import Ngram
from probekit.models.model import Model
from probekit.models.ngram import NgramScorer, read_sequences
from probekit.models.scoring import Scorer, make_scorer
from probekit.models.scoring.masked import Pll
from probekit.models.scoring.pieces import BosRule
from probekit.models.twins import random_twins

NGRAMS = ("unigram", "ngram")
NO_TEXT = "no training text: give --baseline-text"
NO_MODEL = "a scorer was given, not a model whose pieces could be counted"
NO_TWIN = "no random twin was asked for"


def baseline_answers(
    model: Model | None,
    suite: Suite,
    texts: Sequence[str] | None = None,
    *,
    names: Sequence[str] = NGRAMS,
    order: int = 5,
    bos: BosRule = "auto",
    questions: Questions | None = None,
    progress: Progress = silent,
) -> tuple[list[Answers], dict[str, str]]:
    """A suite scored by unigram and n-gram models of a text: what co-occurrence alone can do.

    `texts` are what the model was trained on, or something like it; of a self-trained model its own training text is
    read again where none are given. Returns the answers and, for each baseline there is none of, the reason.
    """
    if not names:
        return [], {}
    if model is None:
        return [], dict.fromkeys(names, NO_MODEL)
    if texts is None:
        try:
            texts = training_texts(model)
        except DataError as problem:
            return [], dict.fromkeys(names, str(problem))
    sequences = read_sequences(model, texts, progress)
    found = []
    for name in names:
        counted = 1 if name == "unigram" else order
        ngram = Ngram.fit(sequences, counted, vocabulary=model.vocabulary, progress=progress)
        scorer = NgramScorer(model, ngram, bos=bos)
        found.append(answer_suite(scorer, suite, questions=questions, role=name, progress=progress))
    return found, {}


def training_texts(model: Model) -> list[str]:
    """The text a self-trained model was trained on. Raises DataError with the reason where there is none."""
    if model.kind != "self-trained":
        raise DataError(NO_TEXT)
    from probekit.models.training.text import training_text

    return training_text(model.name)


def twin_answers(
    model: Model | None,
    suite: Suite,
    twins: int | Sequence[Model | Scorer],
    *,
    questions: Questions | None = None,
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    progress: Progress = silent,
) -> tuple[list[Answers], str]:
    """A suite scored by models of the same shape with random weights; answers, or the reason why there are none."""
    if isinstance(twins, int):
        if not twins:
            return [], NO_TWIN
        if model is None:
            return [], "a scorer was given, not a model to draw twins of"
        twins = random_twins(model, twins)
    if not twins:
        return [], NO_TWIN
    found = []
    for twin in twins:
        scorer = make_scorer(twin, bos=bos, pll=pll) if isinstance(twin, Model) else twin
        found.append(
            answer_suite(
                scorer, suite, questions=questions, role="random-twin", model_kind="random", progress=progress
            )
        )
    return found, ""
