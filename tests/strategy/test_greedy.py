"""Exemption and review rules found among observed predicates, on planted classes that no cause points at."""

import numpy as np
import polars as pl
import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.proposals import Recommendation
from gne_analytics.evidence.render import render
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import EditKind
from gne_analytics.policy.predicates import segment_of
from gne_analytics.strategy import replay_change
from gne_analytics.strategy.arena import Arena, build_arena
from gne_analytics.strategy.estimate import Rate, Reviewers
from gne_analytics.strategy.greedy import MOST_CONDITIONS, greedy, observed, search_rules

RULE = """- {id: r, clause: c, status: live, detector: d, action: remove, threshold: {default: 0.4}}
- {id: off, clause: c, status: shadow, detector: d, action: remove, threshold: {default: 0.4}}
"""


def planted(draw_cases, seed, harmless, n=1600):
    """Draw cases of which nearly all are violations but in one class, which nobody names."""
    r = np.random.default_rng(seed + 1_000)
    cases = draw_cases(seed, n).with_columns(
        seller_tier=pl.Series(r.choice(["gold", "plain"], n)), language=pl.Series(r.choice(["x", "y", "z"], n)),
        object_type=pl.Series(r.choice(["listing", "video"], n)),
    )  # fmt: skip
    common = pl.Series(r.random(n) < 0.9)
    return cases.with_columns(violating=common & ~harmless)


@pytest.fixture(scope="module")
def market(small_market, draw_cases):
    return small_market(planted(draw_cases, 1, (pl.col("market") == "A") & (pl.col("seller_tier") == "gold")), RULE)


def exemptions(market, **asked):
    found = search_rules(market.study, **{"policy": "p", "rule": "r", "store": EvidenceStore(), **asked})
    return [p for p in found if p.edits[0].kind is EditKind.ADD_EXEMPTION]


def test_the_class_that_a_rule_is_wrong_about_is_found_without_a_cause_and_confirmed_on_other_sellers(market):
    (found,) = exemptions(market)
    assert segment_of(found.edits[0].new["match"]) == Segment.of(market="A", seller_tier="gold")
    assert found.recommendation is Recommendation.RECOMMEND
    moved = replay_change(found.edits, market.study, label="final_decision", on="confirm").moved
    assert moved.height == sum(
        c["market"] == "A" and c["seller_tier"] == "gold" and c["score"] >= 0.4 for c in market.half(1)
    )


def test_a_longer_predicate_must_bring_clearly_more(small_market, draw_cases):
    number = pl.col("case_id").cast(pl.Int64) % 100
    nearly = (pl.col("market") == "A") & ((pl.col("seller_tier") == "gold") | (number < 46))
    market = small_market(planted(draw_cases, 2, nearly), RULE)
    inside = [c for c in market.half(0) if c["market"] == "A" and c["score"] >= 0.4]
    gain = {t: sum(-1 if c["violating"] else 1 for c in inside if c["seller_tier"] == t) for t in ("gold", "plain")}
    assert -0.1 * gain["gold"] < gain["plain"] < 0
    assert [segment_of(p.edits[0].new["match"]) for p in exemptions(market)] == [Segment.of(market="A")]


def test_a_predicate_stops_at_the_bound_though_a_longer_one_would_bring_more(small_market, draw_cases):
    r, n = np.random.default_rng(3), 3_000
    often = {
        d: pl.Series(d, r.choice(["x", "y"], n, p=[0.8, 0.2])) for d in ("language", "account_type", "seller_tier")
    }
    cases = draw_cases(3, n).with_columns(*often.values())
    deep = pl.all_horizontal(pl.col("market") == "A", *[pl.col(d) == "x" for d in often])
    (found,) = exemptions(small_market(cases.with_columns(violating=~deep), RULE))
    assert segment_of(found.edits[0].new["match"]).depth == MOST_CONDITIONS == 3


def test_nothing_is_proposed_where_the_rule_is_right_everywhere(small_market, draw_cases):
    assert exemptions(small_market(planted(draw_cases, 4, pl.lit(False)), RULE)) == []


def test_every_sentence_is_a_claim(market):
    store = EvidenceStore()
    for proposal in exemptions(market, store=store):
        assert all(render(sentence, store) for sentence in proposal.rationale)


def test_a_protected_policy_gets_neither_exemption_nor_review_and_a_shadow_rule_is_an_error(small_market, draw_cases):
    guarded = small_market(planted(draw_cases, 1, pl.col("market") == "A"), RULE, protected=True)
    assert search_rules(guarded.study, policy="p", rule="r", store=EvidenceStore()) == []
    with pytest.raises(PolicyError, match="shadow"):
        search_rules(guarded.study, policy="p", rule="off", store=EvidenceStore())


def test_conditions_joined_in_the_cells_count_as_the_predicate_that_joins_them_counts_rows(market):
    policy = market.policies.policy("p")
    rule = policy.rule("r")
    parts, text = ["market = 'A'", "seller_tier = 'gold'"], "market = 'A' AND seller_tier = 'gold'"
    people = Reviewers(Rate(0.2, 50), Rate(0.7, 50))
    apart = build_arena(market.study, policy, rule, parts, [], people).joined("both", parts)
    whole = build_arena(market.study, policy, rule, [text], [], people)
    assert apart.exemption_loss("both") == pytest.approx(whole.exemption_loss(text))
    assert apart.review_loss("both") == pytest.approx(whole.review_loss(text))
    inside = [c for c in market.half(0) if c["market"] == "A" and c["seller_tier"] == "gold" and c["score"] >= 0.4]
    assert apart.acted_on("both") == len(inside)
    assert apart.exemption_loss("both") == sum(1 if c["violating"] else -1 for c in inside)


def test_a_review_rule_is_found_where_people_are_known_to_decide_better(market):
    policy = market.policies.policy("p")
    arena, conditions = observed(market.study, policy, policy.rule("r"), None)
    people = Arena(
        arena.tensor, arena.rules, arena.target, arena.bits, arena.cost, Reviewers(Rate(0.05, 99), Rate(0.6, 99))
    )
    path = greedy(people, conditions, Arena.review_loss)
    assert path[-1] == Segment.of(market="A", seller_tier="gold")
