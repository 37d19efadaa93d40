"""What a paper would write of a judgement, with its numbers and the rule of scoring."""

from __future__ import annotations

from collections.abc import Sequence

from probekit.behavior.finder import CONTROLS, Finder, spoken_name
from probekit.behavior.questions import Questions
from probekit.behavior.rows import spoken_rule
from probekit.behavior.systems import System
from probekit.data.suite import Suite
from probekit.results.formats import format_interval, format_p, format_score
from probekit.results.measurement import About, Measurement


def sentence(
    suite: Suite, questions: Questions, model: System, rows: Sequence[Measurement], about: About
) -> str:
    """What a paper would write of this judgement, with its numbers and the rule of scoring."""
    find = Finder(rows)
    who = spoken_name(about.model or model.name)
    n = f"{len(model.right) - sum(model.left_out.values()):,} items"
    if len({case.item for case in questions.cases}) < len(questions.cases):
        n = n.replace("items", f"predictions about {len(suite):,} items")
    parts = []
    if suite.kind == "acceptability":
        both = [row for row in rows if row.metric == "auc" and not row.control and not row.layer]
        shown = " and ".join(f"{_bounded(row)} ({row.group.removeprefix('score=')})" for row in both)
        parts.append(
            f"On {suite.name} ({n}), {who} ranks acceptable above unacceptable sentences with AUC {shown}"
        )
    else:
        one = find.get("accuracy")
        parts.append(f"On {suite.name} ({n}), {who} is right on {_bounded(one)}" if one and one.value is not None
                     else f"On {suite.name}, {who} could be judged on no item")  # fmt: skip
        macro = find.get("macro_accuracy", "mean over phenomena")
        n_phenomena = len(suite.phenomena)
        if macro is not None and macro.value is not None and n_phenomena > 1:
            parts.append(f"mean over {n_phenomena} phenomena {_bounded(macro)}")
        for control, (spoken, _) in CONTROLS.items():
            beside = find.get("accuracy", control=control)
            if not control or beside is None or beside.value is None:
                continue
            difference = find.difference(f"control={control}")
            said = f"{spoken} {format_score(beside.value)}"
            if difference is not None and difference.value is not None:
                said += f" (difference {_bounded(difference)}"
                if difference.p_adjusted is not None:
                    test = "exact McNemar " if "McNemar" in difference.interval else ""
                    said += f", {test}p {_p(difference.p_adjusted)}, Holm-corrected"
                said += ")"
            parts.append(said)
        nonce = find.difference("nonce=nonce", "nonce=natural")
        if nonce is not None and nonce.value is not None:
            parts.append(f"natural minus nonce {_bounded(nonce)}")
        level = chance(suite)
        if level is not None:
            parts.append(f"chance is {level:g}")
    text = "; ".join(parts) + ". "
    if model.left_out:
        text += (
            f"Left out: {', '.join(f'{number:,} {reason}' for reason, number in model.left_out.items())}. "
        )
    if suite.kind != "acceptability":
        text += f"Ties, which count as not right: {model.ties:,}. "
    return text + f"Scoring: {spoken_rule(suite, model.rule)}."


def chance(suite: Suite) -> float | None:
    """0.5 where every prediction is one comparison of two scores by < or >; None for conjunctions and others."""
    single = all(p.formula.root.sign in "<>" and len(p.formula.needs) == 2 for p in suite.predictions)
    return 0.5 if suite.predictions and single else None


def _bounded(row: Measurement | None) -> str:
    if row is None or row.value is None:
        return "not defined"
    return f"{format_score(row.value)} {format_interval(row.low, row.high)}".strip()


def _p(value: float | None) -> str:
    text = format_p(value)
    return text if text.startswith("<") else f"= {text}"
