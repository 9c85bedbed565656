"""JSON Schemas of the config files, generated from the models, for editors."""

import json
from pathlib import Path
from typing import Final

from pydantic import BaseModel, JsonValue

from gne_analytics.policy.model import Ladder, Objectives, Policy

MODELS: Final[dict[str, type[BaseModel]]] = {"policy": Policy, "ladder": Ladder, "objectives": Objectives}


def schemas() -> dict[str, dict[str, JsonValue]]:
    """Return the JSON Schemas by name: policy, ladder, objectives."""
    return {name: model.model_json_schema() for name, model in MODELS.items()}


def write_schemas(folder: str | Path) -> tuple[Path, ...]:
    """Write ``<name>.schema.json`` files, to which the first line of each config points."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, schema in schemas().items():
        path = target / f"{name}.schema.json"
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return tuple(paths)


def schema_line(name: str, folder: str = "../schemas") -> str:
    """Return the first line of a config file, by which editors find its schema."""
    return f"# yaml-language-server: $schema={folder}/{name}.schema.json"
