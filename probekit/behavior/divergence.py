"""How far edits inside a model move what it predicts: the divergence of its output, and perplexity before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.behavior.diverged import Divergence
from probekit.behavior.perplexity import Perplexity, named_texts
from probekit.data.corpus import Corpus
from probekit.errors import DataError, ModelError
from probekit.glossary import Progress, silent
from probekit.models.model import Model
from probekit.models.scoring import Ask, Queries, make_scorer
from probekit.models.scoring.base import ModelScorer
from probekit.models.scoring.masked import Pll
from probekit.models.scoring.pieces import BosRule
from probekit.models.scoring.rows import batches, state_layer

if TYPE_CHECKING:
    from probekit.models.hooks import Edit

Array = NDArray[Any]

STAGE = "reading outputs"
LOGITS_AT_ONCE = 1 << 21
"""How many log-probabilities of either distribution are in memory at one time."""


@dataclass(frozen=True, eq=False, repr=False)
class Reference:
    """What a model predicts for some texts as it is: the states its head reads, kept for comparisons with edits.

    ``states`` ``[places, dim]``: one row for each place that is looked at; query k looks at row ``row[k]``.
    """

    model: Model
    scorer: ModelScorer
    queries: Queries
    states: torch.Tensor
    row: Array
    unscored: Perplexity
    progress: Progress = silent

    def against(self, edits: Sequence[Edit], *, method: str = "") -> Divergence:
        """How far edits move the predictions; `method` says in words what they do, for rows and captions.

        One more pass over the texts. Exactly 0 where nothing is edited. Raises ModelError where the edited model gives
        NaN or infinity.
        """
        from probekit.models.hooks import edit_all

        edits = tuple(edits)
        with edit_all(self.model, edits):
            edited, _ = _read(self.model, self.scorer, self.queries, self.progress)
        self._check(edited, edits)
        kl, before, after = np.empty(len(self.states)), np.empty(len(self.row)), np.empty(len(self.row))
        order = np.argsort(self.row, kind="stable")
        for begin, end, p, q in self._both(edited):
            kl[begin:end] = kl_nats(p, q).cpu().numpy()
            own = order[slice(*np.searchsorted(self.row[order], [begin, end]))]
            at = torch.from_numpy(self.row[own] - begin), torch.from_numpy(self.queries.target[own])
            before[own], after[own] = p[at].cpu().numpy(), q[at].cpu().numpy()
        layers, sites = {str(one.layer) for one in edits}, {str(one.site) for one in edits}
        return Divergence(
            edits=method or spoken_edits(edits),
            layer=layers.pop() if len(layers) == 1 else "",
            site=sites.pop() if len(sites) == 1 else "",
            bits=self._summed(-kl[self.row]),
            before=replace(self.unscored, bits=self._summed(before)),
            after=replace(self.unscored, bits=self._summed(after)),
        )

    def _summed(self, logprob: Array) -> Array:
        """Surprisal of each text in bits, NaN where it is left out."""
        return np.array([one.bits[0] for (one,) in self.queries.answers(logprob)], dtype=np.float64)

    @torch.no_grad()
    def _both(self, edited: torch.Tensor) -> Iterator[tuple[int, int, torch.Tensor, torch.Tensor]]:
        """Log-probabilities ``[rows, vocabulary]`` before and after, float64, a block of rows at a time."""
        head = self.scorer.head
        step = max(1, LOGITS_AT_ONCE // max(1, self.model.vocabulary))
        for begin in range(0, len(edited), step):
            end = min(begin + step, len(edited))
            p, q = (head(states[begin:end]).double().log_softmax(-1) for states in (self.states, edited))
            yield begin, end, p, q

    def _check(self, edited: torch.Tensor, edits: tuple[Edit, ...]) -> None:
        bad = torch.nonzero(~torch.isfinite(edited).all(-1))
        if len(bad):
            query = int(np.flatnonzero(self.row == int(bad[0]))[0])
            text = self.unscored.ids[int(self.queries.ask[query])]
            raise ModelError(
                f"{self.model.name}, {spoken_edits(edits)}: the edited model gives NaN or infinity in text {text!r}; "
                "look at what the edits return"
            )

    def __repr__(self) -> str:
        return (
            f"<Reference of {self.model.name}: {len(self.unscored.ids):,} texts, {len(self.states):,} places>"
        )


def output_divergence(
    model: Model,
    texts: Sequence[str] | Corpus,
    edits: Sequence[Edit],
    *,
    method: str = "",
    split: str = "",
    sources: Sequence[str] | None = None,
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    pieces_per_batch: int | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Divergence:
    """How far edits move what a model predicts: KL(unedited || edited) in bits at every predicted piece.

    The distributions are over the whole vocabulary, at the places where `perplexity` looks: before each piece of a
    causal model, at each masked copy of a masked one. Perplexity before and after come from the same two passes. To
    compare many edits with one unedited pass, keep `output_reference` and ask it ``against(edits)``. Memory is bounded
    by one state per predicted piece.

    `texts`, `split`, `sources`, `bos`, `pll`, `pieces_per_batch`, `resamples` are those of `perplexity`, which says
    what is left out; `method` says in words what the edits do. Raises what `perplexity` raises, and ModelError where
    the edited model gives NaN or infinity.

    >>> with_edits = [Edit(3, lambda states: 0 * states, "mlp")]            # doctest: +SKIP
    >>> pk.output_divergence(model, texts, with_edits).per_piece            # doctest: +SKIP
    0.41
    """
    reference = output_reference(
        model,
        texts,
        split=split,
        sources=sources,
        bos=bos,
        pll=pll,
        pieces_per_batch=pieces_per_batch,
        resamples=resamples,
        progress=progress,
    )
    return reference.against(edits, method=method)


def output_reference(
    model: Model,
    texts: Sequence[str] | Corpus,
    *,
    split: str = "",
    sources: Sequence[str] | None = None,
    bos: BosRule = "auto",
    pll: Pll = "within_word_l2r",
    pieces_per_batch: int | None = None,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Reference:
    """What a model predicts for texts as it is now, to be compared with what it predicts under edits.

    Arguments are those of `output_divergence`. Edits that are in force meanwhile belong to what is compared with.

    >>> reference = output_reference(pk.load_model("gpt2"), ["The keys are here."])     # doctest: +SKIP
    >>> reference.against([pk.Edit(6, eraser)]).table()                                 # doctest: +SKIP
    """
    found, ids, n_words, corpus = named_texts(texts, split)
    if sources is not None and len(sources) != len(found):
        raise DataError(f"{len(sources)} sources for {len(found)} texts; give one for each")
    scorer = make_scorer(model, bos=bos, pll=pll, pieces_per_batch=pieces_per_batch)
    given = [""] * len(found) if sources is None else sources
    asks = [[Ask(text, ((0, len(text)),), source)] for text, source in zip(found, given, strict=True)]
    queries = scorer.queries(asks)
    states, row = _read(model, scorer, queries, progress)
    answers = [answer for (answer,) in queries.answers(np.zeros(len(queries)))]
    unscored = Perplexity(
        name=model.name,
        rule=scorer.rule,
        pseudo=scorer.kind == "masked",
        ids=tuple(ids),
        bits=np.full(len(found), np.nan),
        n_pieces=np.array([answer.n_pieces[0] for answer in answers], dtype=np.int64),
        n_words=np.array(n_words, dtype=np.int64),
        n_characters=np.array([len(text) for text in found], dtype=np.int64),
        reasons=tuple(answer.left_out for answer in answers),
        corpus=corpus,
        split=split,
        model_kind=model.kind,
        resamples=resamples,
    )
    return Reference(model, scorer, queries, states, row, unscored, progress)


@torch.no_grad()
def _read(
    model: Model, scorer: ModelScorer, queries: Queries, progress: Progress
) -> tuple[torch.Tensor, Array]:
    """The states at the distinct places of the queries, ``[places, dim]`` in the order of input and position, and the
    row of each query. Inputs of equal length are read together, each by itself: edits may depend on positions."""
    layer, device = state_layer(model), model.module.device
    width = max((len(ids) for ids in queries.inputs), default=1)
    places, row = np.unique(queries.input * width + queries.position, return_inverse=True)
    owner, position = places // width, places % width
    states = torch.zeros(len(places), model.dim, dtype=model.module.dtype, device=device)
    lengths = [[len(ids)] for ids in queries.inputs]
    if queries.sources:
        lengths = [[len(source), *own] for source, own in zip(queries.sources, lengths, strict=True)]
    done = 0
    for numbers in batches(lengths, scorer.budget):
        progress(STAGE, done, len(queries.inputs))
        ids = torch.from_numpy(np.stack([queries.inputs[i] for i in numbers]).astype(np.int64)).to(device)
        if queries.sources:
            sources = np.stack([queries.sources[i] for i in numbers]).astype(np.int64)
            read = model.decode(torch.from_numpy(sources).to(device), None, ids, (layer,))[layer]
        else:
            read = model.states(ids, None, (layer,))[layer]
        begin, end = np.searchsorted(owner, numbers), np.searchsorted(owner, numbers, side="right")
        own = np.concatenate([np.arange(a, b) for a, b in zip(begin, end, strict=True)])
        slot = np.repeat(np.arange(len(numbers)), end - begin)
        states[torch.from_numpy(own).to(device)] = read[
            torch.from_numpy(slot).to(device), torch.from_numpy(position[own]).to(device)
        ]
        done += len(numbers)
    progress(STAGE, done, len(queries.inputs))
    return states, row


def kl_nats(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL(p || q) of log-probabilities ``[rows, pieces]``, in nats; what has no probability under p adds nothing."""
    share = p.exp()
    return torch.where(share > 0, share * (p - q), 0.0).sum(-1).clamp_min_(0.0)


def spoken_edits(edits: Sequence[Edit]) -> str:
    """The edits in words: how many, and where."""
    if not edits:
        return "no edits"
    where = sorted({f"{one.site} of layer {one.layer}" for one in edits})
    shown = ", ".join(where[:3]) + (f" and {len(where) - 3} more" if len(where) > 3 else "")
    return f"{len(edits)} {'edit' if len(edits) == 1 else 'edits'} at {shown}"
