"""`gne simulate`: a source that opens, its truth elsewhere, and the same world under other policies."""

import polars as pl

from gne_analytics.tables.source import open_source


def test_a_world_is_written_as_a_source_and_its_truth_elsewhere(gne, tmp_path):
    world = ["--world", "incident:clause_scope", "--seed", "3", "--violations", "3000", "--dirty", "0.01"]
    said = gne("simulate", *world, "--out", tmp_path / "w", "--truth", tmp_path / "t")
    assert said.code == 0, said.err
    record = open_source(tmp_path / "w")
    assert record.rejects.height > 0
    assert record.policies is not None
    assert (tmp_path / "t" / "incidents.json").exists()
    assert not [p for p in (tmp_path / "w").rglob("*") if "latent" in p.name or "incident" in p.name]


def test_the_same_seed_under_the_exported_policies_gives_the_same_tables(gne, tmp_path):
    args = ["simulate", "--world", "quiet", "--seed", "5", "--violations", "2000"]
    assert gne(*args, "--out", tmp_path / "a", "--truth", tmp_path / "ta").code == 0
    assert (
        gne(*args, "--out", tmp_path / "b", "--truth", tmp_path / "tb", "--policies", tmp_path / "a" / "policy").code
        == 0
    )
    for table in ("violations", "appeals", "audits"):
        first, second = (pl.read_parquet(tmp_path / x / f"{table}.parquet") for x in "ab")
        assert first.equals(second)


def test_an_unknown_world_is_one_sentence_that_names_the_nearest(gne, tmp_path):
    said = gne("simulate", "--world", "incident:treshold", "--out", tmp_path / "w", "--truth", tmp_path / "t")
    assert said.code == 2
    assert "incident:threshold" in said.err
    assert not (tmp_path / "w").exists()
