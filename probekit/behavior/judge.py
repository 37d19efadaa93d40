"""Judge a model on a suite, beside its baselines: the call of a notebook, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from probekit.behavior.acceptability import acceptability_rows
from probekit.behavior.answers import Answers, answer_suite
from probekit.behavior.baselines import NGRAMS, baseline_answers, twin_answers
from probekit.behavior.items import items_table
from probekit.behavior.lens import layer_answers
from probekit.behavior.pictures import make_panels
from probekit.behavior.questions import Questions, ask_suite
from probekit.behavior.rows import make_rows
from probekit.behavior.summary import sentence
from probekit.behavior.systems import System, gather, majority_number
from probekit.behavior.verdicts import outcomes_of
from probekit.data.suite import Suite
from probekit.errors import ConfigError, did_you_mean
from probekit.glossary import Progress, silent
from probekit.models.model import Model
from probekit.models.scoring import Scorer, make_scorer
from probekit.models.scoring.masked import Pll
from probekit.models.scoring.pieces import BosRule
from probekit.results.measurement import About, Measurement, tidy
from probekit.results.outcomes import Outcomes
from probekit.results.panel import Panel

if TYPE_CHECKING:
    import pandas

    from probekit.activations.store import Store
    from probekit.behavior.tuned_lens import TunedLens

BASELINES = (*NGRAMS, "majority")


@dataclass(frozen=True, eq=False, repr=False)
class Judgement:
    """A model judged on a suite: rows (measurements), panels (pictures), outcomes (every item), and the answers."""

    suite: Suite
    questions: Questions = field(repr=False)
    model: System
    controls: tuple[System, ...]
    layers: tuple[System, ...]
    about: About
    rows: tuple[Measurement, ...]
    resamples: int = 1000

    @cached_property
    def panels(self) -> list[Panel]:
        """Pictures of the judgement: `pk.plot(judgement)` draws them."""
        return make_panels(self.suite, self.questions, self.model, self.controls, self.rows, self.about)

    @property
    def summary(self) -> str:
        """What a paper would write."""
        return sentence(self.suite, self.questions, self.model, self.rows, self.about)

    @cached_property
    def outcomes(self) -> Outcomes:
        """What happened to every item: right, wrong or tie with the margin in bits; `pk.compare` joins two."""
        return self.outcomes_of(self.model)

    def outcomes_of(self, system: System) -> Outcomes:
        """The outcomes of the model at a layer, or of a baseline that answered for itself."""
        if system.verdicts is None:
            raise ConfigError(
                f"{system.name} has shares of right answers, not outcomes; take the twins one by one"
            )
        return outcomes_of(self.suite, self.questions, system.verdicts)

    @property
    def accuracy(self) -> float | None:
        """The share of judged items that were right; None where none was judged or the suite has no predictions."""
        right = self.model.right[~np.isnan(self.model.right)]
        return float(right.mean()) if len(right) else None

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many items the model was not judged on, by reason."""
        return self.model.left_out

    @property
    def left_out_examples(self) -> Mapping[str, tuple[str, ...]]:
        """The first five of them, by reason."""
        return self.model.verdicts.examples(self.questions) if self.model.verdicts is not None else {}

    @property
    def answers(self) -> Answers:
        """The bits behind it all; `assemble` makes the judgement anew from them."""
        assert self.model.verdicts is not None
        return self.model.verdicts.answers

    def items(self) -> pandas.DataFrame:
        """Every item with its groups, outcome, margin in bits, and the texts compared."""
        return items_table(self.suite, self.questions, self.model)

    def table(self) -> pandas.DataFrame:
        """All rows as a tidy pandas table."""
        return tidy(self.rows)

    def __repr__(self) -> str:
        n = int((~np.isnan(self.model.right)).sum())
        shown = "no predictions" if self.accuracy is None else f"accuracy {self.accuracy:.3f}"
        return f"<Judgement of {self.model.name} on {self.suite.name}: {shown}, n = {n:,}>"

    def _repr_html_(self) -> str:
        from probekit.results.html import escape, table

        shown = next(panel for panel in self.panels if panel.kind == "table")
        labels = shown.labels
        return f"<p>{escape(self.summary)}</p>{table(labels['columns'], labels['rows'], labels['formats'])}"


