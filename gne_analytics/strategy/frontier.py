"""The whole trade of one rule: thresholds per segment along the Pareto frontier, searched on some sellers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.proposals import Backtest, Outcome
from gne_analytics.evidence.render import percent
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Policy, Rule
from gne_analytics.strategy.arena import Arena, build_arena, policy_reviewers
from gne_analytics.strategy.backtest import backtest
from gne_analytics.strategy.cells import CellRule
from gne_analytics.strategy.identify import Label
from gne_analytics.strategy.places import Place, above_all, allowed, places_of, threshold_of
from gne_analytics.strategy.protected import refuse_relaxed
from gne_analytics.strategy.study import Study, study_of
from gne_analytics.strategy.sweep import Choice, Options, sweep
from gne_analytics.tables.record import Record

POINTS = 15
"""Points that are judged on the other sellers, evenly along the frontier, unless told otherwise."""
EXACT = (
    "On the sellers searched, every point is best at some costs of a wrongful case and a missed violation, a review "
    "costing what is stated, next to nothing, or several times that; other choices are left out."
)
OTHERS = (
    "Figures are of the sellers that the search did not see, so a point may lie behind its neighbours there. Each is "
    "judged by itself: whoever picks among many by these figures picks what chance favours too."
)


DEFAULT = "the rule's default"
SAID = {
    "recommend": "Recommended",
    "cannot_tell": "Not recommended: the record cannot tell",
    "refuse": "Not recommended",
    "experiment": "Needs an experiment",
    "today": "It is what holds today",
}
"""What the software says of a point."""


@dataclass(frozen=True, repr=False)
class Frontier:
    """What the thresholds of one rule can trade, from the fewest wrongful enforcements to the fewest misses."""

    policy: str
    rule: str
    by: tuple[str, ...]
    table: pl.DataFrame
    """One row per point: ``point``; ``weight_from`` and ``weight_to``, the weights of wrongful enforcement against
    missed violations at which it is best (0.5: as objectives.yaml prices them), ``review_price`` in terms of the stated
    one; ``stated``, best at the stated costs; ``changed``, how many segments are edited; ``thresholds``, a list of
    (segment, today, threshold); on the sellers not searched, differences to today ``wrongful``, ``missed``,
    ``reviews``, ``loss`` with ``_lo`` and ``_hi``, ``coverage`` and ``recommendation`` (``today``: nothing is edited);
    ``forbidden``, whether the review capacity is passed, over all sellers; ``failed``, the guardrails that fail."""
    backtests: tuple[Backtest, ...]
    limits: tuple[str, ...]
    _edits: tuple[tuple[Edit, ...], ...]

    def edits(self, point: int) -> tuple[Edit, ...]:
        """Return the typed edits that make today's policy into a point; none for today itself."""
        if not 0 <= point < len(self._edits):
            raise PolicyError(f"the frontier of {self.rule!r} has points 0 to {len(self._edits) - 1}, not {point}.")
        return self._edits[point]

    @property
    def stated(self) -> int:
        """The point that is best at the costs in objectives.yaml, on the sellers searched."""
        return int(self.table.filter("stated")["point"][0])

    def moved(self, point: int | None = None) -> list[tuple[str, float, float]]:
        """Return the thresholds that a point changes, the largest change first: segment, today's, the point's.

        By default of the point at the stated costs. Where a rule has one threshold for all, it is called ``DEFAULT``.
        """
        places = self.table["thresholds"][self.stated if point is None else point]
        named = [(DEFAULT if t["segment"] == str(Segment({})) else t["segment"], t) for t in places]
        changed = [(name, t["today"], t["threshold"]) for name, t in named if t["threshold"] != t["today"]]
        return sorted(changed, key=lambda t: (-abs(t[2] - t[1]), t[0]))

    def summary(self) -> str:
        """Say in a few lines what can be had, for someone who will not read the table."""
        head = (
            f"{self.policy}, {self.rule}: {self.table.height} points"
            + (f" by {', '.join(self.by)}" if self.by else "")
            + f", {int(self.table['forbidden'].sum())} of them beyond the review capacity."
        )
        return "\n".join([head, self.sentence(), *self.limits])

    def sentence(self) -> str:
        """Say what is best at the stated costs, what it brought on the other sellers and what the software says of it.

        It is best on the sellers searched, so it may be refused on the others.
        """
        row = self.table.row(self.stated, named=True)
        if not row["changed"]:
            return "At the stated costs no other thresholds were better on the sellers searched."
        wrongful, missed, loss = (_signed(row, name) for name in ("wrongful", "missed", "loss"))
        return (
            f"At the stated costs point {row['point']} was best on the sellers searched; it changes {row['changed']} "
            f"{'threshold' if row['changed'] == 1 else 'thresholds'}. On the other sellers it brings wrongful "
            f"enforcement {wrongful}, missed violations {missed}, reviews {_plus(row['reviews'])} and loss {loss}; the "
            f"truth is known or estimable for {percent(row['coverage'])} of the cases it changes there. "
            f"{SAID[row['recommendation']]}."
        )

    def __repr__(self) -> str:
        return self.summary()


