"""What a fitted probe says of a word or a sentence: its margin or log-probability for a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.data.sentence import Sentence
from probekit.erasure.fills import fill_piece, sees_ahead
from probekit.erasure.predictions import Bound, Look, nothing_to_read, one_each
from probekit.erasure.probe_scores import (
    check_probe,
    class_scores,
    is_classifier,
    label_code,
    label_scores,
    plain_output,
    spoken_output,
    torch_scores,
    unit_of,
)
from probekit.erasure.reading import values_of
from probekit.erasure.versions import GONE, Version
from probekit.errors import ConfigError, ModelError, did_you_mean
from probekit.models.align import REASONS, encode
from probekit.models.model import Model

Array = NDArray[Any]
Ints = NDArray[np.int64]
Measure: TypeAlias = Literal["margin", "log-probability"]

POOLS = ("mean", "first", "last", "max")


@dataclass(frozen=True)
class ProbeOutput:
    """A fitted probe's margin (or log-probability) for a label, at a layer, of a word or of the sentence.

    The margin is the score of the label minus that of the best other label, or of `foil`; the log-odds for a logistic
    probe of two classes. A probe that predicts numbers gives its number. Rows are pooled as `pk.extract` pools them.

    Parameters
    ----------
    probe : LinearProbe, MLPProbe, any scikit-learn classifier or regressor that is fitted, or a function from rows
        ``[n, dim]`` to n numbers
    layer : whose states it reads
    label : one for all texts or one for each; None: what it predicts of the whole text
    word : number of the word it reads (from 0), one for all texts or one for each; None: the sentence
    foil : the label to take the margin against
    measure : "margin" or "log-probability"
    pool : "mean", "first", "last" or "max" over pieces

    Examples
    --------
    >>> probe = pk.LinearProbe().fit(np.eye(4)[[0, 1, 0, 1]], ["Sing", "Plur", "Sing", "Plur"])
    >>> ProbeOutput(probe, 3, "Plur", word=1).name
    "margin for 'Plur' of LinearProbe at layer 3, word 2"
    """

    probe: Any
    layer: str | int
    label: Any = None
    word: int | Sequence[int] | None = None
    foil: Any = None
    measure: Measure = "margin"
    pool: str = "mean"

    def __post_init__(self) -> None:
        if self.measure not in get_args(Measure):
            raise ConfigError(
                f"unknown measure {self.measure!r}; {did_you_mean(self.measure, get_args(Measure))}"
            )
        if self.pool not in POOLS:
            raise ConfigError(f"unknown pool {self.pool!r}; {did_you_mean(self.pool, POOLS)}")
        check_probe(self.probe, self.measure)

    @property
    def name(self) -> str:
        """What the number is."""
        where = "the sentence" if self.word is None else "its word"
        where = f"word {self.word + 1}" if isinstance(self.word, int) else where
        return (
            f"{spoken_output(self.probe, self.measure, self.label, self.foil)} at layer {self.layer}, {where}"
        )

    @property
    def unit(self) -> str:
        """Its unit."""
        return unit_of(self.probe, self.measure)

    def bind(self, model: Model, sentences: Sequence[Sentence]) -> Bound:
        """The prediction about these texts. Raises ConfigError where probe, layer and labels do not go together."""
        [layer] = model.resolve_layers([self.layer])
        width = getattr(self.probe, "n_features_in_", model.dim)
        if width != model.dim:
            raise ModelError(
                f"the probe reads {width} dimensions, and layer {layer} of {model.name} has {model.dim}"
            )
        words: list[int | None] = one_each(self.word, len(sentences), "word")
        versions = []
        for number, (one, word) in enumerate(zip(sentences, words, strict=True)):
            if word is not None and not -len(one) <= word < len(one):
                raise ConfigError(f"{one.location} has {len(one)} words; there is no word {word}")
            place = None if word is None else one.offsets[word]
            versions.append(Version(number, one.text, one.offsets, place))
        bound = _ProbeOutput(self, model, layer, versions, words)
        bound.settle(one_each(self.label, len(sentences), "label"))
        return bound


class _ProbeOutput(Bound):
    def __init__(
        self,
        asked: ProbeOutput,
        model: Model,
        layer: str,
        versions: list[Version],
        words: Sequence[int | None],
    ) -> None:
        self.asked, self.model, self.layer, self.versions = asked, model, layer, versions
        self.pool = asked.pool
        self.fill, self.no_fill = fill_piece(model, sees_ahead=sees_ahead(model, layer))
        self._word = [None if w is None else w % len(v.words) for w, v in zip(words, versions, strict=True)]
        self._code = np.zeros(len(versions), np.int64)
        self._foil = -1 if asked.foil is None else label_code(asked.probe, asked.foil)
        self._unsettled = False

    def settle(self, labels: Sequence[Any]) -> None:
        """Codes of the labels; where none is given, of what the probe predicts."""
        if not is_classifier(self.asked.probe):
            return
        open_ = [number for number, label in enumerate(labels) if label is None]
        for number, label in enumerate(labels):
            self._code[number] = -1 if label is None else label_code(self.asked.probe, label)
        if open_:
            self._unsettled = True
            found = values_of(self, self.looks([self.versions[i] for i in open_]))
            self._unsettled = False
            self._code[open_] = np.where(np.isnan(found), 0, found)

    def looks(self, versions: Sequence[Version]) -> list[Look]:
        sentences = []
        for number, version in enumerate(versions):
            kept = [span for span in version.words if span != GONE]
            words = tuple(version.text[a:b] for a, b in kept)
            sentences.append(Sentence(str(number), words, version.text, tuple(kept)))
        coded = encode(self.model, sentences)
        begins = np.searchsorted(coded.word_sentence, np.arange(len(versions) + 1))
        input_of = np.full(len(versions), -1)
        input_of[coded.input_sentence] = np.arange(len(coded.input_sentence))
        found: list[Look] = []
        for number, version in enumerate(versions):
            own = slice(int(begins[number]), int(begins[number + 1]))
            ranges = np.zeros((len(version.words), 2), np.int64)
            there = [i for i, span in enumerate(version.words) if span != GONE]
            ranges[there] = np.stack([coded.word_first[own], coded.word_stop[own]], axis=1)
            reasons = np.zeros(len(version.words), np.int64)
            reasons[there] = coded.word_reason[own]
            at = slice(*coded.input_start[input_of[number] :][:2].tolist())
            if coded.sentence_reason[number] or input_of[number] < 0:
                found.append(nothing_to_read("empty text"))
                continue
            ids, special = coded.piece_ids[at].astype(np.int64), coded.special[at]
            found.append(self._look(version, ids, special, ranges, reasons))
        return found

    def _look(self, version: Version, ids: Ints, special: Array, ranges: Ints, reasons: Ints) -> Look:
        if (reasons == REASONS.index("truncated")).any():
            return nothing_to_read("too long")
        word = self._word[version.origin]
        if word is None:
            text = np.flatnonzero(~special)
            first, stop = int(text[0]), int(text[-1]) + 1
        else:
            if reasons[word]:
                return nothing_to_read(REASONS[reasons[word]])
            first, stop = ranges[word].tolist()
        code = self._code[version.origin]
        return Look(
            (ids,), (ranges,), np.zeros(1, np.int64), np.array([first]), np.array([stop]), np.array([code]), np.ones(1)
        )  # fmt: skip

    def scores(self, states: torch.Tensor, row: Ints, target: Ints) -> Array:
        rows = states.float().cpu().numpy()
        if self._unsettled:
            probe = self.asked.probe
            codes: Array = np.searchsorted(probe.classes_, probe.predict(rows)).astype(np.float64)
            return codes[row]
        if not is_classifier(self.asked.probe):
            return plain_output(self.asked.probe, rows)[row]
        logits = class_scores(self.asked.probe, rows)[row]
        return label_scores(logits, target, self._foil, self.asked.measure)

    def differentiable(self, states: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits = torch_scores(self.asked.probe, states)
        if logits is None:
            return super().differentiable(states, target)
        if not is_classifier(self.asked.probe):
            return logits[:, 0]
        own = logits.gather(1, target[:, None])[:, 0]
        if self.asked.measure != "margin":
            return own - logits.logsumexp(1)
        if self._foil >= 0:
            return own - logits[:, self._foil]
        return own - logits.scatter(1, target[:, None], -torch.inf).amax(1)
