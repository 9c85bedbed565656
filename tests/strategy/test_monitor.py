from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.evidence.types import Estimate, Interval
from gne_analytics.strategy.canary import CANARY, Watched, make_plan, with_arms
from gne_analytics.strategy.monitor import Decision, Monitor, Reading, decide, follow, look
from gne_analytics.tables import record_from_frames
from gne_analytics.testing.frames import START

GUARD = Watched(metric="guard", margin=0.03)
GOAL = Watched(metric="goal", role="goal", margin=0.02)


def plan(watched=(GUARD, GOAL), **more):
    fields = {"unit": "seller_id", "share": 0.5, "start": START.date(), "weeks": 6, "caps": (3.0,), **more}
    return make_plan("P-1", watched, **fields)


def reading(metric, lo, hi):
    return Reading(metric=metric, difference=Estimate(value=(lo + hi) / 2, interval=Interval(lo=lo, hi=hi)),
                   canary=50, control=50)  # fmt: skip


@pytest.mark.parametrize(
    ("guard", "goal", "want"),
    [
        ((0.031, 0.2), (-0.3, -0.1), Decision.STOP_FOR_HARM),
        ((-0.01, 0.02), (0.01, 0.2), Decision.STOP_FOR_HARM),
        ((-0.01, 0.029), (-0.3, -0.001), Decision.ROLL_OUT),
        ((-0.01, 0.031), (-0.3, -0.001), Decision.GO_ON),
        ((-0.01, 0.029), (-0.3, 0.001), Decision.GO_ON),
        ((0.01, 0.2), (-0.3, 0.1), Decision.GO_ON),
        ((-0.01, 0.031), (-0.019, 0.1), Decision.STOP_FOR_FUTILITY),
        ((-0.01, 0.031), (-0.021, 0.1), Decision.GO_ON),
    ],
)
def test_the_rules_read_the_intervals_harm_first(guard, goal, want):
    assert decide(plan(), 2, (reading("guard", *guard), reading("goal", *goal)))[0] is want


def test_what_is_undecided_when_the_planned_weeks_are_over_stops():
    open_ = (reading("guard", -0.1, 0.1), reading("goal", -0.1, 0.1))
    assert decide(plan(), 5, open_)[0] is Decision.GO_ON
    decision, why = decide(plan(), 6, open_)
    assert decision is Decision.STOP_FOR_FUTILITY
    assert "cannot tell" in why


def test_nothing_is_rolled_out_while_something_cannot_be_watched():
    well = (reading("guard", -0.01, 0.01), reading("goal", -0.3, -0.1))
    decision, why = decide(plan(blind=("missed_violations",)), 2, well)
    assert decision is Decision.GO_ON
    assert "Missed violations" in why


def test_a_metric_whose_fall_is_worse_is_read_the_other_way_round():
    falls = plan((GUARD.model_copy(update={"worse": "lower"}),))
    assert decide(falls, 2, (reading("guard", -0.2, -0.04),))[0] is Decision.STOP_FOR_HARM
    assert decide(falls, 2, (reading("guard", 0.04, 0.2),))[0] is Decision.ROLL_OUT


def sellers(seed, made, n=500, *, weeks=6, base=0.1, effect=0.0, giant=None):
    """Cumulative rows of sellers by week, heavy-tailed; the first has half of all rows."""
    r = np.random.default_rng(seed)
    names = pl.DataFrame({"seller_id": [f"s{i}" for i in range(n)]})
    canary = (with_arms(names, made)["arm"] == CANARY).to_numpy()
    rate = r.lognormal(-1, 1.3, n)
    rate[0] = rate[1:].sum()
    own = r.beta(9 * base, 9 * (1 - base), n)
    own = np.where(canary, own + effect * (1 - own) / (1 - base), own)
    if giant is not None:
        own[0] = giant
    rows = r.poisson(rate[:, None], (n, weeks)).cumsum(1)
    hits = r.binomial(np.diff(rows, prepend=0, axis=1), own[:, None]).cumsum(1)
    for week in range(weeks):
        frame = pl.DataFrame({"unit": names["seller_id"], "k": hits[:, week], "rows": rows[:, week]})
        yield week + 1, frame.filter(pl.col("rows") > 0).with_columns(rate=pl.col("k") / pl.col("rows"))


