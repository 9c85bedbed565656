import io
import zipfile
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gne_analytics.errors import DataError
from gne_analytics.tables import open_source
from gne_analytics.tables.contract import ACTIONS
from gne_analytics.tables.dsa import (
    RESTRICTIONS,
    codes,
    dsa_to_violations,
    import_dsa,
    normal_code,
    read_dsa,
    repair_php_csv,
)

HEADER = ["uuid", "category", "decision_facts", "automated_detection", "created_at"]


def fputcsv(fields):
    """PHP's writer: it quotes a delimiter, quote, space or backslash; after a backslash no quote is doubled."""
    told = []
    for field in fields:
        if not any(c in field for c in ' ,"\\\n\t\r'):
            told.append(field)
            continue
        text, escaped = "", False
        for char in field:
            if char == "\\":
                escaped = True
            elif char == '"' and not escaped:
                text += '"'
            else:
                escaped = False
            text += char
        told.append(f'"{text}"')
    return ",".join(told) + "\n"


def dump(tmp_path, rows, header=HEADER):
    path = tmp_path / "dump.csv"
    path.write_text("".join(fputcsv(r) for r in [header, *rows]), encoding="utf-8")
    return path


def facts(tmp_path, *texts):
    rows = [[f"u{i}", "STATEMENT_CATEGORY_VIOLENCE", t, "Yes", "2026-01-01 00:00:00"] for i, t in enumerate(texts)]
    frame = read_dsa(dump(tmp_path, rows))
    assert frame["uuid"].to_list() == [f"u{i}" for i in range(len(texts))]
    return frame["decision_facts"].to_list()


def test_quotes_after_backslashes_do_not_merge_columns_or_rows(tmp_path):
    texts = [
        "plain",
        'said "so"',
        'bad \\" escape',
        "tail \\",
        'tail \\"',
        "two\nlines",
        'odd \\", and more',
        "C:\\dir\\",
    ]
    assert facts(tmp_path, *texts) == texts


@given(st.text(alphabet='ab "\\', min_size=1, max_size=12).filter(lambda t: t.strip() == t))
def test_whatever_php_writes_between_commas_is_read_back(text):
    rows = [["u0", "c", text, "Yes", "2026-01-01"], ["u1", "c", "next", "No", "2026-01-01"]]
    data = "".join(fputcsv(r) for r in [HEADER, *rows]).encode()
    frame = pl.read_csv(io.BytesIO(repair_php_csv(data)), infer_schema=False)
    assert frame.rows() == [tuple(r) for r in rows]


def test_arrays_are_decoded_and_codes_stand_beside_their_raw_form(tmp_path):
    header = ["uuid", "decision_visibility", "category", "category_specification", "created_at"]
    row = [
        "u1",
        '["DECISION_VISIBILITY_CONTENT_REMOVED","DECISION_VISIBILITY_FUTURE"]',
        "STATEMENT_CATEGORY_UNSAFE_AND_ILLEGAL_PRODUCTS",
        "[]",
        "2025-01-01 00:00:00",
    ]
    frame = read_dsa(dump(tmp_path, [row], header)).row(0, named=True)
    assert frame["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_REMOVED", "DECISION_VISIBILITY_FUTURE"]
    assert frame["decision_visibility_code"] == ["removed", "future"]
    assert frame["category"] == "STATEMENT_CATEGORY_UNSAFE_AND_ILLEGAL_PRODUCTS"
    assert frame["category_code"] == "unsafe_and_prohibited_products"
    assert frame["category_specification"] == []
    assert frame["unknown_codes"] == ["DECISION_VISIBILITY_FUTURE"]


def test_the_era_follows_the_date(tmp_path):
    rows = [["u1", "", "f", "Yes", "2025-06-30 23:59:59"], ["u2", "", "f", "Yes", "2025-07-01 00:00:00"]]
    assert read_dsa(dump(tmp_path, rows))["schema_era"].to_list() == ["2023-09", "2025-07"]


def test_known_defects_are_marked_and_the_inverted_flag_is_turned(tmp_path):
    header = ["uuid", "platform_name", "source_type", "automated_detection", "created_at"]
    rows = [
        ["u1", "Google Play", "SOURCE_VOLUNTARY", "Yes", "2025-10-01 00:00:00"],
        ["u2", "Google Play", "SOURCE_VOLUNTARY", "Yes", "2026-06-01 00:00:00"],
        ["u3", "Other Shop", "SOURCE_TRUSTED_FLAGGER", "Yes", "2025-10-26 00:00:00"],
    ]
    frame = read_dsa(dump(tmp_path, rows, header))
    assert frame["known_defects"].to_list() == [["automated_detection_inverted"], [], ["trusted_flagger_mislabelled"]]
    assert dsa_to_violations(frame)["automated_detection"].to_list() == [False, True, True]


