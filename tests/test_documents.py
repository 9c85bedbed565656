"""The documents say what the code does: constants, paths, commands and the example of the README."""

import ast
import inspect
import re
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
import typer

import gne_analytics as gne
from gne_analytics.causes.mechanism import OPEN_TO
from gne_analytics.causes.signatures import SIGNATURES
from gne_analytics.cli.app import app
from gne_analytics.evidence.types import CauseKind, EditKind, Mechanism
from gne_analytics.policy.edits import applied
from gne_analytics.testing.frames import appeals_frame, violations_frame
from gne_analytics.workspace.changes import edits_of

ROOT = Path(gne.__file__).parents[1]
DOCUMENTS = ("METHODS.md", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
MODULE = re.compile(r"(?P<path>[\w./-]+\.py)(?::(?P<name>[\w.]+))?")
CONSTANT = re.compile(r"(?P<names>_?[A-Z][A-Z0-9_]+(?:, _?[A-Z][A-Z0-9_]+)*) = (?P<value>.+)")
FILE = re.compile(r"[\w./-]+\.(?:py|md|ya?ml|json|ipynb|txt|toml|png)")


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def spans(name):
    """What stands between backticks outside code blocks."""
    return CODE.findall(re.sub(r"```.*?```", "", page(name), flags=re.DOTALL))


@cache
def module(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def constants(path):
    """Module-level assignments: names as the code spells them, and the expression of their value."""
    found = {}
    for node in module(path).body:
        if isinstance(node, ast.Assign):
            names = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else node.targets
            found[", ".join(ast.unparse(n) for n in names)] = node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            found[ast.unparse(node.target)] = node.value
    return found


def value_of(expression):
    """The value of a literal, the spelling of anything else."""
    try:
        return ast.literal_eval(expression)
    except ValueError:
        return ast.unparse(expression)


def stated():
    """(path, names, value) of every constant in METHODS.md; a constant belongs to the last path named before it."""
    path, found = "", []
    for span in spans("METHODS.md"):
        if named := MODULE.fullmatch(span):
            path = named["path"]
        elif constant := CONSTANT.fullmatch(span):
            found.append((path, constant["names"], constant["value"]))
    return found


def functions():
    named = [MODULE.fullmatch(span) for span in spans("METHODS.md")]
    return sorted({(m["path"], m["name"]) for m in named if m and m["name"]})


def mentioned():
    """(document, path) of every file or folder of the repository that a document mentions."""
    tops = {p.name for p in ROOT.iterdir()} | {"docs", "benchmarks", "notebooks", "dashboards", "data", "tests"}
    for document in DOCUMENTS:
        names = {link for link in LINK.findall(page(document)) if "://" not in link}
        for span in spans(document):
            word = span.split(":")[0] if MODULE.fullmatch(span) else span
            inside = "/" in word and re.fullmatch(r"[\w./-]+", word) and word.split("/")[0] in tops
            if inside or FILE.fullmatch(word):
                names.add(word)
        yield from ((document, name) for name in sorted(names))


def registered(command=None, before=()):
    """Every command of the application in full, such as ``ledger check``."""
    inside = getattr(command or typer.main.get_command(app), "commands", {})
    if command is not None and not inside:
        return {" ".join(before)}
    return {name for word, sub in inside.items() for name in registered(sub, (*before, word))}


def command_in(span):
    """The registered command that a span such as ``gne ledger check POLICIES`` names, else its first word."""
    words = span.split()[1:]
    known = registered()
    return next((c for c in (" ".join(words[:2]), words[0]) if c in known), words[0])


def example():
    blocks = re.findall(r"```python\n(.*?)```", page("README.md"), flags=re.DOTALL)
    assert len(blocks) == 1
    return ast.parse(blocks[0])


@pytest.mark.parametrize(("path", "names", "value"), stated())
def test_a_constant_on_the_page_of_methods_is_the_codes_own(path, names, value):
    held = constants(path)
    assert names in held, f"{path} has no constant {names}"
    assert value_of(ast.parse(value, mode="eval").body) == value_of(held[names])


def test_the_page_of_methods_states_its_constants():
    assert len(stated()) > 80


@pytest.mark.parametrize(("path", "name"), functions())
def test_a_function_on_the_page_of_methods_is_in_the_code(path, name):
    body = module(path).body
    for part in name.split("."):
        found = next(
            (n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == part),
            None,
        )
        assert found is not None, f"{path} has no {name}"
        body = found.body


@pytest.mark.parametrize(("document", "name"), list(mentioned()))
def test_a_path_in_a_document_is_in_the_repository(document, name):
    places = [ROOT / name]
    if "/" not in name:  # a bare name: of the root, the package or the demo source
        places += [*(ROOT / "gne_analytics").rglob(name), *(ROOT / "data").rglob(name)]
    files = (p for place in places for p in (place, *place.rglob("*")) if p.is_file())
    assert any("__pycache__" not in p.parts for p in files), f"{document} mentions {name}, which is not there"


def test_the_table_of_mechanisms_is_the_codes_own():
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in page("METHODS.md").splitlines() if line[:2] == "| "]
    levers = {m: ", ".join(k.value for k in s.levers) or "none in policy" for m, s in SIGNATURES.items()}
    assert rows[1:] == [[m.value, s.owner, ", ".join(s.needs), levers[m]] for m, s in SIGNATURES.items()]


def test_what_a_new_segment_and_a_lone_actor_may_still_be_is_stated():
    told = page("METHODS.md").partition("`OPEN_TO`: ")[2].partition(". ")[0]
    new, _, actor = told.partition("a lone actor to ")
    for kind, sentence in ((CauseKind.NEW_SEGMENT, new), (CauseKind.ONE_ACTOR, actor)):
        assert {m for m in Mechanism if m.value in sentence} == OPEN_TO[kind]
    assert set(OPEN_TO) == {CauseKind.NEW_SEGMENT, CauseKind.ONE_ACTOR}


def test_the_page_of_the_architecture_names_what_make_bench_runs():
    told = page("ARCHITECTURE.md").partition("`make bench` runs ")[2].partition(")")[0]
    assert CODE.findall(told) == re.findall(r"-m benchmarks\.(\w+)", page("Makefile"))


def test_every_command_stands_in_the_readmes_table_and_no_other():
    rows = [line for line in page("README.md").splitlines() if line.startswith("| `gne")]
    told = {command_in(span) for row in rows for span in CODE.findall(row.split("|")[1])}
    assert told == registered()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_document_names_a_command_that_is_not_there(document):
    told = {command_in(span) for span in spans(document) if re.match(r"gne [a-z]", span)}
    typed = re.findall(r"^\$ (gne [a-z].*)$", page(document), flags=re.MULTILINE)
    assert told | {command_in(line) for line in typed} <= registered()


def test_the_readmes_example_has_five_lines_after_the_import():
    imported, *rest = example().body
    assert ast.unparse(imported) == "import gne_analytics as gne"
    assert len(rest) == 5


def test_the_readmes_example_uses_public_names_only():
    held = {n: v for n, v in vars(gne.Workspace).items() if not n.startswith("_")}
    fields = set(gne.Workspace.__annotations__)
    bound = {"gne"}
    for statement in example().body[1:]:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                assert node.id in bound
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                public = {"gne": set(gne.__all__), "ws": set(held) | fields}
                assert node.attr in public[node.value.id]
        bound |= {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def test_the_calls_of_the_readmes_example_fit_their_signatures():
    for node in ast.walk(example()):
        if isinstance(node, ast.Call):
            home, name = node.func.value.id, node.func.attr
            keywords = {k.arg: None for k in node.keywords}
            if home == "gne":
                inspect.signature(getattr(gne, name)).bind(*node.args, **keywords)
            else:
                inspect.signature(getattr(gne.Workspace, name)).bind(None, *node.args, **keywords)


def test_the_example_of_a_counted_table_runs_and_says_what_its_page_says():
    (block,) = re.findall(r"```python\n(.*?)```", page("docs/counted.md"), flags=re.DOTALL)
    out = StringIO()
    with redirect_stdout(out):
        exec(compile(block, "counted.md", "exec"), {})  # noqa: S102 - our own page
    first, cause, *_ = out.getvalue().splitlines()
    assert f"`{first}`" in page("docs/counted.md")
    assert cause.startswith("1. category=toys & market=ID")
    assert "80 of 400 -> 225 of 450" in cause


def test_the_example_of_themes_week_after_week_runs(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", page("docs/themes.md"), flags=re.DOTALL)
    violations = violations_frame(60)
    appeals = appeals_frame(violations, appealed=1.0)
    said = ["the parcel is late", "the licence is attached"] * appeals.height
    violations.write_parquet(tmp_path / "violations.parquet")
    appeals.with_columns(reason_text=pl.Series(said[: appeals.height])).write_parquet(tmp_path / "appeals.parquet")
    tables = "{violations: {from: violations.parquet}, appeals: {from: appeals.parquet}}"
    (tmp_path / "source.yaml").write_text(f"name: small\ntables: {tables}\n")
    held = {"SOURCE": tmp_path, "MODEL": tmp_path / "model", "EMBEDDER": "ngrams"}
    exec(compile(block, "themes.md", "exec"), held)  # noqa: S102 - our own page
    assert set(held["placed"]["theme_id"]) == {"seller_text-01"}
    for typed in re.findall(r"`(found|again|ws)\.(\w+)", page("docs/themes.md")):
        assert hasattr(held[typed[0]], typed[1]), typed


def test_every_edit_of_the_page_on_edits_can_be_made_to_the_demo_policy_and_every_kind_is_named_there():
    (block,) = re.findall(r"```python\n(.*?)```", page("docs/edits.md"), flags=re.DOTALL)
    held = {}
    exec(compile(block.split("for name, edits")[0], "edits.md", "exec"), held)  # noqa: S102 - our own page
    for name, edits in held["tries"].items():
        assert applied(held["ws"].policies, edits_of(edits)) != held["ws"].policies, name
    assert [k for k in EditKind if f"{k}" not in page("docs/edits.md")] == []
    for verb in re.findall(r"ws\.(\w+)\(", page("docs/edits.md")):
        assert hasattr(gne.Workspace, verb), verb
