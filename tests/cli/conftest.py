"""A small source on disk, and the command line called in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gne_analytics.cli import run_command
from gne_analytics.testing.frames import appeals_frame, audits_frame, violations_frame
from gne_analytics.testing.policies import write_policy_set

SOURCE = """
name: small
policies: policy
tables:
  violations: {from: violations.parquet}
  appeals: {from: appeals.csv, timezone: UTC}
  audits: {from: audits.parquet}
"""


@dataclass(frozen=True)
class Said:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Write a source of 300 violations with appeals, audits and a policy set."""
    folder = tmp_path / "source"
    folder.mkdir()
    violations = violations_frame(300)
    violations.write_parquet(folder / "violations.parquet")
    appeals_frame(violations).write_csv(folder / "appeals.csv")
    audits_frame(violations).write_parquet(folder / "audits.parquet")
    write_policy_set(folder / "policy")
    (folder / "source.yaml").write_text(SOURCE)
    return folder


@pytest.fixture
def gne(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Said]:
    """Call the command line; the working folder and the cache are temporary ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GNE_CACHE", str(tmp_path / "cache"))

    def call(*arguments: object) -> Said:
        capsys.readouterr()
        code = run_command([str(a) for a in arguments])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call
