"""Replay and the cells kernel against a naive replay: pure Python, row by row, with its own reading of predicates.

Policy sets and cases are drawn at random to be unkind: scores on the threshold's very edge, nulls, NaN, two scores of
one case, exemptions that expire between the cases, overrides that tie, rules of equal strictness, shadow rules.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from gne_analytics.enforcement.replay import replay
from gne_analytics.errors import PolicyError
from gne_analytics.policy.files import from_files
from gne_analytics.policy.predicates import compile as compile_predicate
from gne_analytics.strategy.cells import count_cells, densify
from gne_analytics.strategy.flows import flow_of
from gne_analytics.strategy.rules import compile_rules

DAY = date(2026, 5, 10)
ACTIONS = ["warn", "demote", "restrict", "remove", "suspend", "terminate"]
STATUSES = ["live", "live", "live", "shadow", "draft", "retired"]
VALUES = [0.0, 0.5, 0.6, 0.7, 0.1 + 0.2, 1.0]


@dataclass(frozen=True)
class Condition:
    """A predicate's text, and its truth for a row: true, false or None where an input is unknown."""

    text: str
    kind: str
    parts: tuple[Any, ...]

    def holds(self, row):
        """Null compares false before NOT."""
        if self.kind == "not":
            return not self.parts[0].holds(row)
        if self.kind in ("and", "or"):
            return (all if self.kind == "and" else any)([p.holds(row) for p in self.parts])
        return self.parts[0](row) is True

    def kleene(self, row):
        if self.kind == "not":
            inner = self.parts[0].kleene(row)
            return None if inner is None else not inner
        if self.kind in ("and", "or"):
            found, decisive = [p.kleene(row) for p in self.parts], self.kind == "or"
            return decisive if decisive in found else (None if None in found else not decisive)
        return self.parts[0](row)


def unless_null(column, test):
    return lambda row: None if row[column] is None else bool(test(row[column]))


ATOMS = [
    ("market = 'ID'", unless_null("market", lambda v: v == "ID")),
    ("market <> 'TH'", unless_null("market", lambda v: v != "TH")),
    ("market IN ('TH', 'VN')", unless_null("market", lambda v: v in ("TH", "VN"))),
    ("market IS NULL", lambda row: row["market"] is None),
    ("category UNDER 'beauty'", unless_null("category", lambda v: v == "beauty" or v.startswith("beauty/"))),
    ("category LIKE '%care'", unless_null("category", lambda v: v.endswith("care"))),
    ("lower(category) = 'beauty'", unless_null("category", lambda v: v.lower() == "beauty")),
    ("coalesce(tier, 'none') = 'none'", lambda row: (row["tier"] or "none") == "none"),
    ("score < 0.7", unless_null("score", lambda v: v < type(v)(0.7))),
    ("score BETWEEN 0.5 AND 0.6", unless_null("score", lambda v: type(v)(0.5) <= v <= type(v)(0.6))),
    ("price / stock > 2", lambda row: None if None in (row["price"], row["stock"]) or row["stock"] == 0
     else row["price"] / row["stock"] > 2),
    ("price >= 5", unless_null("price", lambda v: v >= 5)),
    ("NOT verified", None),
    ("verified", unless_null("verified", bool)),
]  # fmt: skip


def draw_condition(r, depth=2):
    shape = r.random()
    if depth == 0 or shape < 0.5:
        text, test = ATOMS[r.integers(len(ATOMS))]
        if test is None:
            inner = Condition("verified", "atom", (unless_null("verified", bool),))
            return Condition(text, "not", (inner,))
        return Condition(text, "atom", (test,))
    if shape < 0.65:
        inner = draw_condition(r, depth - 1)
        return Condition(f"NOT ({inner.text})", "not", (inner,))
    kind = "and" if shape < 0.85 else "or"
    parts = tuple(draw_condition(r, depth - 1) for _ in range(2))
    return Condition(f" {kind.upper()} ".join(f"({p.text})" for p in parts), kind, parts)


def condition(r):
    """Draw until the language takes it: what is the same for every case is refused."""
    while True:
        drawn = draw_condition(r)
        try:
            compile_predicate(drawn.text)
        except PolicyError:
            continue
        return drawn


