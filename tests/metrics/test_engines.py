import duckdb
import narwhals as nw
import polars as pl
import pytest

from gne_analytics.causes.cube import count_leaves
from gne_analytics.errors import DataError
from gne_analytics.metrics.counted import count_observations
from gne_analytics.metrics.engines import check_names


def on(engine, *columns):
    """One row under these names."""
    frame = pl.DataFrame({c: [1] for c in columns})
    return nw.from_native(frame if engine == "polars" else duckdb.from_arrow(frame.to_arrow())).lazy()


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_a_column_that_is_missing_is_named_with_the_nearest(engine):
    with pytest.raises(DataError, match=r"no column 'fold' \(did you mean 'folds'\?\)"):
        check_names(on(engine, "market", "folds"), ["market", "fold"])


def test_names_that_differ_only_in_case_are_two_columns_on_polars_and_refused_elsewhere():
    check_names(on("polars", "N", "n", "Half"), ["N", "n", "Half"], ["half"])
    with pytest.raises(DataError, match="'Half' and 'half' are one to duckdb"):
        check_names(on("duckdb", "Half", "n"), ["Half", "n"], ["half"])


def test_a_column_that_nobody_uses_may_have_any_name():
    check_names(on("duckdb", "a.b", "market"), ["market"], ["half"])


@pytest.mark.parametrize("name", ["a.b", "a`b"])
def test_a_name_that_is_syntax_elsewhere_is_refused_there(name):
    check_names(on("polars", name), [name])
    with pytest.raises(DataError, match="without dots and backticks"):
        check_names(on("duckdb", name), [name])


@pytest.mark.parametrize("name", ["N", "K", "Side", "Half", "N0", "K1", "UNIT"])
def test_a_dimension_is_never_counted_in_the_place_of_a_column_of_that_name(name):
    frame = pl.DataFrame(
        {name: [5, 7, 5], "unit": ["a", "b", "a"], "fold": [1, 2, 3], "side": [0, 1, 0], "k": 1, "n": 1}
    )
    assert count_leaves(frame, [name], unit=True)[name].to_list() == [5, 7]
    with pytest.raises(DataError):
        count_leaves(duckdb.from_arrow(frame.to_arrow()), [name], unit=True)


def test_a_count_for_explain_refuses_such_a_dimension_too():
    frame = pl.DataFrame({"Unit": ["a", "b"], "seller": ["s", "t"], "k": [0, 1]}).with_columns(day=pl.date(2026, 1, 1))
    asked = {"dims": ["Unit"], "unit": "seller", "date": "day"}
    assert count_observations(frame, **asked).frame["n"].sum() == 2
    with pytest.raises(DataError, match="'Unit' and 'unit' are one to duckdb"):
        count_observations(duckdb.from_arrow(frame.to_arrow()), **asked)
