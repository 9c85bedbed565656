"""The EU DSA Transparency Database: its daily dumps read straight in, and mapped to violations.

The dumps are written by PHP's ``fputcsv``, whose escape character is a backslash: a quote after a backslash is not
doubled, so common readers refuse the file or merge its columns. Both schema eras are read (before and since July 2025),
full and light dumps, as csv or as the zip that the database offers. Every raw code stays beside its normalised form,
and a code that nobody knows is kept.
"""

import io
import json
import re
import zipfile
from functools import cache
from importlib.resources import files
from pathlib import Path

import polars as pl

from gne_analytics.errors import DataError

LISTS = ("decision_visibility", "category_addition", "category_specification", "content_type", "territorial_scope")
"""Columns that hold a JSON array."""
CODED = (
    "decision_visibility",
    "decision_monetary",
    "decision_provision",
    "decision_account",
    "account_type",
    "decision_ground",
    "category",
    "category_addition",
    "category_specification",
    "content_type",
    "source_type",
    "automated_decision",
)
"""Columns of codes; each gets a normalised ``<column>_code`` beside it."""
NEW_ERA = "2025-07-01"
_BARE_QUOTE = re.compile(rb'\\"(?!,(?:"|[^\s",\\]*(?:[,\r\n]|\Z))|\r?\n(?:[^\s",\\]+[,\r\n]|\Z)|\Z)')
"""A backslash and a quote that do not end a field: what follows is no comma and fresh field, no row, no end of file."""