def assemble(
    suite: Suite,
    answers: Answers,
    *,
    controls: Sequence[Answers] = (),
    layers: Sequence[Answers] = (),
    nulls: Mapping[str, str] | None = None,
    majority: bool = True,
    about: About | None = None,
    resamples: int = 1000,
    questions: Questions | None = None,
) -> Judgement:
    """A judgement from answers that were given before; no model is needed.

    `controls` are answers of baselines and twins (`Answers.role` says which), `layers` those of a lens, `nulls` the
    baselines that there are none of, with the reason. Raises DataError where answers are to another suite.
    """
    questions = questions or ask_suite(suite)
    about = about or About(model=answers.name, model_kind=answers.model_kind)
    model, systems, lens = gather(suite, questions, answers, controls, layers)
    missing = dict(nulls or {})
    if suite.kind == "acceptability":
        rows = acceptability_rows(
            suite, questions, [model, *systems], lens, missing, about, resamples=resamples
        )
        return Judgement(suite, questions, model, tuple(systems), tuple(lens), about, tuple(rows), resamples)
    if majority:
        found = majority_number(suite, questions, model)
        if isinstance(found, str):
            missing["majority"] = found
        else:
            systems.append(found)
    rows = make_rows(suite, questions, model, systems, lens, missing, about, resamples=resamples)
    return Judgement(suite, questions, model, tuple(systems), tuple(lens), about, tuple(rows), resamples)


def judge(
    model: Model | Scorer,
    suite: Suite,
    *,
    scorer: Scorer | None = None,
    baselines: Iterable[str | Scorer] = BASELINES,
    baseline_text: Sequence[str] | None = None,
    twins: int | Sequence[Model | Scorer] = 0,
    layers: str | int | Iterable[int | str] | None = None,
    lens: TunedLens | None = None,
    order: int = 5,
    resamples: int = 1000,
    store: Store | str | None = None,
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    about: About | None = None,
    progress: Progress = silent,
) -> Judgement:
    """Judge a model on every item of a suite, strictly, beside its baselines. No model is refused for being weak.

    Accuracy is right / (right + wrong + ties); ties, items left out (too long, unknown pieces) and items whose
    conditions are identical are counted and named. Baselines: unigram and n-gram models over the model's own pieces,
    fitted to `baseline_text` (a self-trained model's own training text is read again where none is given; without
    text these rows are null, with the reason), the majority number, and `twins` with random weights. `layers` asks
    for the behaviour at every layer named, through the final norm and the output head (logit lens), or through
    `lens`.

    Parameters
    ----------
    model : a model with a language-model head, or any scorer
    scorer : scores the suite in place of the model's own scorer
    baselines : names out of unigram, ngram, majority; a scorer among them is judged beside the model
    twins : how many random twins, or the twins themselves
    bos, pll : rules of scoring, see `make_scorer`; they stand in every row
    store : where the states that a lens reads are kept; None is the user's store

    Raises
    ------
    ModelError
        where the model has no language-model head.
    ConfigError
        for an unknown baseline, or layers asked of a scorer without model.

    Examples
    --------
    >>> judged = pk.judge(pk.load_model("gpt2"), pk.load_suite("agreement"))  # doctest: +SKIP
    >>> judged.accuracy, judged.left_out                                      # doctest: +SKIP
    """
    named = [one for one in baselines if isinstance(one, str)]
    given = [one for one in baselines if not isinstance(one, str)]
    for name in named:
        if name not in BASELINES:
            raise ConfigError(f"no baseline {name!r}; {did_you_mean(name, BASELINES)}")
    loaded = model if isinstance(model, Model) else None
    questions = ask_suite(suite)
    if scorer is None:
        scorer = make_scorer(model, bos=bos, pll=pll) if isinstance(model, Model) else model
    kind = loaded.kind if loaded is not None else "pretrained"
    answers = answer_suite(scorer, suite, questions=questions, model_kind=kind, progress=progress)
    controls = [
        answer_suite(one, suite, questions=questions, role="given", progress=progress) for one in given
    ]
    wanted = [name for name in NGRAMS if name in named]
    found, nulls = baseline_answers(
        loaded,
        suite,
        baseline_text,
        names=wanted,
        order=order,
        bos=bos,
        questions=questions,
        progress=progress,
    )
    controls += found
    again, reason = twin_answers(
        loaded, suite, twins, questions=questions, bos=bos, pll=pll, progress=progress
    )
    controls += again
    nulls |= {"random-twin": reason} if reason else {}
    by_layer: list[Answers] = []
    if layers is not None or lens is not None:
        if loaded is None:
            raise ConfigError("behaviour by layer needs a model, and only a scorer was given; pass the model")
        by_layer = layer_answers(
            loaded, suite, layers="all" if layers is None else layers, lens=lens, bos=bos, pll=pll, store=store,
            questions=questions, progress=progress,
        )  # fmt: skip
    if about is None:
        about = About(model=loaded.name if loaded is not None else scorer.name, model_kind=kind)
    return assemble(
        suite, answers, controls=controls, layers=by_layer, nulls=nulls, majority="majority" in named, about=about,
        resamples=resamples, questions=questions,
    )  # fmt: skip
