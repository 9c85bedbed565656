import json
from datetime import UTC, date, datetime
from importlib.resources import files
from textwrap import dedent

import duckdb
import jsonschema
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from ruamel.yaml import YAML

from gne_analytics.errors import DataError
from gne_analytics.tables import Grain, Role, open_source, source_schema
from gne_analytics.testing.frames import appeals_frame, audits_frame, violations_frame

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EXAMPLE = files("gne_analytics.tables") / "source.example.yaml"


def write(folder, text, **frames):
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    (folder / "source.yaml").write_text(dedent(text), encoding="utf-8")
    return folder


@pytest.fixture
def plain(tmp_path):
    violations = violations_frame(120)
    appeals = appeals_frame(violations)
    text = """\
        tables:
          violations: {from: violations.parquet}
          appeals: {from: appeals.parquet}
        """
    return write(tmp_path, text, violations=violations, appeals=appeals)


def refusal(folder, text, **frames):
    with pytest.raises(DataError) as caught:
        open_source(write(folder, text, **frames), now=NOW)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_documented_example_opens(tmp_path, monkeypatch):
    monkeypatch.setenv("EXTRACTS", str(tmp_path / "extracts"))
    (tmp_path / "extracts").mkdir()
    pl.DataFrame(
        {
            "enforcement_id": ["001", "002", "003"],
            "decided": ["01/10/2026 08:00", "02/10/2026 09:30", "02/10/2026 09:30"],
            "rule_code": ["CF", "XX", "PR"],
            "country": ["ID", "TH", "ID"],
            "flagged_by": ["bot", "human", "bot"],
            "status": ["final", "final", "draft"],
            "seller_id": [17, 17, 18],
            "price_band": [1.5, 2.5, 3.5],
            "internal_note": ["a", "b", "c"],
        }
    ).write_parquet(tmp_path / "extracts" / "enforcement.parquet")
    (tmp_path / "appeals.csv").write_text(
        "enforcement_id,opened,result\n001,2026-10-03T00:00:00Z,granted\n002,2026-10-04,\n"
    )
    with duckdb.connect(str(tmp_path / "scores.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE scores AS SELECT 'c1' AS case_ref, TIMESTAMPTZ '2026-10-01 00:00:00Z' AS scored_at, "
            "0.4 AS score"
        )
    (tmp_path / "changes.ndjson").write_text('{"change_id": "x", "at": "2026-10-02", "scope": {"market": ["ID"]}}\n')
    (tmp_path / "source.yaml").write_bytes(EXAMPLE.read_bytes())

    record = open_source(tmp_path, now=NOW)

    assert record.rejects.is_empty()
    assert record.violations.select(
        "violation_id", "policy_id", "market", "object_type", "automated_detection"
    ).rows() == [
        ("001", "counterfeit", "ID", "listing", True),
        ("002", "other", "TH", "listing", False),
    ]
    assert record.violations["decided_at"].to_list() == [
        datetime(2026, 10, 1, 0, 0, tzinfo=UTC),
        datetime(2026, 10, 2, 1, 30, tzinfo=UTC),
    ]
    assert record.appeals.select("appeal_id", "violation_id", "outcome").rows() == [
        ("1", "001", "overturned"),
        ("2", "002", "pending"),
    ]
    assert record.assessments["score"].to_list() == [0.4]
    assert record.changes["scope"].to_list() == ['{"market": ["ID"]}']
    assert record.grain["changes"] is Grain.DAY
    assert record.as_of == datetime(2026, 10, 31, 15, 59, 59, 999_999, tzinfo=UTC)
    assert record.policies == tmp_path / "policies"
    assert (record.unit, record.name, record.timezone) == ("seller_id", "example-marketplace", "Asia/Singapore")
    assert record.roles["violations"]["price_band"] is Role.DIMENSION
    assert record.roles["violations"]["internal_note"] is Role.IGNORE


def test_the_example_and_a_wrong_key_are_judged_alike_by_the_json_schema():
    schema = source_schema()
    example = json.loads(json.dumps(YAML(typ="safe").load(EXAMPLE.read_text()), default=str))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(example, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**example, "tabels": {}}, schema)