def draw_rule(r, name):
    """Return a rule as a dict with conditions in the place of texts."""
    detector = str(r.choice(["d0", "d1"])) if r.random() < 0.85 else None
    when = [condition(r) for _ in range(r.integers(0, 3))]
    rule: dict[str, Any] = {"id": name, "clause": "c", "status": str(r.choice(STATUSES)), "when": when,
                            "action": str(r.choice(ACTIONS[:3])), "points": int(r.integers(0, 4))}  # fmt: skip
    if detector:
        rule["detector"] = detector
    if detector and (not when or r.random() < 0.8):
        overrides = [
            {"id": f"o{i}", "match": condition(r), "value": float(r.choice(VALUES)), "priority": int(r.integers(0, 3))}
            for i in range(r.integers(0, 4))
        ]
        rule["threshold"] = {"default": float(r.choice(VALUES)), "overrides": overrides}
    if not detector and not when:
        rule["when"] = [condition(r)]
    rule["exemptions"] = [
        {"id": f"e{i}", "match": condition(r)}
        | ({"expires": DAY + timedelta(days=int(r.integers(-3, 4)))} if r.random() < 0.6 else {})
        for i in range(r.integers(0, 3))
    ]
    if r.random() < 0.5:
        rule["human_review"] = "always" if r.random() < 0.3 else condition(r)
    return rule


def draw_policies(seed):
    r = np.random.default_rng(seed)
    return {f"p{p}": [draw_rule(r, f"r{p}{i}") for i in range(r.integers(1, 4))] for p in range(2)}


def written(drawn):
    """The drawn policies as a policy set, through the text that an owner would write."""

    def plain(value):
        if isinstance(value, Condition):
            return value.text
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list) else value

    head = {"revision": "7", "owner": "o", "title": "t", "severity": "low", "clauses": [{"id": "c", "text": "t"}]}
    return from_files({
        f"policies/{name}.yaml": yaml.safe_dump({"id": name, **head, "rules": plain(rules)})
        for name, rules in drawn.items()
    })  # fmt: skip


