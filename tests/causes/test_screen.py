from datetime import date

import numpy as np
import polars as pl

from gne_analytics.causes import explain
from gne_analytics.causes.screen import TOO_MANY, screen
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.metrics import Observations, make_shift, parse_window


def screened(known=frozenset(), unit=False, **columns):
    rng = np.random.default_rng(0)
    n = 4000
    month = rng.integers(1, 13, n)
    base = {
        "k": rng.integers(0, 2, n),
        "event_date": [date(2026, int(m), 10) for m in month],
        "unit": [f"s{i}" for i in rng.integers(0, 300, n)] if unit else None,
    }
    made = {name: make(rng, month, np.asarray(base["k"]), base["unit"]) for name, make in columns.items()}
    frame = pl.DataFrame({**{k: v for k, v in base.items() if v is not None}, **made})
    observed = Observations.from_frame(frame, dims=tuple(columns), unit="seller_id" if unit else None, known_dims=known)
    return screen(observed, make_shift(observed, parse_window("2026-01..2026-07"), parse_window("2026-07..2027-01")))


def test_a_plain_dimension_may_explain():
    allowed, refused = screened(market=lambda rng, m, k, u: rng.choice(["ID", "TH"], m.size))
    assert allowed == ("market",)
    assert refused == {}


def test_a_copy_of_the_outcome_is_refused_and_a_strong_predictor_is_not():
    allowed, refused = screened(
        verdict=lambda rng, m, k, u: np.where(k == 1, "yes", "no"),
        hint=lambda rng, m, k, u: np.where(rng.random(m.size) < 0.8, k, 1 - k).astype(str),
    )
    assert "outcome" in refused["verdict"]
    assert allowed == ("hint",)


def test_a_clock_in_disguise_is_refused_and_a_version_that_changes_is_not():
    allowed, refused = screened(
        batch=lambda rng, m, k, u: [f"2026{x:02d}" for x in m],
        model=lambda rng, m, k, u: np.where(m < 7, "v6", "v7"),
    )
    assert "time" in refused["batch"]
    assert allowed == ("model",)


def test_a_known_version_that_follows_time_closely_is_still_a_dimension():
    follows = {"policy_revision": lambda rng, m, k, u: [f"2026-{x:02d}" for x in m]}
    assert screened(**follows)[0] == ()
    assert screened(known=frozenset({"policy_revision"}), **follows)[0] == ("policy_revision",)


def test_ids_names_of_units_people_and_what_came_after_the_decision_are_refused():
    _, refused = screened(
        unit=True,
        row=lambda rng, m, k, u: [f"r{i}" for i in range(m.size)],
        shop_name=lambda rng, m, k, u: [f"shop of {x}" for x in u],
        reviewer_id=lambda rng, m, k, u: rng.choice(["a", "b"], m.size),
        reversal_source=lambda rng, m, k, u: rng.choice(["appeal", "batch"], m.size),
        constant=lambda rng, m, k, u: ["x"] * m.size,
    )
    assert set(refused) == {"row", "shop_name", "reviewer_id", "reversal_source", "constant"}
    assert all(reason.endswith(".") and not any(c.isdigit() for c in reason) for reason in refused.values())


def test_ten_thousand_dimensions_are_refused_in_a_sentence_and_give_no_finding():
    rng = np.random.default_rng(0)
    names = tuple(f"d{i}" for i in range(10_000))
    frame = pl.DataFrame({name: rng.choice(["a", "b"], 200) for name in names}).with_columns(
        k=pl.Series(rng.integers(0, 2, 200)), event_year=pl.Series(np.repeat([2019, 2020], 100))
    )
    observed = Observations.from_frame(frame, dims=names)
    shift = make_shift(observed, parse_window("2019"), parse_window("2020"))
    found = explain(observed, shift, store=EvidenceStore())
    assert (found.causes, found.dimensions, found.notes) == ((), (), (TOO_MANY,))
    assert len(found.refused) == 10_000
