from datetime import date, time, timedelta
from decimal import Decimal

import polars as pl
import pytest

from gne_analytics.errors import DataError
from gne_analytics.tables import Role, record_from_frames
from gne_analytics.testing.frames import appeals_frame, violations_frame

ROWS = 200
SEATS = range(ROWS)


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ([f"kind {i % 5}" for i in SEATS], Role.DIMENSION),
        ([i % 2 == 0 for i in SEATS], Role.DIMENSION),
        ([i % 30 for i in SEATS], Role.DIMENSION),
        ([float(i % 5) for i in SEATS], Role.DIMENSION),
        ([i / 7 for i in SEATS], Role.IGNORE),
        ([f"ref-{i}" for i in SEATS], Role.ID),
        ([f"Seller number {i} wrote a long and winding complaint" for i in SEATS], Role.TEXT),
        ([date(2026, 1, 1)] * ROWS, Role.TIME),
        ([timedelta(days=1)] * ROWS, Role.IGNORE),
        ([time(1)] * ROWS, Role.IGNORE),
        ([b"x"] * ROWS, Role.IGNORE),
        ([{"a": 1}] * ROWS, Role.IGNORE),
        ([["a", "b"]] * ROWS, Role.IGNORE),
        ([Decimal(i % 3) for i in SEATS], Role.DIMENSION),
        ([None] * ROWS, Role.DIMENSION),
    ],
)
def test_an_undeclared_column_gets_the_role_that_its_values_fit(values, role):
    frame = violations_frame(ROWS).with_columns(pl.Series("extra", values, strict=False))
    assert record_from_frames({"violations": frame}).roles["violations"]["extra"] is role


def test_categoricals_enums_and_objects_become_plain_text():
    frame = violations_frame(ROWS).with_columns(
        pl.col("market").cast(pl.Categorical).alias("a"),
        pl.col("market").cast(pl.Enum(["ID", "TH", "GB"])).alias("b"),
        pl.Series("c", [object()] * ROWS, dtype=pl.Object),
    )
    schema = record_from_frames({"violations": frame}).violations.schema
    assert [schema[c] for c in "abc"] == [pl.String] * 3


def test_a_declared_role_wins_over_the_guess_and_over_the_contract():
    frame = violations_frame(ROWS).with_columns(price=pl.int_range(ROWS) / 7)
    roles = {"violations": {"price": Role.DIMENSION, "queue": Role.IGNORE, "market": Role.IGNORE}}
    with pytest.raises(DataError, match="no column 'queue'"):
        record_from_frames({"violations": frame}, roles=roles)
    record = record_from_frames({"violations": frame.with_columns(queue=pl.lit("q"))}, roles=roles)
    assert "price" in record.dims("violations")
    assert not {"queue", "market"} & set(record.dims("violations"))


def test_a_column_of_the_appeals_that_repeats_the_violations_is_ignored():
    violations = violations_frame(ROWS)
    appeals = appeals_frame(violations).with_columns(market=pl.lit("ID"), channel=pl.lit("app"))
    record = record_from_frames({"violations": violations, "appeals": appeals})
    assert record.roles["appeals"]["market"] is Role.IGNORE
    assert record.dims("appeals") == ["level", "channel"]
    roles = {"appeals": {"market": Role.DIMENSION}}
    told = record_from_frames({"violations": violations, "appeals": appeals}, roles=roles)
    assert "market" in told.dims("appeals")