def test_every_key_of_the_schema_stands_in_the_example():
    text = EXAMPLE.read_text()
    schema = source_schema()
    keys = {key for model in [schema, *schema["$defs"].values()] for key in model.get("properties", {})}
    assert not [key for key in keys if f"{key}:" not in text]


def test_a_folder_of_files_named_after_the_tables_opens_by_convention(tmp_path):
    violations = violations_frame(120)
    violations.write_parquet(tmp_path / "violations.parquet")
    appeals_frame(violations).write_csv(tmp_path / "appeals.csv")
    audits_frame(violations).with_columns(pl.col("audited_at").dt.to_string("iso:strict")).write_ndjson(
        tmp_path / "audits.ndjson"
    )
    record = open_source(tmp_path, now=NOW)
    assert record.rejects.is_empty()
    assert [record.has(t) for t in ("violations", "appeals", "audits", "signals")] == [True, True, True, False]
    assert record.name == tmp_path.name


def test_parquet_csv_and_ndjson_give_the_same_record(tmp_path):
    violations = violations_frame(120).with_columns(
        pl.format("00{}", pl.int_range(pl.len())).alias("violation_id"), shelf=pl.int_range(pl.len()) % 3
    )
    records = []
    for suffix, frame in [("parquet", violations), ("csv", violations), ("ndjson", violations)]:
        folder = tmp_path / suffix
        folder.mkdir()
        told = frame.with_columns(pl.col("decided_at").dt.to_string("iso:strict")) if suffix == "ndjson" else frame
        getattr(told, f"write_{suffix}")(folder / f"violations.{suffix}")
        records.append(open_source(folder, now=NOW).violations)
    assert_frame_equal(records[0], records[1])
    assert_frame_equal(records[0], records[2])
    assert records[1]["violation_id"][0] == "000"


def test_one_file_feeds_two_tables_and_its_other_columns_belong_to_the_first(tmp_path):
    cases = pl.DataFrame(
        {
            "ref": [f"R{i}" for i in range(60)],
            "year": [2013 + i % 3 for i in range(60)],
            "kind": ["necessity", "experimental"] * 30,
            "won": [True, False] * 30,
            "illness": ["hepatitis", "cancer", "asthma"] * 20,
        }
    )
    text = """\
        unit: null
        tables:
          violations:
            from: cases.parquet
            grain: year
            columns: {violation_id: ref, decided_at: year, policy_id: kind}
          appeals:
            from: cases.parquet
            grain: year
            columns:
              appeal_id: ref
              violation_id: ref
              filed_at: year
              outcome: {from: won, map: {true: overturned, false: upheld}}
        """
    record = open_source(write(tmp_path, text, cases=cases), now=NOW)
    assert record.dims("violations") == ["policy_id", "illness"]
    assert record.dims("appeals") == []
    assert record.appeals["outcome"].value_counts(sort=True)["count"].to_list() == [30, 30]
    assert record.violations["event_date"].unique().sort().to_list() == [date(y, 1, 1) for y in (2013, 2014, 2015)]
    assert record.unit is None


def test_an_outcome_in_a_shared_file_is_no_dimension_of_the_violations(tmp_path):
    wide = violations_frame(60).with_columns(
        appeal_id=pl.col("violation_id"), filed_at=pl.col("decided_at"), outcome=pl.lit("upheld")
    )
    text = """\
        tables:
          violations: {from: wide.parquet}
          appeals: {from: wide.parquet, where: "market = 'ID'"}
        """
    record = open_source(write(tmp_path, text, wide=wide), now=NOW)
    assert not {"outcome", "filed_at", "appeal_id"} & set(record.violations.columns)
    assert not {"language", "queue"} & set(record.appeals.columns)
    assert record.appeals.height == wide.filter(pl.col("market") == "ID").height