def watch(seed, made, **world):
    monitor = Monitor(plan=made)
    for week, frame in sellers(seed, made, **world):
        monitor = look(monitor, week, {"guard": frame})
    return monitor


@pytest.mark.parametrize("giant", [None, 1.0])
def test_looking_every_week_errs_in_no_more_than_the_level(giant):
    made = plan((GUARD.model_copy(update={"margin": 0.0}),), level=0.3)
    monitors = [watch(s, made, n=250, weeks=4, giant=giant) for s in range(40)]
    assert sum(m.decision is not Decision.GO_ON for m in monitors) / 40 < 0.3


def test_a_harm_is_stopped_and_no_later_week_changes_that():
    made = plan((GUARD,))
    monitor = watch(1, made, n=1_500, effect=0.3)
    assert monitor.decision is Decision.STOP_FOR_HARM
    assert monitor.week < 6
    assert look(monitor, 99, {}) is monitor


def test_a_run_that_resumes_from_json_ends_as_one_that_went_through():
    made = plan((GUARD,))
    through, resumed = Monitor(plan=made), Monitor(plan=made)
    for week, frame in sellers(2, made):
        through = look(through, week, {"guard": frame})
        kept = Monitor.model_validate_json(resumed.model_dump_json())
        resumed = look(kept, week, {"guard": frame.sample(fraction=1.0, shuffle=True, seed=week)})
    assert resumed == through
    assert [k.week for k in through.looks] == [1, 2, 3, 4, 5, 6]


def test_a_week_that_was_looked_at_is_not_looked_at_again():
    made = plan((GUARD,))
    (first, frame), (_, other), *_ = sellers(3, made)
    seen = look(Monitor(plan=made), first, {"guard": frame})
    assert look(seen, first, {"guard": other}) is seen


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({"unit": ["a", "a"], "rate": [0.1, 0.2], "rows": [1, 1]}, "twice"),
        ({"unit": ["a", None], "rate": [0.1, 0.2], "rows": [1, 1]}, "without a name"),
        ({"unit": ["a"], "rate": [1.2], "rows": [1]}, "outside 0 to 1"),
        ({"unit": ["a"], "rate": [float("nan")], "rows": [1]}, "outside 0 to 1"),
        ({"unit": ["a"], "rate": [0.5], "rows": [0]}, "no rows"),
        ({"unit": ["a"], "rate": [0.5]}, "rows"),
    ],
)
def test_sellers_that_cannot_be_read_are_a_data_error(frame, says):
    with pytest.raises(DataError, match=says):
        look(Monitor(plan=plan((GUARD,))), 1, {"guard": pl.DataFrame(frame)})


def test_a_watched_metric_without_sellers_is_a_data_error():
    with pytest.raises(DataError, match="'goal'"):
        look(Monitor(plan=plan()), 1, {"guard": pl.DataFrame({"unit": ["a"], "rate": [0.5], "rows": [1]})})


def reversals(made, *, canary_rate, control_rate, weeks=7, sellers=900, delay=3):
    """A record of violations of which the canary's sellers are reversed at another rate, some days later."""
    r = np.random.default_rng(4)
    n = sellers * weeks
    unit = np.tile([f"s{i}" for i in range(sellers)], weeks)
    day = np.repeat(np.arange(weeks) * 7, sellers) + r.integers(0, 7, n)
    at = pl.Series([START + timedelta(days=int(d)) for d in day])
    frame = with_arms(pl.DataFrame({"seller_id": unit, "decided_at": at}), made)
    rate = np.where(frame["arm"] == CANARY, canary_rate, control_rate)
    back = pl.Series(r.random(n) < rate)
    frame = frame.drop("digest", "arm").with_columns(
        violation_id=pl.format("V{}", pl.int_range(n)), policy_id=pl.lit("counterfeit"), market=pl.lit("ID"),
        reversed_at=pl.when(back).then(pl.col("decided_at") + timedelta(days=delay)),
    )  # fmt: skip
    return before(START + timedelta(days=7 * weeks), frame)


