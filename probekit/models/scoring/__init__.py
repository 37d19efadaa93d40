"""How surprising pieces, spans and texts are to a language model, under one set of rules for every kind."""

from __future__ import annotations

from probekit.models.scoring.asks import REASONS, Answer, Ask, Scorer
from probekit.models.scoring.make import PieceScores, make_scorer, score_pieces
from probekit.models.scoring.queries import Queries

__all__ = ["REASONS", "Answer", "Ask", "PieceScores", "Queries", "Scorer", "make_scorer", "score_pieces"]