def test_where_reads_numbers_in_a_csv(tmp_path):
    frame = violations_frame(120)
    frame.write_csv(tmp_path / "v.csv")
    record = open_source(write(tmp_path, "tables: {violations: {from: v.csv, where: 'score >= 0.9'}}"), now=NOW)
    assert record.violations.height == frame.filter(pl.col("score") >= 0.9).height > 0


def test_a_reject_names_the_row_of_the_file_not_of_what_where_left(tmp_path):
    frame = violations_frame(120).with_columns(
        score=pl.when(pl.int_range(pl.len()) == 100).then(1.4).otherwise(pl.col("score")),
        live=pl.int_range(pl.len()) >= 50,
    )
    record = open_source(
        write(tmp_path, "tables: {violations: {from: v.parquet, where: 'live = true'}}", v=frame), now=NOW
    )
    assert record.rejects.select("row", "key").rows() == [(101, "V000100")]


def test_a_pattern_reads_every_file_that_matches(tmp_path):
    frame = violations_frame(120)
    frame[:50].write_parquet(tmp_path / "day-1.parquet")
    frame[50:].drop("queue", strict=False).write_parquet(tmp_path / "day-2.parquet")
    record = open_source(write(tmp_path, "tables: {violations: {from: day-*.parquet}}"), now=NOW)
    assert record.violations.height == 120


def test_a_query_over_files_is_read_in_a_stable_order(tmp_path):
    text = """\
        tables:
          violations:
            from: {query: "SELECT * FROM 'v.parquet' ORDER BY random()"}
        """
    folder = write(tmp_path, text, v=violations_frame(200))
    first, second = open_source(folder, now=NOW), open_source(folder, now=NOW)
    assert_frame_equal(first.violations, second.violations)
    assert first.source_hash == second.source_hash
    violations_frame(200, seed=9).write_parquet(tmp_path / "v.parquet")
    assert open_source(folder, now=NOW).source_hash != first.source_hash


def test_the_hash_follows_files_and_yaml(plain):
    first = open_source(plain, now=NOW).source_hash
    assert open_source(plain, now=NOW).source_hash == first
    violations_frame(121).write_parquet(plain / "violations.parquet")
    second = open_source(plain, now=NOW).source_hash
    (plain / "source.yaml").write_text((plain / "source.yaml").read_text() + "name: other\n")
    assert len({first, second, open_source(plain, now=NOW).source_hash}) == 3


def test_the_clock_limits_a_file_of_the_past_and_nothing_else(plain):
    later = open_source(plain, now=datetime(2029, 1, 1, tzinfo=UTC))
    assert later.rejects.is_empty()
    assert later.as_of == open_source(plain, now=NOW).as_of
    frame = violations_frame(120).with_columns(
        decided_at=pl.when(pl.int_range(pl.len()) == 3).then(pl.lit(NOW.replace(year=2027))).otherwise("decided_at")
    )
    frame.write_parquet(plain / "violations.parquet")
    assert open_source(plain, now=NOW).rejects["column"].to_list()[0] == "decided_at"


