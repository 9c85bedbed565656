"""The direction of the imports, as ARCHITECTURE.md states it."""

import ast
import re
from pathlib import Path

import pytest

import gne_analytics

PACKAGE = Path(gne_analytics.__file__).parent
GROUND = {"errors", "evidence", "policy", "tables", "metrics"}
STAGES = {"sensing", "enforcement", "notices", "appeals", "themes", "causes"}
MAY_IMPORT = {
    "errors": set(),
    "atomic": {"errors"},
    "evidence": {"errors"},
    "policy": {"errors", "evidence"},
    "tables": {"errors", "evidence", "policy"},
    "metrics": GROUND,
    **dict.fromkeys(STAGES, GROUND),
    "strategy": GROUND | STAGES,
    "agents": GROUND | STAGES | {"strategy"},
    "figures": GROUND | STAGES | {"strategy", "agents"},
    "release": GROUND | STAGES | {"strategy", "agents", "figures", "atomic"},
    "simulate": GROUND | {"enforcement"},
    "testing": GROUND | STAGES | {"strategy", "agents", "figures", "release", "simulate"},
    "workspace": GROUND | STAGES | {"strategy", "agents", "figures", "release", "simulate", "atomic", "__init__"},
    "cli": GROUND | STAGES | {"strategy", "agents", "figures", "release", "simulate", "workspace", "__init__"},
    "__init__": GROUND | {"workspace"},
}


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def rooms_imported_by(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gne_analytics."):
            rooms.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom) and node.module == "gne_analytics":
            rooms |= {alias.name for alias in node.names if (PACKAGE / alias.name).is_dir()}
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("gne_analytics.")}
    return rooms


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_a_module_imports_only_what_lies_below_its_room(path):
    room = room_of(path)
    assert rooms_imported_by(path) - {room} <= MAY_IMPORT[room]


def test_every_room_stands_in_the_architecture_page():
    page = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {p.name for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert not [room for room in rooms if not re.search(rf"gne_analytics/{room}/", page)]


def test_no_room_has_a_name_that_says_nothing():
    assert not {p.stem for p in MODULES} & {"utils", "util", "helpers", "core", "common", "manager", "misc"}
