"""What `gne themes` prints: the themes, how many texts they are of, and what limits them."""

import polars as pl
import pytest

from gne_analytics.testing.frames import appeals_frame, violations_frame

SOURCE = """
name: small
tables:
  violations: {from: violations.parquet}
  appeals: {from: appeals.parquet}
"""


@pytest.fixture
def said(gne, tmp_path):
    """Run the command on appeals that hold the texts given, one after the other."""

    def themes(texts, *options):
        violations = violations_frame(4 * len(texts))
        appeals = appeals_frame(violations, appealed=1.0)
        own = [texts[i % len(texts)] for i in range(appeals.height)]
        violations.write_parquet(tmp_path / "violations.parquet")
        appeals.with_columns(reason_text=pl.Series(own)).write_parquet(tmp_path / "appeals.parquet")
        (tmp_path / "source.yaml").write_text(SOURCE)
        return gne("themes", tmp_path, "--embedder", "ngrams", *options)

    return themes


def test_what_limits_the_themes_is_printed_below_them(said):
    found = said(["the parcel is late", "the licence is attached", "😀"])
    assert "seller_text-01" in found.out
    assert "Too little is said to part it (distinct texts: 2)" in found.out
    assert "texts hold no word and are in no theme" in found.out


def test_coarser_themes_can_be_asked_for(said):
    subjects = ("parcel late courier", "licence attached pharmacy", "logo stripes pattern", "price option discount")
    texts = [f"{subject} {word}{word}" for subject in subjects for word in ("alpha", "beta", "gamma", "delta", "rho")]
    found = said(texts, "--about", 2)
    assert found.code == 0, found.err
    assert 1 <= sum("seller_text-" in line for line in found.out.splitlines()) <= 3
