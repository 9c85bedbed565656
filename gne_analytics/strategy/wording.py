"""Clause wording, scored on the clause's own labelled examples: does a reader of the new words agree more often?

A replay cannot judge words; a reader can. The judge, a language model or whoever else answers, is shown one wording and
one example at a time, never the label, never another example, nor which of the wordings is today's. Examples fall into
a part that may be shown to whoever drafts and a holdout, by a hash of their text; the score is the holdout's alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, Protocol

from scipy.stats import binomtest

from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.types import Estimate, Interval
from gne_analytics.metrics.intervals import wilson
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Clause, Example

SALT = "gne-wording-1"
MIN_HOLDOUT = 20
"""Fewer held-out examples score nothing."""
MIN_EACH = 3
"""Held-out examples on either side of the line: on one side alone a wording that forbids all, or nothing, agrees."""
MOST_UNANSWERED = 0.1
"""The share of held-out examples without both answers above which nothing is scored."""
LEVEL = 0.05
COVERED, SPARED = "It covers: ", "It does not cover: "


class Judge(Protocol):
    """Whoever reads a wording and says whether a case violates it."""

    @property
    def name(self) -> str:
        """Who it is, for provenance."""

    def violates(self, wording: str, case: str) -> bool | None:
        """Say whether the case violates the clause as worded; None when no answer can be had."""


class Judgement(Frozen):
    """Agreement of a judge with the labels under today's and the proposed wording, on the holdout."""

    clause: str
    judge: str
    """Empty where none is configured."""
    verdict: Literal["better", "worse", "cannot_tell", "not_scored"]
    why: str
    holdout: int
    """Held-out examples that both wordings were judged on."""
    violating: int
    """Of those, labelled violating."""
    left_out: dict[str, int]
    """Reason -> examples: labelled both ways, quoted in a wording, unanswered."""
    today: Estimate | None = None
    """Share of the holdout on which the judge agrees with the label."""
    proposed: Estimate | None = None
    difference: Estimate | None = None
    """Proposed less today, paired, with the interval that goes with McNemar's exact test."""
    p_value: float | None = None


@dataclass(frozen=True)
class Split:
    """A clause's examples in two parts that stay as they are when others are added."""

    drafting: tuple[Example, ...]
    """May be shown to whoever drafts the wording."""
    holdout: tuple[Example, ...]
    contradictory: int
    """Examples left out, since the same text is labelled both ways."""


def split_examples(clause_id: str, examples: Sequence[Example]) -> Split:
    """Split examples by a hash of their text, about in halves; a text that stands twice counts once.

    Texts that differ in case, blanks or punctuation alone are the same, so that no copy crosses over.
    """
    labels: dict[str, set[bool]] = {}
    for example in examples:
        labels.setdefault(_plain(example.text), set()).add(example.violating)
    first = {_plain(e.text): e for e in reversed(examples) if len(labels[_plain(e.text)]) == 1}
    held = {text: _is_held_out(clause_id, text) for text in first}
    return Split(
        drafting=tuple(first[t] for t in sorted(first) if not held[t]),
        holdout=tuple(first[t] for t in sorted(first) if held[t]),
        contradictory=sum(len(labels[_plain(e.text)]) > 1 for e in examples),
    )


def score_wording(
    today: Clause, proposed: Clause, judge: Judge | None, examples: Sequence[Example] | None = None
) -> Judgement:
    """Score the proposed wording of a clause against today's on held-out labelled examples.

    With no judge, too few examples, or too many without an answer nothing is scored, and the result says which; no
    figure is made up. Examples that a wording quotes are left out: it would be marked on its own answers.

    Args:
        today: the clause as it stands, with the owner's labelled examples.
        proposed: the same clause in the new words; its own examples are not used.
        judge: who reads; see ``agents.judging.clause_judge`` and ``LexicalBaseline``.
        examples: further labelled examples, e.g. decided appeals in words; the clause's own are always used.
    """
    split = split_examples(today.id, [*today.examples, *(examples or ())])
    words = wording_of(today), wording_of(proposed)
    fair = [e for e in split.holdout if not any(f" {_plain(e.text)} " in f" {_plain(w)} " for w in words)]
    left = {"labelled both ways": split.contradictory, "quoted in a wording": len(split.holdout) - len(fair)}

    def none(why: str, **more: int) -> Judgement:
        return Judgement(
            clause=today.id, judge=judge.name if judge else "", verdict="not_scored", why=why, holdout=len(fair),
            violating=sum(e.violating for e in fair), left_out={k: v for k, v in (left | more).items() if v},
        )  # fmt: skip

    if why := _too_few(fair):
        return none(why)
    if judge is None:
        return none("No language model is configured to read the wordings; set GNE_MODEL, or let people judge.")
    answers = [(judge.violates(words[0], e.text), judge.violates(words[1], e.text), e.violating) for e in fair]
    told = [(a == label, b == label) for a, b, label in answers if a is not None and b is not None]
    unanswered = len(fair) - len(told)
    if unanswered > MOST_UNANSWERED * len(fair):
        return none("The judge left too many of the examples without an answer.", unanswered=unanswered)
    left["unanswered"] = unanswered
    return _judged(today.id, judge.name, told, sum(label for a, b, label in answers if None not in (a, b)), left)


