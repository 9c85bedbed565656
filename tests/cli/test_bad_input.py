"""Bad input: row faults are sifted and the run goes on; a fault of a table or config is exit code 2 and a sentence."""

import re
from pathlib import Path

import polars as pl
import pytest

from gne_analytics.atomic import read_json


def spoil(folder: Path, table: str, **columns: pl.Expr) -> None:
    path = folder / table
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, try_parse_dates=True)
    frame = frame.with_row_index("row").with_columns(e.alias(c) for c, e in columns.items()).drop("row")
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)


def at(row: int, value: object, column: str) -> pl.Expr:
    return pl.when(pl.col("row") == row).then(pl.lit(value)).otherwise(pl.col(column))


def replace(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def row_faults(folder: Path) -> None:
    spoil(folder, "violations.parquet", violation_id=at(7, "V000006", "violation_id"), score=at(9, 1.4, "score"))
    spoil(folder, "appeals.csv", outcome=at(3, "perhaps", "outcome"), violation_id=at(4, "V999999", "violation_id"))
    future = pl.when(pl.col("row") == 5).then(pl.col("filed_at").dt.offset_by("90y")).otherwise(pl.col("filed_at"))
    spoil(folder, "appeals.csv", filed_at=future)


def one_sentence(text: str) -> bool:
    last = text.splitlines()[-1]  # the lines before tell of progress
    return last.startswith("gne: ") and text.count("gne: ") == 1 and "Traceback" not in text


def test_rows_at_fault_are_sifted_counted_written_out_and_the_run_goes_on(source, gne):
    row_faults(source)
    said = gne("run", source, "--runs", "runs")
    assert said.code == 0, said.err
    (run,) = [p for p in Path("runs").iterdir() if p.name.startswith("small-")]
    rejects = pl.read_parquet(run / "rejects.parquet")
    assert rejects.filter(pl.col("table") == "violations").height == 2
    reasons = " ".join(rejects["reason"])
    assert all(
        re.search(w, reasons)
        for w in ("duplicate|twice|repeat", "score|1", "outcome", "violation", "future|later|after")
    )
    assert "rejected" in said.out
    assert (run / "report.html").exists()


@pytest.mark.parametrize("command", [("check",), ("shifts", "--strict")])
def test_check_and_strict_make_one_bad_row_an_error(source, gne, command):
    row_faults(source)
    said = gne(command[0], source, *command[1:])
    assert said.code == 2
    assert one_sentence(said.err)


def test_more_than_five_percent_of_bad_rows_is_an_error(source, gne):
    spoil(source, "violations.parquet", score=pl.when(pl.col("row") < 20).then(1.4).otherwise(pl.col("score")))
    said = gne("run", source)
    assert said.code == 2
    assert one_sentence(said.err)
    assert not list(Path.cwd().glob("runs/small-*"))


POLICY = "policy/policies/counterfeit.yaml"


def change_rule(folder: Path, predicate: str) -> None:
    path = folder / POLICY
    path.write_text(re.sub(r"when: \[.*?\]", f'when: ["{predicate}"]', path.read_text(), count=1))


def tie_overrides(folder: Path) -> None:
    change_rule(folder, "market IN ('ID', 'TH', 'GB')")
    tie = "        - {{id: {}-of-two, match: \"market = 'ID'\", value: {}, priority: 9, reason: a test}}\n"
    ties = tie.format("first", 0.8) + tie.format("second", 0.9)
    replace(folder, POLICY, "      overrides:\n", "      overrides:\n" + ties)


FAULTS = {
    "a missing file": (lambda f: (f / "violations.parquet").unlink(), r"violations\.parquet"),
    "a missing column": (
        lambda f: pl.read_parquet(f / "violations.parquet").drop("policy_id").write_parquet(f / "violations.parquet"),
        r"violations.*policy_id",
    ),
    "a wrong type": (lambda f: spoil(f, "violations.parquet", score=pl.lit("high")), r"violations.*score"),
    "an empty table": (
        lambda f: pl.read_parquet(f / "violations.parquet").clear().write_parquet(f / "violations.parquet"),
        r"violations.*(empty|no row)",
    ),
    "an unknown key of the source": (
        lambda f: replace(f, "source.yaml", "name: small", "nmae: small"),
        r"source\.yaml.*nmae",
    ),
    "an unknown key of a policy": (
        lambda f: replace(
            f, "policies/counterfeit.yaml".replace("policies", "policy/policies"), "severity:", "severty:"
        ),
        r"counterfeit\.yaml.*severty",
    ),
    "a constant predicate": (lambda f: change_rule(f, "1 = 1"), r"counterfeit\.yaml.*the same for every case"),
    "a predicate that does not parse": (lambda f: change_rule(f, "market = = 'ID'"), r"counterfeit\.yaml"),
    "a predicate on a column that nobody has": (lambda f: change_rule(f, "markt = 'ID'"), r"markt"),
    "a predicate that calls a function": (
        lambda f: change_rule(f, "read_csv('/etc/passwd') = 'x'"),
        r"counterfeit\.yaml",
    ),
    "overrides that tie on a real row": (lambda f: tie_overrides(f), r"(?=.*first-of-two)(?=.*second-of-two)"),
    "a broken file": (lambda f: (f / "violations.parquet").write_bytes(b"PAR1 not really"), r"violations\.parquet"),
    "no such source": (
        lambda f: (f / "source.yaml").rename(f / "elsewhere.yaml") and (f / "violations.parquet").unlink(),
        r"source",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_whole_table_or_config_is_one_sentence_and_exit_code_two(source, gne, fault):
    break_it, names = FAULTS[fault]
    break_it(source)
    said = gne("run", source)
    assert said.code == 2, said.out
    assert one_sentence(said.err), said.err
    assert re.search(names, said.err), said.err
    assert not list(Path.cwd().glob("runs/small-*"))


def test_an_unknown_option_or_window_is_one_sentence(source, gne):
    assert gne("run", source, "--baselin", "2013").code == 2
    said = gne("explain", source, "--baseline", "yesterday", "--focus", "2026-01")
    assert said.code == 2
    assert one_sentence(said.err)
    assert "yesterday" in said.err
    assert gne("explain", source, "--baseline", "2026-01").code == 2


def test_a_full_disk_is_one_sentence_and_nothing_half_written(source, gne, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    said = gne("run", source)
    assert said.code == 2
    assert "disk is full" in said.err
    assert one_sentence(said.err)
    assert not list(Path.cwd().glob("runs/small-*"))


def test_an_interrupted_run_goes_on_to_the_same_findings(source, gne, monkeypatch):
    from gne_analytics.workspace import loop

    whole = gne("run", source, "--runs", "whole")
    assert whole.code == 0, whole.err
    narrate = loop.narrate

    def interrupted(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "narrate", interrupted)
    assert gne("run", source, "--runs", "broken").code == 130
    assert not list(Path.cwd().glob("broken/small-*"))
    monkeypatch.setattr(loop, "narrate", narrate)
    assert gne("run", source, "--runs", "broken").code == 0
    (first,), (second,) = Path("whole").glob("small-*"), Path("broken").glob("small-*")
    for name in ("findings.json", "causes.json", "proposals.json", "evidence.json"):
        assert read_json(first / name) == read_json(second / name)


def test_the_same_inputs_give_the_same_bytes_and_only_the_manifest_knows_the_time(source, gne):
    assert gne("run", source, "--runs", "a").code == 0
    assert gne("run", source, "--runs", "b").code == 0
    (first,), (second,) = Path("a").glob("small-*"), Path("b").glob("small-*")
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
    differ = [f.name for f in files if (first / f).read_bytes() != (second / f).read_bytes()]
    assert differ in ([], ["manifest.json"])


MIXED = ("--baseline", "2026-01", "--focus", "market=ID")
NAMED = {
    "a value of another case": (("--baseline", "market=th", "--focus", "market=ID"), r"did you mean 'TH'"),
    "a period beside a segment": (MIXED, r"2026-01 and market=ID must be of one kind"),
    "an empty column": (("--baseline", "queue=a", "--focus", "queue=b"), r"'queue' is empty in every row"),
    "a column that is not there": (
        ("--baseline", "zzz=a", "--focus", "zzz=b"),
        r"names dimension 'zzz', which the rows do not have \(known: (?!.*\b(fold|event_date|matured|unit|id|k|n)\b)",
    ),
    "a page that is a folder": (("--html", "."), r"--html \. is a folder; name a file, such as why\.html"),
    "a value that holds what parts values": (
        ("--baseline", "category=A & B", "--focus", "market=ID"),
        r"'B' in 'category=A & B' is not dimension=value; quote a value",
    ),
}


@pytest.mark.parametrize("fault", NAMED)
def test_a_window_or_page_that_cannot_be_is_one_sentence_that_says_what_to_type(source, gne, fault):
    spoil(source, "violations.parquet", queue=pl.lit(None, dtype=pl.String))
    options, says = NAMED[fault]
    said = gne("explain", source, *options)
    assert said.code == 2
    assert one_sentence(said.err)
    assert re.search(says, said.err), said.err


def test_values_with_an_ampersand_or_a_comma_can_be_named_with_and_without_quotes(source, gne):
    renamed = pl.col("policy_id").replace({"counterfeit": "Suicide & Self-Harm", "misleading": "Fakes, and more"})
    spoil(source, "violations.parquet", policy_id=renamed)
    replace(source, "source.yaml", "policies: policy\n", "")
    for scope in ('policy_id="Suicide & Self-Harm"', "policy_id=Suicide & Self-Harm"):
        said = gne("shifts", source, "--baseline", "2026-01", "--focus", "2026-02", "--scope", scope)
        assert said.code == 0, said.err
        assert "Suicide & Self-Harm" in said.out
    focus = ("--focus", "policy_id=Fakes, and more")
    said = gne("shifts", source, "--baseline", 'policy_id="Suicide & Self-Harm"', *focus)
    assert said.code == 0, said.err
    assert "Fakes, and more" in said.out


def test_check_names_the_column_that_is_empty_in_every_row(source, gne):
    spoil(source, "violations.parquet", queue=pl.lit(None, dtype=pl.String))
    said = gne("check", source)
    assert "Column violations.queue is empty in every row" in said.out