def frontier(
    record: Record | Study,
    policies: PolicySet | None = None,
    *,
    policy: str,
    rule: str,
    by: Sequence[str] = (),
    store: EvidenceStore,
    thresholds: Sequence[float] | None = None,
    label: Label = "final_decision",
    since: date | None = None,
    points: int = POINTS,
) -> Frontier:
    """Trade wrongful enforcement against missed violations and reviews over one rule's thresholds, segment by segment.

    The thresholds of a point are chosen on the sellers to search on, where each is a look-up in the cells; its figures
    are those of its backtest on the other sellers. A protected policy is offered stricter thresholds only.

    Args:
        record: what happened, or the record already replayed (``open_study``).
        policies: today's policy set; not needed beside a study.
        policy: the policy.
        rule: its rule, live and with a threshold.
        by: dimensions known at the decision whose values get thresholds of their own; none: one for the whole rule.
        store: where every figure is recorded.
        thresholds: what to try; steps of a hundredth by default.
        label: the target, as in ``backtest``.
        since: leave out the cases before this day.
        points: judge at most so many, evenly along the frontier, and always both ends and the stated costs' own.

    Example:
        >>> frontier(record, policies, policy="counterfeit", rule="logo-match", by=("market",), store=store)
        ... # doctest: +SKIP
    """
    study = study_of(record, policies)
    owner = study.policies.policy(policy)
    own = owner.rule(rule)
    grid = allowed(owner, own, thresholds)
    places = places_of(study, own, tuple(by), since)
    reviewers = policy_reviewers(policy, study)
    arena = build_arena(study, owner, own, [p.match for p in places if p.match], grid, reviewers, since)
    offers = [[None, *sorted(grid, key=lambda v, p=place: abs(v - p.today))] for place in places]  # type: ignore[misc]
    options = [options_of(arena, own, place, offer) for place, offer in zip(places, offers, strict=True)]
    cost = arena.cost
    costs = (cost.wrongful_enforcement or 0.0, cost.missed_violation or 0.0, cost.review or 0.0)
    choices = sweep(options, costs)
    stated = min(range(len(choices)), key=lambda i: _at_stated(options, choices[i], costs))
    kept = _thinned(len(choices), points, stated)
    chosen = [[offer[o] for offer, o in zip(offers, choices[i].options, strict=True)] for i in kept]
    edits = [tuple(_edits(owner, own, places, values)) for values in chosen]
    for made in edits:
        refuse_relaxed(made, study.policies)
    tests = tuple(
        backtest(made, study.record, study.policies, store=store, label=label, on="confirm", since=since, study=study)
        for made in edits
    )
    rows = [
        {
            "point": n,
            "weight_from": choices[i].weights[0],
            "weight_to": choices[i].weights[1],
            "review_price": choices[i].review_price,
            "stated": i == stated,
            "changed": len(made),
            "thresholds": [
                {"segment": str(p.segment), "today": p.today, "threshold": p.today if v is None else v}
                for p, v in zip(places, values, strict=True)
            ],
            **_figures(test),
            **_guarded(test),
        }
        for n, (i, values, made, test) in enumerate(zip(kept, chosen, edits, tests, strict=True))
    ]
    limits = [EXACT, OTHERS]
    if len(kept) < len(choices):
        limits.append(f"{len(kept)} of {len(choices)} points are judged, evenly along the frontier.")
    searched = sum(place.cases for place in places)
    if by and searched < (all_cases := places_of(study, own, (), since)[0].cases):
        limits.append(
            f"{all_cases - searched} of {all_cases} searched cases lie in segments too small, or too odd to name."
        )
    if owner.protected:
        limits.append("The policy is protected: only thresholds that relax nothing are offered.")
    return Frontier(
        policy,
        rule,
        tuple(by),
        pl.DataFrame(rows, schema_overrides={"failed": pl.List(pl.String)}),
        tests,
        tuple(limits),
        tuple(edits),
    )