def test_strict_refuses_what_sifting_would_set_apart(tmp_path):
    frame = violations_frame(120).with_columns(score=pl.Series([1.4, *[0.5] * 119]))
    folder = write(tmp_path, "tables: {violations: {from: v.parquet}}", v=frame)
    assert open_source(folder, now=NOW).rejects.height == 1
    with pytest.raises(DataError, match=r"v\.parquet: table 'violations', row 1 \(V000000\): score 1\.4"):
        open_source(folder, now=NOW, strict=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tables: {violations: {from: nowhere.parquet}}", "no file nowhere.parquet"),
        ("tables: {violations: {from: v.xlsx}}", "no file v.xlsx"),
        ("tabels: {violations: {from: v.parquet}}", "source.yaml, tabels is no known key (did you mean 'tables'?)."),
        (
            "tables: {violatoins: {from: v.parquet}}",
            "tables.violatoins is no table of the contract (did you mean 'violations'?).",
        ),
        ("tables: {violations: {form: v.parquet}}", "tables.violations.form is no known key (did you mean 'from'?)."),
        (
            "tables: {violations: {from: v.parquet, columns: {market: {fromm: country}}}}",
            "tables.violations.columns.market.fromm is no known key (did you mean 'from'?).",
        ),
        ("tables: {violations: {from: {qeury: 'SELECT 1'}}}", "tables.violations.from.qeury is no known key"),
        ("tables: {violations: {}}", "the key tables.violations.from is missing"),
        ("{}", "the key tables is missing"),
        ("tables: {violations: {from: v.parquet, grain: hour}}", "tables.violations.grain: input should be 'instant'"),
        (
            "tables: {violations: {from: v.parquet, roles: {market: dim}}}",
            "tables.violations.roles.market: input should be",
        ),
        (
            "tables: {violations: {from: v.parquet, roles: {markt: ignore}}}",
            "no column 'markt' (did you mean 'market'?)",
        ),
        (
            "tables: {violations: {from: v.parquet, columns: {market: contry}}}",
            "v.parquet: table 'violations' has no column 'contry'",
        ),
        ("tables: {violations: {from: v.parquet, columns: {market: {const: ID, from: x}}}}", "needs exactly one of"),
        (
            "tables: {violations: {from: v.parquet, columns: {market: {from: x, default: y}}}}",
            "a default without a map",
        ),
        ("tables: {violations: {from: v.parquet, where: \"markt = 'ID'\"}}", "where of table 'violations': "),
        ("tables: {violations: {from: v.parquet, where: '1 = 1'}}", "where of table 'violations': "),
        ("tables: {violations: {from: v.parquet, where: \"market = 'XX'\"}}", "table 'violations' has no rows"),
        ("tables: {violations: {from: '${NOT_SET_ANYWHERE}/v.parquet'}}", "${NOT_SET_ANYWHERE}, which is not set"),
        ("tables: {violations: {from: v.parquet, timezone: Mars/Base}}", "'Mars/Base' is unknown"),
        ("reporting_timezone: Mars/Base\ntables: {violations: {from: v.parquet}}", "'Mars/Base' is unknown"),
        ("unit: shop\ntables: {violations: {from: v.parquet}}", "no column 'shop'"),
        ("tables: [violations]", "source.yaml, tables must be a mapping."),
        ("- tables", "must be a mapping"),
        ("tables: {violations: v.parquet}", "source.yaml, tables.violations must be a mapping."),
        ("name: [a]\ntables: {violations: {from: v.parquet}}", "source.yaml, name must be text."),
        ("tables: {violations: {from: v.parquet}", "is no valid YAML"),
        ("unit: a\nunit: b\ntables: {}", "is no valid YAML"),
        ("tables: {}", "no table 'violations'"),
        ("as_of: soon\ntables: {violations: {from: v.parquet}}", "as_of"),
        ("tables: {violations: {from: {query: 'DROP TABLE x'}}}", "is not one SELECT"),
        ("tables: {violations: {from: {query: \"COPY (SELECT 1) TO 'x.csv'\"}}}", "is not one SELECT"),
        ("tables: {violations: {from: {query: 'SELECT 1; SELECT 2'}}}", "is not one SELECT"),
        ("tables: {violations: {from: {query: 'SELECT * FROM nothing'}}}", "DuckDB cannot answer"),
        ("tables: {violations: {from: {query: 'SELECT 1', database: no.duckdb}}}", "no database no.duckdb"),
        (
            "tables: {violations: {from: {query: 'SELECT 1', database: 'postgresql://h/d'}}}",
            "postgresql databases cannot be read",
        ),
    ],
)
def test_a_fault_of_the_source_is_one_sentence_that_names_it(tmp_path, text, message):
    assert message in refusal(tmp_path, text, v=violations_frame(30))