def read_dsa(path: str | Path) -> pl.DataFrame:
    """Read a daily dump: every column as text, JSON arrays as lists, ``<column>_code`` beside every coded column.

    Adds ``schema_era`` (``2023-09`` or ``2025-07``), ``unknown_codes`` (codes outside the published lists) and
    ``known_defects`` (``automated_detection_inverted``, ``trusted_flagger_mislabelled``).

    Args:
        path: a csv, or a zip of csv files or of such zips.

    Raises:
        DataError: there is no such file, it cannot be read, or it is no dump of statements of reasons.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no dump at {path}; name a csv or zip of the DSA transparency database.")
    frame = pl.concat([_parse(data, name) for name, data in _parts(path)], how="diagonal")
    if "created_at" not in frame.columns:
        raise DataError.missing_column("statements of reasons", "created_at", frame.columns, path.name)
    frame = frame.with_columns(_decoded(frame[name]) for name in LISTS if name in frame.columns)
    frame = frame.with_columns(_normal(frame[name]) for name in CODED if name in frame.columns)
    return frame.with_columns(schema_era=_era(frame), unknown_codes=_unknown(frame), known_defects=_defects(frame))


def _parts(path: Path) -> list[tuple[str, bytes]]:
    if path.suffix.lower() != ".zip":
        return [(path.name, path.read_bytes())]
    try:
        return _unzipped(path.name, path.read_bytes())
    except zipfile.BadZipFile:
        raise DataError(f"{path.name} is a broken zip; fetch it again.") from None


def _unzipped(name: str, data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inside = [(n, archive.read(n)) for n in sorted(archive.namelist()) if n.lower().endswith((".csv", ".zip"))]
    if not inside:
        raise DataError(f"{name} holds no csv.")
    return [part for n, d in inside for part in (_unzipped(n, d) if n.lower().endswith(".zip") else [(n, d)])]


def repair_php_csv(data: bytes) -> bytes:
    r"""Double the quotes that PHP's fputcsv left single after a backslash, so that any csv reader gets the rows right.

    A ``\"`` ends its field only before a newline, the end, or a comma that a fresh field follows: PHP quotes every
    field with a space, comma, quote or backslash in it, so ``\", and more`` is still text.
    """
    return _BARE_QUOTE.sub(rb'\\""', data)


def _parse(data: bytes, name: str) -> pl.DataFrame:
    try:
        frame = pl.read_csv(io.BytesIO(repair_php_csv(data)), infer_schema=False)
    except pl.exceptions.PolarsError as problem:
        raise DataError(f"{name} cannot be read as a dump: {str(problem).splitlines()[0][:160].rstrip('.')}.") from None
    if "uuid" not in frame.columns:
        raise DataError.missing_column("statements of reasons", "uuid", frame.columns, name)
    return frame


@cache
def codes() -> dict[str, dict[str, str]]:
    """The published codes: ``labels`` (code -> label) and ``successors`` (older code -> the one that took over)."""
    document = json.loads((files("gne_analytics.tables") / "dsa_codes.json").read_text(encoding="utf-8"))
    return {"labels": document["labels"], "successors": document["successors"]}


@cache
def _prefixes() -> tuple[str, ...]:
    document = json.loads((files("gne_analytics.tables") / "dsa_codes.json").read_text(encoding="utf-8"))
    return tuple(document["prefixes"])


def normal_code(code: str) -> str:
    """A code without its prefix, in small letters, an older code as its successor; an unknown one stays readable.

    Example:
        >>> normal_code("STATEMENT_CATEGORY_UNSAFE_AND_ILLEGAL_PRODUCTS")
        'unsafe_and_prohibited_products'
    """
    current = codes()["successors"].get(code, code)
    prefix = next((p for p in _prefixes() if current.startswith(p) and len(current) > len(p)), "")
    return current.removeprefix(prefix).lower()


def _decoded(column: pl.Series) -> pl.Series:
    def decode(text: str) -> list[str]:
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            return [text]
        return [str(v) for v in found] if isinstance(found, list) else [str(found)]

    known = {text: decode(text) for text in column.unique().drop_nulls()}
    values = [None if text is None else known[text] for text in column]
    return pl.Series(column.name, values, dtype=pl.List(pl.String))


def _normal(column: pl.Series) -> pl.Series:
    name = f"{column.name}_code"
    if isinstance(column.dtype, pl.List):
        table = {c: normal_code(c) for c in column.explode().unique().drop_nulls()}
        return column.list.eval(pl.element().replace(table)).alias(name)
    return column.replace({c: normal_code(c) for c in column.unique().drop_nulls()}).alias(name)


def _era(frame: pl.DataFrame) -> pl.Expr:
    by_columns = "2025-07" if "content_id_ean" in frame.columns else "2023-09"
    created = pl.col("created_at")
    by_date = pl.when(created >= NEW_ERA).then(pl.lit("2025-07")).otherwise(pl.lit("2023-09"))
    return pl.when(created.is_null()).then(pl.lit(by_columns)).otherwise(by_date)


def _unknown(frame: pl.DataFrame) -> pl.Expr:
    lists = [pl.col(c) if c in LISTS else pl.concat_list(pl.col(c)) for c in CODED if c in frame.columns]
    every = pl.concat_list(found.fill_null([]) for found in lists) if lists else pl.lit([], dtype=pl.List(pl.String))
    return every.list.eval(
        pl.element().filter(~pl.element().is_in(list(codes()["labels"])) & pl.element().is_not_null())
    )


def _defects(frame: pl.DataFrame) -> pl.Expr:
    created = pl.col("created_at")
    defects = []
    if {"platform_name", "automated_detection"} <= set(frame.columns):
        inverted = (pl.col("platform_name") == "Google Play") & created.is_between(
            pl.lit("2023-09"), pl.lit("2026-06"), closed="left"
        )
        defects.append(pl.when(inverted).then(pl.lit("automated_detection_inverted")))
    if "source_type" in frame.columns:
        flagged = (pl.col("source_type") == "SOURCE_TRUSTED_FLAGGER") & (created < "2025-10-27")
        defects.append(pl.when(flagged).then(pl.lit("trusted_flagger_mislabelled")))
    return pl.concat_list(defects).list.drop_nulls() if defects else pl.lit([], dtype=pl.List(pl.String))


# ---- to violations


RESTRICTIONS = (
    ("terminate", "decision_account_code", ("terminated",)),
    ("terminate", "decision_provision_code", ("total_termination", "partial_termination")),
    ("suspend", "decision_account_code", ("suspended",)),
    ("suspend", "decision_provision_code", ("total_suspension", "partial_suspension")),
    ("remove", "decision_visibility_code", ("removed", "disabled")),
    ("restrict", "decision_visibility_code", ("age_restricted", "interaction_restricted", "other")),
    ("restrict", "decision_monetary_code", ("suspension", "termination", "other")),
    ("demote", "decision_visibility_code", ("demoted",)),
    ("warn", "decision_visibility_code", ("labelled",)),
)
"""What a statement's restrictions come to, from strict to mild; the first that holds is the action."""
_OBJECTS = {"product": "listing", "video": "video"}