@pytest.mark.parametrize(
    ("columns", "action"),
    [
        ({"decision_visibility": '["DECISION_VISIBILITY_CONTENT_LABELLED"]'}, "warn"),
        (
            {"decision_visibility": '["DECISION_VISIBILITY_CONTENT_LABELLED","DECISION_VISIBILITY_CONTENT_REMOVED"]'},
            "remove",
        ),
        ({"decision_visibility": '["DECISION_VISIBILITY_CONTENT_DEMOTED"]'}, "demote"),
        ({"decision_monetary": "DECISION_MONETARY_SUSPENSION"}, "restrict"),
        ({"decision_account": "DECISION_ACCOUNT_SUSPENDED"}, "suspend"),
        (
            {
                "decision_visibility": '["DECISION_VISIBILITY_CONTENT_REMOVED"]',
                "decision_account": "DECISION_ACCOUNT_TERMINATED",
            },
            "terminate",
        ),
        ({"decision_visibility": "[]"}, None),
    ],
)
def test_the_strictest_restriction_is_the_action(tmp_path, columns, action):
    row = ["u1", "2026-01-01 00:00:00", *columns.values()]
    frame = dsa_to_violations(read_dsa(dump(tmp_path, [row], ["uuid", "created_at", *columns])))
    assert frame["action"].to_list() == [action]


def test_statements_become_violations_that_keep_the_contract(tmp_path):
    fields = {
        "uuid": "u1",
        "category": "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
        "content_type": '["CONTENT_TYPE_PRODUCT"]',
        "territorial_scope": '["DE"]',
        "content_language": "DE",
        "application_date": "2026-01-02 00:00:00",
        "automated_decision": "AUTOMATED_DECISION_NOT_AUTOMATED",
        "account_type": "ACCOUNT_TYPE_BUSINESS",
        "created_at": "2026-01-05 10:00:00",
    }
    later = {**fields, "uuid": "u2", "territorial_scope": '["DE","FR"]', "application_date": "2027-01-01 00:00:00"}
    path = dump(tmp_path, [list(fields.values()), list(later.values())], list(fields))
    told = import_dsa(path, tmp_path / "out")
    assert told.startswith("2 statements of reasons written")
    record = open_source(tmp_path / "out", strict=True, now=datetime(2026, 11, 1, tzinfo=UTC))
    columns = ["violation_id", "policy_id", "market", "language", "object_type", "automated_decision", "decided_at"]
    assert record.violations.select(columns).rows() == [
        ("u1", "scams_and_fraud", "DE", "de", "listing", "not", datetime(2026, 1, 2, tzinfo=UTC)),
        ("u2", "scams_and_fraud", "EU", "de", "listing", "not", datetime(2026, 1, 5, 10, tzinfo=UTC)),
    ]
    assert record.unit is None


def test_a_zip_of_zips_is_read_like_its_csv(tmp_path):
    path = dump(tmp_path, [["u1", "", "a b", "Yes", "2026-01-01 00:00:00"]])
    inner, outer = io.BytesIO(), tmp_path / "day.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(path, "part-1.csv")
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("part-1.zip", inner.getvalue())
    assert read_dsa(outer).equals(read_dsa(path))


def test_what_is_no_dump_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(DataError, match="There is no dump"):
        read_dsa(tmp_path / "absent.csv")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column 'uuid'"):
        read_dsa(tmp_path / "x.csv")
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="broken zip"):
        read_dsa(tmp_path / "x.zip")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(DataError, match="holds something already"):
        import_dsa(dump(tmp_path, []), tmp_path / "full")


def test_the_code_table_is_whole():
    labels, successors = codes()["labels"], codes()["successors"]
    assert {*successors, *successors.values()} <= set(labels)
    assert normal_code("KEYWORD_DANGEROUS_TOYS") == "unsafe_products"
    assert normal_code("SOMETHING_NEW") == "something_new"
    assert {action for action, _, _ in RESTRICTIONS} <= set(ACTIONS)