def test_a_naive_time_needs_the_tables_timezone(tmp_path):
    naive = violations_frame(30).with_columns(pl.col("decided_at").dt.replace_time_zone(None))
    text = "tables: {violations: {from: v.parquet}}"
    assert "column 'decided_at' holds times without a time zone; state the table's timezone" in refusal(
        tmp_path, text, v=naive
    )
    zoned = write(tmp_path, "tables: {violations: {from: v.parquet, timezone: UTC}}")
    assert_frame_equal(
        open_source(zoned, now=NOW).violations.select("decided_at"), violations_frame(30).select("decided_at")
    )


@pytest.mark.parametrize("name", ["v.parquet", "v.csv", "v.ndjson"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02 not a table \xff\xfe"])
def test_a_file_that_cannot_be_read_is_one_sentence_with_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert name in refusal(tmp_path, f"tables: {{violations: {{from: {name}}}}}")


def test_a_header_without_rows_is_an_empty_table(tmp_path):
    (tmp_path / "v.csv").write_text("violation_id,decided_at,policy_id\n")
    assert "table 'violations' has no rows" in refusal(tmp_path, "tables: {violations: {from: v.csv}}")


def test_a_missing_source_and_a_folder_without_tables_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match="There is no source at"):
        open_source(tmp_path / "absent")
    with pytest.raises(DataError, match="holds neither a source"):
        open_source(tmp_path)


def test_two_files_for_one_table_are_refused_by_convention(tmp_path):
    violations_frame(9).write_parquet(tmp_path / "violations.parquet")
    violations_frame(9).write_csv(tmp_path / "violations.csv")
    with pytest.raises(DataError, match="keep one"):
        open_source(tmp_path)


def test_formats_read_days_epochs_and_zones(tmp_path):
    base = violations_frame(3)
    spellings = {
        '{from: t, format: "%d/%m/%Y"}': ["05/01/2026"] * 3,
        "{from: t, format: epoch_s}": [1767571200] * 3,
        "{from: t, format: epoch_ms}": [1767571200000] * 3,
        '{from: t, format: "%d.%m.%Y %H:%M %z"}': ["05.01.2026 08:00 +0800"] * 3,
    }
    for spelling, values in spellings.items():
        frame = base.drop("decided_at").with_columns(t=pl.Series(values))
        text = f"tables: {{violations: {{from: v.parquet, columns: {{decided_at: {spelling}}}}}}}"
        times = open_source(write(tmp_path, text, v=frame), now=NOW).violations["decided_at"].unique().to_list()
        assert times == [datetime(2026, 1, 5, tzinfo=UTC)], spelling


def test_a_format_that_fits_nothing_is_a_fault_of_the_table_and_one_misfit_of_the_row(tmp_path):
    text = 'tables: {violations: {from: v.parquet, columns: {decided_at: {from: t, format: "%d/%m/%Y"}}}}'
    base = violations_frame(30).drop("decided_at")
    assert "does not fit the format '%d/%m/%Y'" in refusal(tmp_path, text, v=base.with_columns(t=pl.lit("Jan 5")))
    one = base.with_columns(t=pl.Series(["Jan 5", *["05/01/2026"] * 29]))
    record = open_source(write(tmp_path, text, v=one), now=NOW)
    assert record.rejects["reason"].to_list() == ["decided_at 'Jan 5' is no time that can be read"]


def test_a_value_that_the_map_does_not_list_is_an_unknown_code(tmp_path):
    violations = violations_frame(60)
    appeals = appeals_frame(violations, appealed=1.0).with_columns(
        outcome=pl.Series(["maybe", *["yes", "no"] * 29, "yes"])
    )
    text = """\
        tables:
          violations: {from: v.parquet}
          appeals: {from: a.parquet, columns: {outcome: {map: {yes: overturned, no: upheld}}}}
        """
    record = open_source(write(tmp_path, text, v=violations, a=appeals), now=NOW)
    assert record.rejects["reason"].str.starts_with("outcome 'maybe' is unknown").to_list() == [True]


def test_the_schema_beside_the_example_is_the_models_own():
    committed = (files("gne_analytics.tables") / "source.schema.json").read_text(encoding="utf-8")
    assert json.loads(committed) == source_schema()


def test_appeals_and_audits_of_what_where_leaves_out_are_no_rejects(tmp_path):
    violations = violations_frame(120)
    kept = violations.filter(pl.col("market") == "ID")
    text = """\
        tables:
          violations: {from: v.parquet, where: "market = 'ID'"}
          appeals: {from: a.parquet}
          audits: {from: q.parquet}
        """
    appeals, audits = appeals_frame(violations), audits_frame(violations)
    stray = appeals.with_columns(violation_id=pl.col("violation_id").replace(appeals["violation_id"][0], "nobody"))
    record = open_source(write(tmp_path, text, v=violations, a=stray, q=audits), strict=False, now=NOW)
    assert record.rejects["reason"].to_list() == ["violation_id 'nobody' names a violation that is not in the record"]
    assert set(record.appeals["violation_id"]) == set(stray["violation_id"]) & set(kept["violation_id"])
    assert set(record.audits["violation_id"]) == set(audits["violation_id"]) & set(kept["violation_id"])


def test_a_contract_column_comes_in_though_another_table_of_the_file_names_it(tmp_path):
    wide = violations_frame(60).with_columns(filed=pl.col("decided_at"), result=pl.lit("upheld"))
    text = """\
        tables:
          violations: {from: wide.parquet}
          appeals:
            from: wide.parquet
            columns: {appeal_id: violation_id, violation_id: violation_id, filed_at: filed, outcome: result}
        """
    record = open_source(write(tmp_path, text, wide=wide), now=NOW)
    assert record.violations.height == record.appeals.height == 60
    assert not {"filed", "result"} & set(record.violations.columns)


def test_a_csv_that_cannot_be_read_is_told_by_its_row(tmp_path):
    lines = violations_frame(9).write_csv().splitlines()
    text = "tables: {violations: {from: v.csv}}"
    (tmp_path / "v.csv").write_text("\n".join([*lines[:5], lines[5] + ",more", *lines[6:]]))
    assert "row 5 has 17 fields, the header 16" in refusal(tmp_path, text)
    (tmp_path / "v.csv").write_bytes("\n".join(lines).replace("counterfeit", "caf\xe9").encode("latin-1"))
    assert "v.csv cannot be read: it is not UTF-8 text" in refusal(tmp_path, text)
    (tmp_path / "v.csv").write_bytes("\n".join(lines).encode("utf-16"))
    assert "v.csv cannot be read: it is not UTF-8 text" in refusal(tmp_path, text)
    (tmp_path / "v.csv").write_text("\n".join([lines[0], lines[1].replace("V000000", '"V000000'), *lines[2:]]))
    assert "row 1 holds a quote that is never closed" in refusal(tmp_path, text)


def test_an_ndjson_that_cannot_be_read_is_told_by_its_line(tmp_path):
    (tmp_path / "v.ndjson").write_text('{"violation_id": "1"}\n{"violation_id": \n')
    assert "line 2 is no JSON" in refusal(tmp_path, "tables: {violations: {from: v.ndjson}}")


def test_a_windows_csv_with_a_byte_order_mark_is_read(tmp_path):
    frame = violations_frame(20)
    (tmp_path / "violations.csv").write_bytes(b"\xef\xbb\xbf" + frame.write_csv().replace("\n", "\r\n").encode())
    assert_frame_equal(open_source(tmp_path, now=NOW).violations.select(frame.columns), frame)


def test_a_constant_may_be_a_date_a_number_or_a_flag(tmp_path):
    text = """\
        tables:
          violations:
            from: v.parquet
            columns: {decided_at: {const: 2026-03-01}, points: {const: 3}, automated_detection: {const: true}}
        """
    row = open_source(write(tmp_path, text, v=violations_frame(5)), now=NOW).violations.row(0, named=True)
    assert (row["event_date"], row["points"], row["automated_detection"]) == (date(2026, 3, 1), 3.0, True)