def draw_cases(seed, n=120, *, single=False, repeated=True):
    r = np.random.default_rng([seed, 1])
    kind = pl.Float32 if single else pl.Float64

    def text(*values):
        return pl.Series([None if r.random() < 0.15 else str(r.choice(values)) for _ in range(n)], dtype=pl.String)

    def number(*values):
        return pl.Series([None if r.random() < 0.15 else float(r.choice(values)) for _ in range(n)], dtype=pl.Float64)

    edges = [*VALUES, *(float(np.nextafter(v, d)) for v in VALUES[1:-1] for d in (0, 1)), float("nan")]
    dates = [None if r.random() < 0.05 else DAY + timedelta(days=int(r.integers(-4, 5))) for _ in range(n)]
    return pl.DataFrame(
        {
            "case_id": [f"k{int(i):03d}" for i in (r.integers(0, n // 2, n) if repeated else range(n))],
            "detector": text("d0", "d0", "d1", "d2"),
            "score": number(*edges).cast(kind),
            "market": text("ID", "TH", "VN"),
            "category": text("beauty", "beauty/sun-care", "BEAUTY", "beautycare"),
            "tier": text("gold", "new"),
            "price": number(1, 5, 9, float("nan")),
            "stock": number(0, 1, 3),
            "verified": pl.Series([None if r.random() < 0.15 else bool(r.random() < 0.5) for _ in range(n)]),
            "event_date": pl.Series(dates, dtype=pl.Date),
        }
    )


def python_rows(cases):
    """Rows of plain values: NaN is no value, and a Float32 score stays one, so that edges are rounded as it is."""
    single = cases.schema["score"] == pl.Float32
    for row in cases.iter_rows(named=True):
        known = {k: None if isinstance(v, float) and v != v else v for k, v in row.items()}
        if single and known["score"] is not None:
            known["score"] = np.float32(known["score"])
        yield known


class Tie(Exception):
    """Overrides of the highest priority that differ in value hold for a case that the rule reads, scored or not."""


def naive_firing(rule, row, at):
    """What one rule does to one row: None, or (threshold, override id, review)."""
    threshold = rule.get("threshold")
    if rule.get("detector") is not None and row["detector"] != rule["detector"]:
        return None
    if not all(c.holds(row) for c in rule["when"]):
        return None
    for item in rule["exemptions"]:
        day = at or row["event_date"]
        in_force = "expires" not in item or (day is not None and day <= item["expires"])
        if in_force and item["match"].kleene(row) is True:
            return None
    edge, override = (threshold["default"], None) if threshold else (None, None)
    matching = [o for o in (threshold or {}).get("overrides", ()) if o["match"].holds(row)]
    if matching:
        top = [o for o in matching if o["priority"] == max(o["priority"] for o in matching)]
        if any(one["value"] != other["value"] for one, other in combinations(top, 2)):
            raise Tie(rule["id"])
        edge, override = top[0]["value"], top[0]["id"]
    scored = row["score"] is not None and row["score"] == row["score"]
    if rule.get("detector") is not None and not scored:
        return None  # a case that the rule's detector did not score is untouched
    if threshold and not row["score"] >= type(row["score"])(edge):
        return None
    asks = rule.get("human_review")
    review = asks is not None and (asks == "always" or asks.kleene(row) is not False)
    return edge, override, review


def naive_replay(drawn, cases, at, statuses):
    """Return (firings, decision per case), or raise Tie."""
    firings, decisions = [], {row["case_id"]: (None, None, None, False) for row in python_rows(cases)}
    best: dict[str, tuple[Any, ...]] = {}
    order = 0
    for policy, rules in drawn.items():
        for rule in rules:
            order += 1
            if rule["status"] not in statuses:
                continue
            for row in python_rows(cases):
                said = naive_firing(rule, row, at)
                if said is None:
                    continue
                firings.append((row["case_id"], rule["id"], policy, rule["action"], said[2], *said[:2], rule["points"]))
                rank = (-ACTIONS.index(rule["action"]), said[2], order)
                if row["case_id"] not in best or rank < best[row["case_id"]]:
                    best[row["case_id"]] = rank
                    decisions[row["case_id"]] = (rule["action"], rule["id"], policy, said[2])
    return firings, decisions


def attempt(what, *args, **kwargs):
    try:
        return what(*args, **kwargs)
    except (Tie, PolicyError) as error:
        return type(error)


FIRING = ("case_id", "rule_id", "policy_id", "action", "review", "threshold", "override_id", "points")


@pytest.mark.parametrize("seed", range(30))
def test_replay_agrees_with_a_naive_one_case_by_case(seed):
    drawn, cases = draw_policies(seed), draw_cases(seed, single=seed % 2 == 1)
    for at, statuses in ((DAY, ("live",)), (None, ("live", "shadow"))):
        want = attempt(naive_replay, drawn, cases, at, statuses)
        found = attempt(replay, written(drawn), cases, at=at, statuses=statuses)
        if want is Tie:
            assert found is PolicyError
            continue
        firings, decisions = want
        assert sorted(found.firings.select(FIRING).rows(), key=repr) == sorted(firings, key=repr)
        assert {row[0]: row[1:] for row in found.decisions.rows()} == decisions


def test_the_drawn_policies_are_as_unkind_as_they_claim():
    tied, decided, reviewed, overridden = 0, 0, 0, 0
    for seed in range(30):
        want = attempt(naive_replay, draw_policies(seed), draw_cases(seed), None, ("live", "shadow"))
        if want is Tie:
            tied += 1
            continue
        decided += sum(action is not None for action, *_ in want[1].values())
        reviewed += sum(review for *_, review in want[1].values())
        overridden += sum(firing[6] is not None for firing in want[0])
    assert 3 <= tied <= 20
    assert decided > 300
    assert min(reviewed, overridden) > 100


@pytest.mark.parametrize("seed", range(20))
def test_the_cells_kernel_agrees_with_a_naive_replay_case_by_case(seed):
    drawn, cases = draw_policies(seed), draw_cases(seed, single=seed % 2 == 1, repeated=False)
    want = attempt(naive_replay, drawn, cases, DAY, ("live",))
    compiled = compile_rules([written(drawn)], cases.schema, DAY)
    tensor = densify(count_cells(cases, compiled.predicates, compiled.edges or (0.5,), by=["case_id"]))
    found = attempt(tensor.states, compiled.rules[0])
    if want is Tie:
        assert found is PolicyError
        return
    assert found is not PolicyError
    rank, review = found
    got = {
        tensor.classes["case_id"][int(c)]: (int(rank[s, b]), bool(review[s, b]))
        for s, b, c in np.argwhere(tensor.counts() > 0)
    }
    said = {case: (0 if a is None else ACTIONS.index(a) + 1, asks) for case, (a, _, _, asks) in want[1].items()}
    assert got == said


def naive_flow(today, then, enforced, human):
    """Read the flow of one case from its two decisions: (flow, alpha, beta, reviews)."""

    def chance(action, review):
        if action is None:
            return 0, 0
        if not review:
            return 1, 0
        if enforced and human:
            return 1, 0
        passed = not enforced and today[0] is not None and today[3]
        return (0, 0) if passed else (0, 1)

    (a0, b0), (a1, b1) = chance(today[0], today[3]), chance(then[0], then[3])
    reviews = int(then[0] is not None and then[3]) - int(today[0] is not None and today[3])
    changed = (a1 - a0, b1 - b0, reviews) != (0, 0, 0)
    if today[0] is not None and then[0] is not None:
        flow = "rerouted" if changed else "kept"
    elif then[0] is not None:
        flow = "new"
    elif today[0] is not None:
        flow = "released" if (a1 - a0, b1 - b0) != (0, 0) else "rerouted"
    else:
        flow = "untouched"
    return flow, a1 - a0, b1 - b0, reviews


def test_the_flow_between_two_drawn_policy_sets_agrees_with_a_naive_one():
    seen = set()
    for seed in range(12):
        r = np.random.default_rng([seed, 2])
        cases, drawn = draw_cases(seed), (draw_policies(seed), draw_policies(seed + 100))
        wants = [attempt(naive_replay, d, cases, DAY, ("live",)) for d in drawn]
        if Tie in wants:
            continue
        today, then = (replay(written(d), cases, at=DAY).decisions for d in drawn)
        table = cases.unique("case_id", maintain_order=True).select("case_id")
        table = table.with_columns(
            enforced=pl.Series(r.random(table.height) < 0.5),
            human=pl.Series([[True, False, None][i] for i in r.integers(0, 3, table.height)]),
        )
        for row in flow_of(table, today, then).iter_rows(named=True):
            want = naive_flow(*(w[1][row["case_id"]] for w in wants), row["enforced"], row["human"])
            assert (row["flow"], row["alpha"], row["beta"], row["reviews"]) == want
            seen.add(want)
    assert len(seen) > 10


def tied_set(*overrides, more=""):
    lines = ", ".join(f'{{id: {i}, match: "{m}", value: {v}, priority: {p}}}' for i, m, v, p in overrides)
    head = 'id: p\nrevision: "7"\nowner: o\ntitle: t\nseverity: low\nclauses: [{id: c, text: t}]\nrules:\n'
    rule = f"id: r, clause: c, status: live, detector: d, threshold: {{default: 0.5, overrides: [{lines}]}}"
    return from_files({"policies/p.yaml": f"{head}- {{{rule}, {more}action: warn}}\n"})


def one_case(**columns):
    base = {"case_id": ["k"], "detector": ["d"], "score": [0.8], "market": ["ID"], "tier": ["new"], "event_date": [DAY]}
    return pl.DataFrame(base | {k: [v] for k, v in columns.items()}, schema_overrides={"score": pl.Float64})


def both(policies, cases):
    """The decision by replay and by the kernel, or the error of each."""
    compiled = compile_rules([policies], cases.schema, DAY)
    tensor = densify(count_cells(cases, compiled.predicates, compiled.edges))
    by_cells = attempt(tensor.states, compiled.rules[0])
    by_rows = attempt(replay, policies, cases, at=DAY)
    fires = by_rows if by_rows is PolicyError else by_rows.decisions["action"][0] is not None
    return fires, by_cells if by_cells is PolicyError else bool(by_cells[0][tensor.counts()[:, :, 0] > 0][0])


LOW, HIGH = ("low", "market = 'ID'", 0.6, 0), ("high", "tier = 'new'", 0.9, 0)


def test_a_tie_that_a_higher_priority_settles_is_none_wherever_it_stands():
    settles = ("settles", "market IS NOT NULL", 0.7, 1)
    for order in ([settles, LOW, HIGH], [LOW, HIGH, settles], [LOW, settles, HIGH]):
        assert both(tied_set(*order), one_case()) == (True, True)


def test_a_tie_on_an_exempt_case_is_none_and_on_a_case_without_a_score_is_one():
    exempt = tied_set(LOW, HIGH, more="exemptions: [{id: e, match: \"tier = 'new'\"}], ")
    assert both(exempt, one_case()) == (False, False)
    assert both(tied_set(LOW, HIGH), one_case(score=None)) == (PolicyError, PolicyError)


def test_overrides_named_like_columns_are_no_columns():
    named = tied_set(("score", "market = 'ID'", 0.9, 1), ("market", "tier = 'new'", 0.1, 0))
    assert both(named, one_case()) == (False, False)


def test_an_attribute_that_is_no_number_is_unknown_to_replay_and_kernel():
    dear = ("dear", "price > 5", 0.9, 0)
    assert both(tied_set(dear), one_case(price=float("nan"))) == (True, True)
    assert both(tied_set(dear), one_case(price=9.0)) == (False, False)
