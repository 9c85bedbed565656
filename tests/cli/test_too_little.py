"""A record that holds too little: the command line says that it cannot be judged, why, and that no page was written."""

import json

import polars as pl
import pytest

from gne_analytics.testing.frames import appeals_frame, violations_frame

SOURCE = """
name: small
tables:
  violations: {from: violations.parquet}
  appeals: {from: appeals.parquet}
"""


def source_of(folder, violations, appeals=None):
    folder.mkdir(exist_ok=True)
    violations.write_parquet(folder / "violations.parquet")
    (appeals_frame(violations, appealed=0.8) if appeals is None else appeals).write_parquet(folder / "appeals.parquet")
    (folder / "source.yaml").write_text(SOURCE)
    return folder


ONE_SELLER = violations_frame(2_000, weeks=20).with_columns(seller_id=pl.lit("S1"))
TOO_LITTLE = {
    "one seller": (ONE_SELLER, "all its rows belong to one seller, and it takes 6"),
    "one week": (violations_frame(600, weeks=1), "its rows lie in 1 week, and it takes 3"),
    "five rows": (violations_frame(5), "there are 4 violations with a decided appeal, and it takes 150"),
}


@pytest.mark.parametrize("what", TOO_LITTLE)
def test_a_record_that_holds_too_little_cannot_be_judged_and_the_figures_say_why(what, gne, tmp_path):
    rows, why = TOO_LITTLE[what]
    said = gne("explain", source_of(tmp_path / "s", rows), "--html", tmp_path / "why.html")
    assert said.code == 0, said.err
    assert said.out.startswith("It cannot be judged whether anything moved.")
    assert f"The overturn rate cannot be judged: {why}" in said.out
    assert "Nothing moved" not in said.out
    assert f"No page was written to {tmp_path / 'why.html'}" in said.out
    assert not (tmp_path / "why.html").exists()


def test_appeals_that_are_all_pending_leave_the_overturn_rate_unjudged_and_the_appeal_rate_judged(gne, tmp_path):
    violations = violations_frame(2_000, sellers=200, weeks=20)
    appeals = appeals_frame(violations, appealed=0.8).with_columns(outcome=pl.lit("pending"))
    said = gne("shifts", source_of(tmp_path / "s", violations, appeals))
    assert said.out.startswith("Nothing moved beyond chance.")
    assert "The overturn rate cannot be judged: there are no violations with a decided appeal." in said.out
    assert "The appeal rate cannot be judged" not in said.out
    told = json.loads(gne("explain", tmp_path / "s", "--json").out)
    assert "overturn_rate" in told["not_judged"]


def test_a_run_says_it_too(gne, tmp_path):
    said = gne("run", source_of(tmp_path / "s", TOO_LITTLE["one week"][0].drop("notice_text", strict=False)))
    assert said.code == 0, said.err
    assert "It cannot be judged whether anything moved" in said.out
    report = next(tmp_path.glob("runs/*/report.html")).read_text(encoding="utf-8")
    assert "The overturn rate cannot be judged: its rows lie in 1 week" in report


def test_two_windows_of_one_seller_have_no_interval_and_say_why(gne, tmp_path):
    said = gne(
        "explain", source_of(tmp_path / "s", ONE_SELLER), "--baseline", "2026-01", "--focus", "2026-03"
    )  # fmt: skip
    assert "(no interval can be estimated)" in " ".join(said.out.split())
    assert "Too few different units lie in these windows, so no interval can be estimated." in " ".join(
        said.out.split()
    )
    assert "100.0" not in said.out