def before(end, frame):
    """What was known of the violations at a moment."""
    known = pl.when(pl.col("reversed_at") < end).then("reversed_at")
    return frame.filter(pl.col("decided_at") < end).with_columns(reversed_at=known)


def test_a_record_is_followed_over_its_mature_weeks_only_and_the_rest_later():
    made = plan((Watched(metric="reversal_rate", margin=0.01),), weeks=7)
    frame = reversals(made, canary_rate=0.1, control_rate=0.1)
    early = record_from_frames({"violations": before(START + timedelta(days=28), frame)})
    half = follow(Monitor(plan=made), early)
    assert half.week == 3  # the fourth week's last days may still be reversed
    assert half.looks[-1].until == date(2026, 1, 26)
    assert follow(half, early) is half
    whole = record_from_frames({"violations": frame})
    assert [k.week for k in follow(half, whole).looks][:4] == [1, 2, 3, 4]


def test_a_followed_harm_is_stopped():
    made = plan((Watched(metric="reversal_rate", margin=0.05),), weeks=7)
    record = record_from_frames({"violations": reversals(made, canary_rate=0.4, control_rate=0.1)})
    found = follow(Monitor(plan=made), record)
    assert found.decision is Decision.STOP_FOR_HARM
    assert found.looks[-1].readings[0].difference.value == pytest.approx(0.3, abs=0.05)


def test_a_record_before_the_start_gives_no_look():
    made = plan((Watched(metric="reversal_rate", margin=0.05),), start=date(2027, 1, 4))
    record = record_from_frames({"violations": reversals(made, canary_rate=0.1, control_rate=0.1)})
    assert follow(Monitor(plan=made), record).looks == ()


def test_a_record_of_another_unit_is_a_data_error():
    made = plan((Watched(metric="reversal_rate", margin=0.05),), unit="account_id")
    record = record_from_frames({"violations": reversals(plan(), canary_rate=0.1, control_rate=0.1)})
    with pytest.raises(DataError, match="account_id"):
        follow(Monitor(plan=made), record)


def test_rows_of_before_the_start_and_of_young_weeks_count_in_no_look():
    made = plan((Watched(metric="reversal_rate", margin=0.01),), start=(START + timedelta(days=21)).date())
    frame = reversals(made, canary_rate=0.1, control_rate=0.1, sellers=300)
    first = frame.filter(
        pl.col("decided_at").is_between(START + timedelta(days=21), START + timedelta(days=28), "left")
    )
    older = pl.DataFrame({"seller_id": [f"old{i}" for i in range(50)], "decided_at": START}).with_columns(
        violation_id=pl.format("O{}", pl.int_range(50)), policy_id=pl.lit("counterfeit"), market=pl.lit("ID")
    )
    record = record_from_frames({"violations": pl.concat([frame, older], how="diagonal_relaxed")})
    seen = follow(Monitor(plan=made), record).looks[0].readings[0]
    assert seen.difference.n == first["seller_id"].n_unique()


def test_the_slowest_metric_decides_which_weeks_are_mature():
    watched = tuple(Watched(metric=m, margin=0.01) for m in ("proactive_rate", "reversal_rate"))
    made = plan(watched, weeks=7)
    frame = reversals(made, canary_rate=0.1, control_rate=0.1, sellers=300)
    found = pl.Series(np.random.default_rng(0).random(frame.height) < 0.5)
    record = record_from_frames({"violations": frame.with_columns(automated_detection=found)})
    assert follow(Monitor(plan=made), record).week == 6


def test_metrics_that_are_watched_together_share_the_error():
    one, two = plan((GUARD,)), plan((GUARD, GOAL))
    (week, frame), *_ = sellers(3, one)
    widths = [
        look(Monitor(plan=made), week, {"guard": frame, "goal": frame}).looks[0].readings[0].difference.interval
        for made in (one, two)
    ]
    assert widths[1].lo < widths[0].lo
    assert widths[1].hi > widths[0].hi
