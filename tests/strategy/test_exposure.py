"""Ladder exposure against a naive ladder: every seller's cases in order of time, points added up by hand."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit
from gne_analytics.policy.edits import applied
from gne_analytics.policy.files import PolicySet
from gne_analytics.policy.model import Ladder
from gne_analytics.strategy import backtest
from gne_analytics.strategy.exposure import check_ladder, judge, ladder_exposure
from gne_analytics.strategy.study import Study

LOWER = Edit(kind="set_threshold", policy="misleading-health-claims", rule="cure-claim", old=0.68, new=0.45)
RAISE = Edit(kind="set_threshold", policy="counterfeit", rule="logo-match", old=0.7, new=0.9)
REVIEW = Edit(kind="set_human_review", policy="counterfeit", rule="replica-wording", old=None, new="score < 0.8")
POINTS = Edit(kind="set_points", policy="misleading-health-claims", rule="cure-claim", old=5, new=11)
HARSH = {"window_days": 365, "milestones": [{"id": "first-warning", "points": 5, "consequence": "warn"},
                                            {"id": "gone", "points": 20, "consequence": "terminate"}]}  # fmt: skip


def answer(row, side, reading):
    """Does the side enforce the case, under a reading of what unknown reviewers do?"""
    state, other = row[f"state_{side}"], row["state_proposed" if side == "today" else "state_today"]
    if state != "review":
        return state == "automatic"
    if row["enforced"] and row["human"]:
        return True
    if not row["enforced"] and row["state_today"] == "review":
        return False
    return other == "review" or reading


def naive_milestones(ladder, given):
    """Milestones ever reached by one seller's (at, points, reversed_at)."""
    reached, day = set(), timedelta(days=1)
    window = ladder.window_days

    def live(now, events):
        total = 0.0
        for at, points, back in events:
            age = (now - at) / day
            gone = age >= window or (ladder.return_on_reversal and back is not None and back <= now)
            total += 0 if gone else points * (1 - age / window if ladder.decay == "linear" else 1)
        return total

    given = [g for g in given if g[1] > 0 and not (ladder.return_on_reversal and g[2] is not None and g[2] <= g[0])]
    given.sort(key=lambda g: g[0])
    for i, (at, points, _) in enumerate(given):
        after = round(live(at, given[: i + 1]), 9)
        before = round(after - points, 9)
        reached |= {m.id for m in ladder.milestones if before < m.points <= after}
    return reached


def naive_exposure(edits, study, ladder):
    own, proposed = study.policies.ladder, applied(study.policies, edits) if edits else study.policies
    points = [{r.id: r.points for _, r in s.rules()} for s in (study.policies, proposed)]
    log = {v["violation_id"]: v for v in study.record.violations.iter_rows(named=True)}
    sides = {s: {} for s in ("today", "today_least", "least", "most")}
    decided = set()
    for row in study.flows(edits).iter_rows(named=True):
        for of in sides.values():
            of.setdefault(row["seller_id"], [])
        logged = log.get(row["violation_id"], {})
        when = (logged.get("decided_at") or row["assessed_at"], logged.get("reversed_at"))
        if row["rule_today"] or row["rule_proposed"]:
            decided.add(row["violation_id"])
        for name, side, reading in (("today", "today", True), ("today_least", "today", False),
                                    ("least", "proposed", False), ("most", "proposed", True)):  # fmt: skip
            if answer(row, side, reading):
                worth = points[side == "proposed"][row[f"rule_{side}"]]
                sides[name][row["seller_id"]].append((when[0], worth, when[1]))
    for violation, row in log.items():
        if violation not in decided and row["rule_id"] not in study.policy_of_rule and not row["parent_violation_id"]:
            for of in sides.values():
                of[row["seller_id"]].append((row["decided_at"], row["points"] or 0, row["reversed_at"]))
    found = {}
    for seller in sides["today"]:
        today, today_least = (naive_milestones(own, sides[s][seller]) for s in ("today", "today_least"))
        least, most = (naive_milestones(ladder, sides[s][seller]) for s in ("least", "most"))
        newly = least - today
        found[seller] = (newly, most - today_least - newly, today - most)
    return found


@pytest.mark.parametrize("other", [None, HARSH], ids=["same ladder", "harsher ladder"])
@pytest.mark.parametrize("edits", [(LOWER,), (RAISE, POINTS), (REVIEW,), ()], ids=str)
def test_every_seller_reaches_what_a_naive_ladder_says(quiet, edits, other):
    ladder = Ladder.model_validate(other) if other else quiet.policies.ladder
    found = ladder_exposure(edits, quiet.study, ladder=ladder)
    got = {
        unit: (set(newly), set(perhaps), set(gone))
        for unit, newly, perhaps, gone in found.sellers.select("unit", "newly", "perhaps", "no_longer").iter_rows()
    }
    want = naive_exposure(edits, quiet.study, ladder)
    assert got == {seller: want[seller] for seller in got}
    assert not any(any(lists) for seller, lists in want.items() if seller not in got)
    assert found.total == len(want)