def dsa_to_violations(frame: pl.DataFrame) -> pl.DataFrame:
    """Map statements of reasons, as ``read_dsa`` gives them, to the violations table.

    ``decided_at`` is the application date where it does not lie after ``created_at``, else ``created_at``. The category
    is the policy (``not_specified`` where there is none), the first keyword the clause. A statement for one country has
    it as its market, one for several has ``EU``. Where a platform is known to have reported ``automated_detection`` the
    wrong way round it is turned. A statement names no seller, so there is no unit.
    """
    have = set(frame.columns)
    none = pl.lit(None, dtype=pl.String)

    def column(name: str) -> pl.Expr:
        return pl.col(name) if name in have else none

    def first(name: str) -> pl.Expr:
        return pl.col(name).list.first() if name in have else none

    scope = pl.col("territorial_scope") if "territorial_scope" in have else pl.lit(None, dtype=pl.List(pl.String))
    created = _moment(pl.col("created_at"))
    applied = _moment(column("application_date"))
    detected = column("automated_detection").str.to_lowercase() == "yes"
    inverted = pl.col("known_defects").list.contains("automated_detection_inverted")
    content = first("content_type_code")
    return frame.select(
        violation_id=pl.col("uuid"),
        decided_at=pl.when(applied <= created).then(applied).otherwise(created),
        policy_id=column("category_code").fill_null("not_specified"),
        clause_id=first("category_specification_code"),
        market=pl.when(scope.list.len() == 1).then(scope.list.first()).when(scope.list.len() > 1).then(pl.lit("EU")),
        language=column("content_language").str.to_lowercase(),
        object_type=content.replace_strict(_OBJECTS, default=None, return_dtype=pl.String).fill_null(
            pl.when(column("decision_account_code").is_not_null()).then(pl.lit("account"))
        ),
        account_type=column("account_type_code"),
        source_type=column("source_type_code"),
        automated_detection=detected ^ inverted,
        automated_decision=column("automated_decision_code").replace("not_automated", "not"),
        action=_action(have),
        facts=column("decision_facts"),
        content_type=content,
        decision_ground=column("decision_ground_code"),
        platform=column("platform_name"),
        schema_era="schema_era",
    )


def _action(have: set[str]) -> pl.Expr:
    rules = []
    for action, name, values in RESTRICTIONS:
        if name in have:
            held = pl.col(name)
            listed = name == "decision_visibility_code"
            holds = held.list.eval(pl.element().is_in(values)).list.any() if listed else held.is_in(values)
            rules.append(pl.when(holds).then(pl.lit(action)))
    return pl.coalesce(rules) if rules else pl.lit(None, dtype=pl.String)


def _moment(text: pl.Expr) -> pl.Expr:
    day = text.str.slice(0, 10).str.to_datetime("%Y-%m-%d", strict=False)
    return pl.coalesce(text.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False), day).dt.replace_time_zone("UTC")


SOURCE = """\
# Statements of reasons of the EU DSA Transparency Database, from {dump}.
name: dsa
reporting_timezone: UTC
unit: null                 # a statement names no seller
tables:
  violations:
    from: violations.parquet
"""


def import_dsa(dump: str | Path, out: str | Path) -> str:
    """Write a dump's statements as a source that opens by its source.yaml; say in one sentence what was written.

    Raises:
        DataError: the dump cannot be read, or the folder holds something already.
    """
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target} holds something already; name a new folder.")
    statements = read_dsa(dump)
    violations = dsa_to_violations(statements)
    target.mkdir(parents=True, exist_ok=True)
    violations.write_parquet(target / "violations.parquet")
    (target / "source.yaml").write_text(SOURCE.format(dump=Path(dump).name), encoding="utf-8")
    unknown = statements["unknown_codes"].list.len().gt(0).sum()
    written = f"{violations.height:,} statements of reasons written to {target}"
    return f"{written}; {unknown:,} of them hold a code that is not published."