def reworded(today: PolicySet, proposed: PolicySet) -> list[tuple[Clause, Clause]]:
    """Return the clauses that both sets have and word differently, each as it is and as it would be."""
    new = {c.id: c for policy in proposed.policies.values() for c in policy.clauses}
    old = [c for policy in today.policies.values() for c in policy.clauses if c.id in new]
    return [(c, new[c.id]) for c in old if wording_of(c) != wording_of(new[c.id])]


def wording_of(clause: Clause) -> str:
    """Return the words that a judge reads: text, what it includes and excludes, without the examples."""
    covered, spared = ([f"{start}{' '.join(x.split())}" for x in lines] for start, lines in
                       ((COVERED, clause.includes), (SPARED, clause.excludes)))  # fmt: skip
    return "\n".join([" ".join(clause.text.split()), *covered, *spared])


def _too_few(held: Sequence[Example]) -> str:
    violating = sum(e.violating for e in held)
    if len(held) < MIN_HOLDOUT:
        return f"Too few labelled examples are held out: {len(held)}, and it takes {MIN_HOLDOUT}; label more cases."
    if min(violating, len(held) - violating) < MIN_EACH:
        return f"Too few of the examples held out lie on one side of the line; it takes {MIN_EACH} on each."
    return ""


def _judged(
    clause: str, judge: str, told: Sequence[tuple[bool, bool]], violating: int, left_out: dict[str, int]
) -> Judgement:
    n = len(told)
    gained, lost = sum(b and not a for a, b in told), sum(a and not b for a, b in told)
    difference, p_value = paired(gained, lost, n)
    verdict: Literal["better", "worse", "cannot_tell"] = "cannot_tell"
    why = "The two wordings are read too much alike on these examples to tell them apart."
    if p_value < LEVEL:
        verdict = "better" if gained > lost else "worse"
        why = (
            f"The judge agrees with the labels {'more' if gained > lost else 'less'} often under the proposed wording."
        )
    agreed = [sum(pair[i] for pair in told) for i in (0, 1)]
    shares = [Estimate(value=k / n, interval=wilson(k, n), n=n) for k in agreed]
    return Judgement(
        clause=clause, judge=judge, verdict=verdict, why=why, holdout=n, violating=violating,
        left_out={k: v for k, v in left_out.items() if v}, today=shares[0], proposed=shares[1],
        difference=difference, p_value=p_value,
    )  # fmt: skip


def paired(gained: int, lost: int, n: int) -> tuple[Estimate, float]:
    """Return the paired difference of two shares of n with its interval, and the p-value of McNemar's exact test.

    The interval is Clopper and Pearson's of the gained among the pairs that differ, given how many do; it leaves out
    zero just where the test, McNemar (1947) on binomial probabilities, rejects. Where no pair differs it is Wilson's of
    none, to either side.
    """
    apart = gained + lost
    if not apart:
        reach = wilson(0, n).hi
        return Estimate(value=0.0, interval=Interval(lo=-reach, hi=reach, method="Wilson, none differs"), n=n), 1.0
    test = binomtest(gained, apart, 0.5)
    ends = test.proportion_ci(1 - LEVEL, method="exact")
    lo, hi = ((2 * float(x) - 1) * apart / n for x in (ends.low, ends.high))
    interval = Interval(lo=lo, hi=hi, method="Clopper-Pearson, given the pairs that differ")
    return Estimate(value=(gained - lost) / n, interval=interval, n=n), float(test.pvalue)


class LexicalBaseline:
    """A judge that counts shared words, for comparison: it reads nothing, and its agreement proves nothing.

    A case violates when it shares more words with what the clause covers than with what it does not cover.
    """

    name = "lexical baseline"

    def violates(self, wording: str, case: str) -> bool | None:
        """Say whether the case shares more words with the covered lines than with the others."""
        covered: list[str] = []
        spared: list[str] = []
        for line in wording.splitlines():
            (spared if line.startswith(SPARED) else covered).append(line.removeprefix(SPARED))
        return _most_shared(case, covered) > _most_shared(case, spared)


def _most_shared(case: str, lines: Sequence[str]) -> int:
    words = set(_plain(case).split())
    return max((len(words & set(_plain(line).split())) for line in lines), default=0)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _is_held_out(clause_id: str, text: str) -> bool:
    return blake2b(f"{SALT}:{clause_id}:{text}".encode(), digest_size=8).digest()[0] >= 128
