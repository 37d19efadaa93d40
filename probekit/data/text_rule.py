"""What is done to the texts of a suite before they are scored: a capital letter, a full stop."""

from __future__ import annotations

from dataclasses import replace

from probekit.data.suite import Condition, Kind, Suite

AS_GIVEN = "as given"


def apply_text_rule(suite: Suite, append: str = "", capital: bool = False) -> Suite:
    """The suite with `append` (such as ``" ."``) after each text that does not end so, and a capital first letter.

    What is appended joins the last region (the text after the target, the whole sentence); in a suite of kind
    ``regions`` it belongs to no region and counts in the whole text (``*``) alone. `text_rule` says what was done.

    >>> from probekit.data.text_rule import apply_text_rule
    >>> apply_text_rule(pk.load_suite("simple-agreement"), append=" .").text_rule
    "' .' appended"
    """
    if not append and not capital:
        return suite
    items = tuple(
        replace(i, conditions=tuple(reword(c, suite.kind, append, capital) for c in i.conditions))
        for i in suite.items
    )
    done = [] if suite.text_rule == AS_GIVEN else [suite.text_rule]
    done += ["first letter capital"] if capital else []
    done += [f"{append!r} appended"] if append else []
    return replace(suite, items=items, text_rule="; ".join(done))


def reword(condition: Condition, kind: Kind, append: str, capital: bool) -> Condition:
    """One text under the rule."""
    text, regions = condition.text, condition.regions
    if capital and len(text[:1].upper()) == len(text[:1]):  # some letters have a capital of two
        text = text[:1].upper() + text[1:]
    if append and not text.endswith(append.strip()):
        if kind != "regions" and regions:
            regions = (*regions[:-1], (regions[-1][0], len(text) + len(append)))
        text += append
    return replace(condition, text=text, regions=regions)
