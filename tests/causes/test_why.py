"""What the record shows is read rightly: onsets with their intervals, themes that rose, clues and few columns."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.causes import explain
from gne_analytics.causes.clues_said import repeated
from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.mechanism import type_mechanism
from gne_analytics.causes.onset import Onset, find_onset
from gne_analytics.causes.rising import rising_themes
from gne_analytics.causes.scene import Share, rise
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, Mechanism, Period
from gne_analytics.metrics import make_shift, observe, parse_window
from gne_analytics.metrics.observations import Observations
from gne_analytics.tables.record import record_from_frames
from gne_analytics.workspace.handover import mechanism_context

START = date(2026, 1, 5)
WHOLE = Segment({})
DAYS = 112


def stepped(rng, rows, lift, *, bursty):
    """Rows whose rate steps at some day; bursty sellers have levels of their own and act within ten days."""
    sellers = max(30, rows // 6)
    weight = np.minimum(rng.pareto(1.4, sellers) + 0.2, 60)
    seller = rng.choice(sellers, rows, p=weight / weight.sum())
    level, centre = rng.normal(0, 0.9 * bursty, sellers), rng.integers(0, DAYS, sellers)
    burst = rng.random(rows) < 0.6 * bursty
    day = np.where(burst, (centre[seller] + rng.integers(0, 10, rows)) % DAYS, rng.integers(0, DAYS, rows))
    step = int(rng.integers(DAYS * 3 // 10, DAYS * 7 // 10))
    base = rng.uniform(0.15, 0.5)
    p = 1 / (1 + np.exp(-np.log(base / (1 - base)) - level[seller]))
    p = np.where(day >= step, np.clip(p + lift, 0, 0.97), p)
    frame = pl.DataFrame(
        {
            "id": [str(i) for i in range(rows)], "event_date": [START + timedelta(days=int(d)) for d in day],
            "k": (rng.random(rows) < p).astype(int), "market": ["ID"] * rows,
        }
    )  # fmt: skip
    return Observations.from_frame(frame, dims=("market",), metric="overturn_rate"), START + timedelta(days=step)


@pytest.mark.parametrize(("bursty", "rows", "lift"), [(0, 600, 0.25), (1, 600, 0.25), (1, 2_000, 0.12)])
def test_the_interval_of_an_onset_holds_the_true_day(bursty, rows, lift):
    rng = np.random.default_rng(5 + bursty)
    whole = (
        Period(start=START, end=START + timedelta(days=56)),
        Period(start=START + timedelta(days=56), end=START + timedelta(days=DAYS)),
    )
    held = []
    for _ in range(120):
        observed, day = stepped(rng, rows, lift, bursty=bursty)
        onset = find_onset(observed, WHOLE, *whole)
        if onset is not None:
            held.append(onset.lo <= day <= onset.hi)
    assert len(held) > 90
    assert np.mean(held) > 0.9  # nominal .95; of 120 draws at .95 one in a thousand falls under .9


def test_a_rise_is_less_than_it_looks_where_few_rows_show_it():
    assert rise(Share(2, 20), Share(8, 20)) < rise(Share(200, 2000), Share(800, 2000)) < 0.3
    assert rise(Share(20, 100), Share(60, 100), (Share(20, 100), Share(60, 100))) < 0


def texts(*rows):
    return pl.DataFrame(list(rows), schema={"text": pl.String, "seller": pl.String}, orient="row")


def test_a_paste_is_one_wording_from_the_same_sellers_not_one_plight_of_many():
    before = texts(*((f"every seller writes words of their own number {i}", f"s{i}") for i in range(40)))
    wording = "we keep all rules of this platform lift the block at once"
    few = texts(
        *((wording, f"s{i % 4}") for i in range(20)), *((f"something else entirely {i}", "x") for i in range(20))
    )
    many = texts(*((wording, f"s{i}") for i in range(40)))
    assert repeated(before, few).value == pytest.approx(0.5)
    assert repeated(before, many).value == 0
    assert repeated(few, few).value == 0


def said(n, late_share, rng):
    """Cases of two markets, and what they say; one theme rises in ID only."""
    late = rng.random(n) < 0.5
    market = rng.choice(["ID", "TH"], n)
    risen = rng.random(n) < np.where(late & (market == "ID"), late_share, 0.1)
    ids = [f"v{i}" for i in range(n)]
    day = 60 * late + rng.integers(0, 50, n)
    cases = pl.DataFrame(
        {
            "violation_id": ids, "market": market, "seller_id": [f"s{i // 2}" for i in range(n)],
            "event_date": [START + timedelta(days=int(d)) for d in day],
        }
    )  # fmt: skip
    themes = pl.DataFrame(
        {
            "id": ids, "theme_id": np.where(risen, "t1", "t2"), "label": np.where(risen, "which rule", "income"),
            "folded_into": pl.Series([None] * n, dtype=pl.String),
        }
    )  # fmt: skip
    return MechanismContext(cases=cases, themes=themes)


def test_a_theme_that_rose_in_the_segment_is_told_and_one_that_did_not_is_not():
    rng = np.random.default_rng(0)
    observed, _ = stepped(rng, 800, 0.3, bursty=0)
    shift = make_shift(observed, *(parse_window(w) for w in ("2026-01-05..2026-03-06", "2026-03-06..2026-04-24")))
    begun = date(2026, 3, 6)
    onset = Onset(begun, begun, begun)
    (theme,) = rising_themes(shift, Segment.of(market="ID"), onset, said(800, 0.5, rng))
    assert (theme.theme_id, theme.label) == ("t1", "which rule")
    assert theme.rise.interval.lo > 0
    assert theme.after.rate > theme.before.rate
    assert not rising_themes(shift, Segment.of(market="TH"), onset, said(800, 0.5, rng))
    assert not rising_themes(shift, Segment.of(market="ID"), onset, said(800, 0.1, rng))


def log(case, *, n=30_000, seed=1):
    """A log of sanctions with few columns: some policies, a template each, reversals with a reason in words."""
    rng = np.random.default_rng(seed)
    policy = rng.choice(["spam", "vandalism", "username", "proxy"], n, p=[0.3, 0.3, 0.25, 0.15]).astype(object)
    day = rng.integers(0, 300, n)
    late = day >= 200
    base = pl.Series(policy.astype(str)).replace_strict(
        {"spam": 0.005, "vandalism": 0.01, "username": 0.12, "proxy": 0.01}, return_dtype=pl.Float64
    )
    p, why = base.to_numpy().copy(), np.full(n, "taken back after a look", dtype=object)
    if case == "message":
        hit = (policy == "username") & late
        p[hit] = 0.4
        why[hit & (rng.random(n) < 0.8)] = "user renamed and understands the policy now"
    if case == "simpson":
        moved = late & (policy != "username") & (rng.random(n) < 0.5)
        policy[moved], p[moved] = "username", 0.12
    reversed_ = rng.random(n) < p
    at = day * 86_400.0 + rng.random(n) * 86_000
    back = at + rng.lognormal(11, 1.5, n)
    if case == "batch":
        run = (policy == "proxy") & (day >= 150) & (day < 200) & (rng.random(n) < 0.6)
        reversed_, back = reversed_ | run, np.where(run, 200 * 86_400 + rng.random(n) * 1_800, back)

    def when(seconds):
        return pl.Series([datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=float(s)) for s in seconds])

    frame = pl.DataFrame(
        {
            "violation_id": [f"b{i}" for i in range(n)], "decided_at": when(at), "policy_id": policy.astype(str),
            "seller_id": [f"a{i}" for i in rng.integers(0, 400, n)], "template_id": [f"t-{x}" for x in policy],
            "reversed_at": when(back), "reversal_reason": why.astype(str), "hit": reversed_,
        }
    )  # fmt: skip
    frame = frame.with_columns(pl.when("hit").then(pl.col(c)).alias(c) for c in ("reversed_at", "reversal_reason"))
    return record_from_frames({"violations": frame.drop("hit")}, as_of=datetime(2026, 12, 5, tzinfo=UTC))


def told(record, baseline, focus):
    observed = observe(record, "reversal_rate")
    shift = make_shift(observed, parse_window(baseline), parse_window(focus))
    return explain(observed, shift, context=mechanism_context(record, None), store=EvidenceStore()).causes


def test_a_segment_whose_reversals_say_the_recipient_needed_but_to_be_told_is_for_messaging():
    causes = told(log("message"), "2026-04-01..2026-07-24", "2026-07-24..2026-10-31")
    assert causes[0].mechanism is Mechanism.NOTICE_UNCLEAR
    assert causes[0].owner == "messaging"
    assert "edit_notice" in causes[0].levers


def test_between_two_segments_a_message_is_told_by_what_is_said_of_reversals_and_nothing_else_is_typed():
    record = log("message", n=40_000)
    observed = observe(record, "reversal_rate")
    shift = make_shift(observed, parse_window("policy_id=spam"), parse_window("policy_id=username"))
    context, store = mechanism_context(record, None), EvidenceStore()
    typed = [
        type_mechanism(
            shift, WHOLE, CauseKind.RATE_SHIFT, None, (), changes_known=False, context=context, store=store
        ).mechanism
        for context in (context, MechanismContext(cases=context.cases.drop("reversal_reason")))
    ]  # fmt: skip
    assert typed == [Mechanism.NOTICE_UNCLEAR, Mechanism.UNKNOWN]


def test_a_correction_run_is_told_from_times_alone():
    causes = told(log("batch"), "2026-02-01..2026-06-04", "2026-06-04..2026-07-24")
    assert causes[0].kind is CauseKind.BATCH_CORRECTION
    assert causes[0].mechanism is Mechanism.UNKNOWN


def test_a_rate_that_moved_by_its_mix_alone_is_a_mix_shift_and_no_failing():
    causes = told(log("simpson"), "2026-04-01..2026-07-24", "2026-07-24..2026-10-31")
    assert CauseKind.MIX_SHIFT in {c.kind for c in causes}
    assert {c.mechanism for c in causes} == {Mechanism.UNKNOWN}


@pytest.mark.parametrize("value", ["NA", "(missing)", "none"])
def test_a_value_that_was_missing_just_as_often_before_is_no_fault_of_a_feed(world, value):
    obs = world(0)
    own = pl.when(pl.col("market") == "ID").then(pl.lit(value)).otherwise("market").alias("market")
    final = pl.when(pl.col("k") == 1).then(pl.lit("overturned")).otherwise(pl.lit("upheld"))
    frame = obs.frame.with_columns(own, final=final)
    named = Observations.from_frame(frame, dims=obs.dims, unit="seller_id", paths=obs.paths, metric="overturn_rate")
    day = date(2026, 9, 14)
    shift = make_shift(named, parse_window("2026-08-03..2026-09-14"), parse_window("2026-09-14..2026-10-26"))

    def typed(cases):
        return type_mechanism(
            shift, Segment.of(market=value), CauseKind.RATE_SHIFT, Onset(day, day, day), (),
            changes_known=False, context=MechanismContext(cases=cases), store=EvidenceStore(),
        )  # fmt: skip

    assert typed(frame).mechanism is not Mechanism.DATA_ERROR
    if value != "NA":  # the same with three in four of them gone from the past
        gone = (pl.col("market") == value) & (pl.col("event_date") < day) & (pl.int_range(pl.len()) % 4 > 0)
        assert typed(frame.filter(~gone)).mechanism is Mechanism.DATA_ERROR