def options_of(arena: Arena, rule: Rule, place: Place, offer: Sequence[float | None]) -> Options:
    """Look up what each threshold of a place does on the sellers to search on; None is today's."""
    arena = arena.within(place.match) if place.match else arena
    made = [(0.0, 0.0, 0.0) if v is None else arena.outcomes(changed(arena, rule, place, v)) for v in offer]
    return Options(np.asarray(np.round(made, 9), np.float64))


def changed(arena: Arena, rule: Rule, place: Place, value: float) -> tuple[CellRule, ...]:
    """Return the kernel's rules with a threshold in one place, as its edit would have them."""
    if not place.segment.depth:
        return arena.with_default(value)
    if place.override is not None:
        return arena.with_set_override(threshold_of(rule).overrides.index(place.override), value)
    return arena.with_override(place.match, value, above_all(rule))


def _edits(policy: Policy, rule: Rule, places: Sequence[Place], values: Sequence[float | None]) -> Iterator[Edit]:
    taken: list[str] = []
    for place, value in zip(places, values, strict=True):
        if value is None:
            continue
        edit = place.edit(value, policy, rule, taken, f"a point of the frontier of {rule.id}")
        taken += [str(edit.new["id"])] if isinstance(edit.new, dict) else []
        yield edit


def _at_stated(options: Sequence[Options], choice: Choice, costs: tuple[float, float, float]) -> float:
    return sum(float(o.outcomes[i] @ np.array(costs)) for o, i in zip(options, choice.options, strict=True))


def _thinned(n: int, most: int, always: int) -> list[int]:
    """Return at most so many positions of a row, evenly spread, with both ends and one more."""
    if n <= most:
        return list(range(n))
    return sorted({*np.linspace(0, n - 1, max(2, most - 1)).round().astype(int).tolist(), always})


def _figures(test: Backtest) -> dict[str, float | str]:
    found = {o.name: o for o in test.outcomes}
    figures: dict[str, float | str] = {"reviews": _value(found, "reviews")}
    names = {"wrongful": "wrongful_enforcement", "missed": "missed_violations", "loss": "loss"}
    for short, name in names.items():
        interval = found[name].difference.interval if name in found else None
        figures[short] = _value(found, name)
        figures[f"{short}_lo"] = interval.lo if interval else figures[short]
        figures[f"{short}_hi"] = interval.hi if interval else figures[short]
    said = test.recommendation.value if test.outcomes else "today"
    return {**figures, "coverage": test.identification.coverage, "recommendation": said}


def _value(outcomes: dict[str, Outcome], name: str) -> float:
    return outcomes[name].difference.value if name in outcomes else 0.0


def _guarded(test: Backtest) -> dict[str, bool | list[str]]:
    failed = [g for g in test.guardrails if g.verdict == "fail"]
    return {
        "forbidden": any(g.name == "review_capacity" for g in failed),
        "failed": [f"{g.name} in {g.slice}" if g.slice.depth else g.name for g in failed],
    }


def _signed(row: dict[str, float], name: str) -> str:
    value, lo, hi = (_plus(row[f"{name}{end}"]) for end in ("", "_lo", "_hi"))
    return f"{value} ({lo} to {hi})"


def _plus(value: float) -> str:
    return f"{value:+,.0f}".replace("-", "\N{MINUS SIGN}") if round(value) else "0"