@pytest.fixture(scope="module")
def by_hand(quiet):
    """The same study, where no log says who decided, and where some violations were made by hand, with children."""
    cases = quiet.study.population.cases.with_columns(human=pl.lit(False))
    few = quiet.record.violations.head(60)
    parent = pl.when(pl.int_range(pl.len()) % 2 == 1).then(pl.lit(few["violation_id"][0]))
    hand = few.with_columns(
        violation_id=pl.format("hand-{}", "violation_id"), rule_id=pl.lit("by-hand"), parent_violation_id=parent,
        points=pl.lit(6.0), seller_id=pl.lit(cases["seller_id"].drop_nulls()[0]),
    ).cast(quiet.record.violations.schema)  # fmt: skip
    record = replace(quiet.record, violations=pl.concat([quiet.record.violations, hand]))
    return Study(record, quiet.policies, replace(quiet.study.population, cases=cases))


def unreviewed(study):
    """Take the review of every rule but one away, and lower a threshold."""
    asking = [(p.id, r) for p, r in study.policies.rules() if r.human_review and r.status == "live"]
    edits = [Edit(kind="set_human_review", policy=p, rule=r.id, old=r.human_review) for p, r in asking[1:]]
    return (*edits, LOWER)


@pytest.mark.parametrize("other", [None, HARSH], ids=["same ladder", "harsher ladder"])
def test_reviews_of_unknown_answer_and_violations_by_hand_count_as_a_naive_ladder_says(by_hand, other):
    ladder = Ladder.model_validate(other) if other else by_hand.policies.ladder
    for edits in (unreviewed(by_hand), (REVIEW,)):
        found = ladder_exposure(edits, by_hand, ladder=ladder)
        want = naive_exposure(edits, by_hand, ladder)
        columns = ("unit", "newly", "perhaps", "no_longer")
        got = {u: tuple(map(set, lists)) for u, *lists in found.sellers.select(columns).iter_rows()}
        assert got == {seller: want[seller] for seller in got}
        assert not any(any(lists) for seller, lists in want.items() if seller not in got)
        assert other is None or found.sellers["perhaps"].list.len().sum() > 0


def test_what_is_new_adds_points_and_what_is_released_gives_them_back(quiet):
    more, less = (ladder_exposure([edit], quiet.study) for edit in (LOWER, RAISE))
    assert more.newly[0] > 0
    assert more.rises
    assert sum(more.count().newly.values()) >= more.newly[0]
    assert not more.count().no_longer
    assert less.newly == (0, 0)
    assert not less.rises
    assert sum(less.count().no_longer.values()) > 0


def test_without_a_change_nobody_moves_and_there_is_no_guardrail(quiet):
    found = ladder_exposure((), quiet.study)
    assert found.sellers.is_empty()
    assert check_ladder(found, 0.01) == ()


def test_points_alone_change_the_ladder_and_a_backtest_tells(quiet):
    found = backtest([POINTS], quiet.record, quiet.policies, store=EvidenceStore(), study=quiet.study)
    assert found.flow.new == found.flow.released == 0
    assert sum(found.ladder.newly.values()) > 0
    assert [g.name for g in found.guardrails] == ["ladder_exposure"]


def test_a_change_that_acts_from_a_day_on_leaves_earlier_points_alone(quiet):
    last = quiet.study.population.cases["event_date"].max()
    late = ladder_exposure([LOWER], quiet.study, since=last + timedelta(days=1))
    assert late.sellers.is_empty()


def test_a_record_without_the_accounts_that_the_ladder_counts_by_has_no_exposure(quiet):
    per_account = quiet.policies.ladder.model_copy(update={"per": "account"})
    policies = PolicySet(**{**quiet.policies.__dict__, "ladder": per_account})
    assert ladder_exposure([LOWER], Study(quiet.record, policies, quiet.study.population)) is None
    none = PolicySet(**{**quiet.policies.__dict__, "ladder": None})
    assert ladder_exposure([LOWER], Study(quiet.record, none, quiet.study.population)) is None
    with pytest.raises(PolicyError, match="per account"):
        ladder_exposure([LOWER], quiet.study, ladder=per_account)


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [((0, 0, 1_000), "pass"), ((0, 0, 50), "cannot_tell"), ((40, 40, 1_000), "fail"), ((10, 10, 1_000), "cannot_tell"),
     ((0, 40, 1_000), "cannot_tell")],
)  # fmt: skip
def test_few_sellers_or_open_reviews_are_no_verdict(counts, verdict):
    assert judge(*counts, 0.01).verdict == verdict


def test_where_no_case_carries_more_points_even_few_sellers_pass():
    assert judge(0, 0, 50, 0.01, rises=False).verdict == "pass"


@pytest.mark.parametrize("sellers", [100, 500, 2_000])
def test_at_the_margin_a_wrong_verdict_is_rare_and_far_from_it_a_right_one_is_usual(sellers):
    r = np.random.default_rng(0)

    def verdicts(share):
        return [judge(int(k), int(k), sellers, 0.02).verdict for k in r.binomial(sellers, share, 2_000)]

    at = verdicts(0.02)
    assert max(at.count("pass"), at.count("fail")) <= 0.08 * len(at)
    if sellers == 2_000:
        assert verdicts(0.005).count("pass") > 0.9 * len(at)
        assert verdicts(0.05).count("fail") > 0.9 * len(at)
