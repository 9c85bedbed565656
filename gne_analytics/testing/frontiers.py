"""A made-up frontier of a rule's thresholds, for figures, pages and tables. Nothing here was measured."""

import polars as pl

from gne_analytics.evidence.proposals import Backtest, Recommendation
from gne_analytics.evidence.types import Edit, EditKind, Estimate, Interval
from gne_analytics.strategy.frontier import EXACT, OTHERS, Frontier
from gne_analytics.testing.results import a_backtest
from gne_analytics.testing.said import HOSTILE


def a_frontier(best: int = 1) -> Frontier:
    """Four points by market, today the third and the last beyond the review capacity; ``best`` at the stated costs."""
    trades = ((-420.0, 310.0), (-391.0, 72.0), (0.0, 0.0), (150.0, -60.0))
    tests = tuple(_test(n, wrongful, missed) for n, (wrongful, missed) in enumerate(trades))
    rows = [
        _row(n, wrongful, missed, test, stated=n == best)
        for n, ((wrongful, missed), test) in enumerate(zip(trades, tests, strict=True))
    ]
    edit = Edit(kind=EditKind.SET_THRESHOLD, policy="counterfeit", rule="logo-match", old=0.7, new=0.8)
    table = pl.DataFrame(rows, schema_overrides={"failed": pl.List(pl.String)})
    edits = tuple(() if n == 2 else (edit,) for n in range(len(trades)))
    return Frontier("counterfeit", "logo-match", ("market",), table, tests, (EXACT, OTHERS), edits)


def _test(n: int, wrongful: float, missed: float) -> Backtest:
    changed = {"wrongful_enforcement": wrongful, "missed_violations": missed, "loss": 8 * wrongful + 5 * missed}
    outcomes = tuple(
        o.model_copy(update={"difference": Estimate(value=v, interval=Interval(lo=v - 40, hi=v + 45), n=604)})
        for o in a_backtest().outcomes
        for v in (changed[o.name],)
    )
    verdict = Recommendation.RECOMMEND if n == 1 else Recommendation.REFUSE
    return a_backtest().model_copy(update={"outcomes": () if n == 2 else outcomes, "recommendation": verdict})


def _row(n: int, wrongful: float, missed: float, test: Backtest, *, stated: bool) -> dict[str, object]:
    at = {"wrongful": wrongful, "missed": missed, "loss": 8 * wrongful + 5 * missed}
    spans = {
        f"{name}{end}": v + off for name, v in at.items() for end, off in (("", 0.0), ("_lo", -40.0), ("_hi", 45.0))
    }
    moved = 0.0 if n == 2 else 0.02 + n / 50
    places = [
        {"segment": "market=ID", "today": 0.7, "threshold": 0.7 + moved},
        {"segment": f"market={HOSTILE}", "today": 0.66, "threshold": 0.66 + moved / 2},
        {"segment": "market=TH", "today": 0.7, "threshold": 0.7},
    ]
    return {
        "point": n, "weight_from": n / 4, "weight_to": (n + 1) / 4, "review_price": 1.0, "stated": stated,
        "changed": 0 if n == 2 else 2, "thresholds": places, "reviews": 12.0 * (n == 3), **spans,
        "coverage": test.identification.coverage, "recommendation": "today" if n == 2 else test.recommendation.value,
        "forbidden": n == 3, "failed": [],
    }  # fmt: skip
