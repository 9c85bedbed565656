"""Writing a world: a source that opens by its source.yaml, and the truth somewhere else."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

from gne_analytics.errors import DataError
from gne_analytics.policy.schemas import write_schemas
from gne_analytics.simulate.world import Truth, World
from gne_analytics.tables.source_model import source_schema

SCHEMA = "source.schema.json"
SOURCE = """# yaml-language-server: $schema={schema}
# A simulated marketplace ({name}, seed {seed}); README.md of data/demo describes every column.
name: {name}
reporting_timezone: UTC
unit: seller_id
policies: policy
tables:
"""
ROLES = {"assessments": "    roles: {review_outcome: post_decision}\n"}
README = "README.md"


def write(world: World, out: str | Path, truth_dir: str | Path | None = None) -> None:
    """Write tables, source.yaml and policy set into ``out``, and the truth, if asked for, into ``truth_dir``.

    Each folder is built beside its place and renamed when whole, so that nothing half-written is ever seen. A README
    that stands in ``out`` already is kept. Raises DataError where a folder holds something that is no world.
    """
    target = Path(out)
    if truth_dir is not None and target.resolve() in (Path(truth_dir).resolve(), *Path(truth_dir).resolve().parents):
        raise DataError(f"the truth may not lie inside the source; give --truth a folder outside {target}.")
    _replace(target, "source.yaml", lambda folder: _source(world, folder))
    if truth_dir is not None:
        _replace(Path(truth_dir), "world.json", lambda folder: _truth(world.truth, folder))


def _source(world: World, folder: Path) -> None:
    lines = SOURCE.format(schema=SCHEMA, name=world.name.replace(":", "-"), seed=world.seed)
    for name, frame in world.tables.items():
        if frame.is_empty():
            continue
        frame.write_parquet(folder / f"{name}.parquet", compression="zstd", compression_level=19)
        lines += f"  {name}:\n    from: {name}.parquet\n{ROLES.get(name, '')}"
    (folder / "source.yaml").write_text(lines, encoding="utf-8")
    (folder / SCHEMA).write_text(json.dumps(source_schema(), indent=1) + "\n", encoding="utf-8")
    world.policies.save(folder / "policy")
    write_schemas(folder / "policy" / "schemas")


def _truth(truth: Truth, folder: Path) -> None:
    incidents = [p.model_dump(mode="json") for p in truth.incidents]
    (folder / "incidents.json").write_text(json.dumps(incidents, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "world.json").write_text(json.dumps(dict(truth.world), indent=2) + "\n", encoding="utf-8")
    truth.latent.write_parquet(folder / "latent.parquet", compression="zstd")


def _replace(target: Path, mark: str, fill: Callable[[Path], None]) -> None:
    if (
        target.exists()
        and any(target.iterdir())
        and not (target / mark).exists()
        and {p.name for p in target.iterdir()} != {README}
    ):
        raise DataError(f"{target} holds other files; give an empty or new folder.")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        fill(partial)
        if (target / README).exists():
            shutil.copy2(target / README, partial / README)
        old = target.with_name(f".{target.name}.{os.getpid()}.old")
        if target.exists():
            target.rename(old)
        partial.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_latent(truth_dir: str | Path) -> pl.DataFrame:
    """Read a world's latent truth: case_id, policy_id, violating. Tests and benchmarks only."""
    return pl.read_parquet(Path(truth_dir) / "latent.parquet")
