"""The run folder: atomic, resumable, reused."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gne_analytics.atomic import read_json, write_json, write_whole
from gne_analytics.errors import DataError
from gne_analytics.workspace.folder import MANIFEST, partial_run, run_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = run_key({"source": "abc", "seed": 0})


def save(name):
    return lambda folder, value: write_json(folder / f"{name}.json", value)


def load(name):
    return lambda folder: read_json(folder / f"{name}.json")


def build(runs: Path, *, log: list[str], fail_at: str | None = None, fresh: bool = False) -> Path | None:
    def compute(name):
        def work():
            if name == fail_at:
                raise RuntimeError(name)
            log.append(name)
            return {"stage": name}

        return work

    with partial_run(runs, "demo", KEY, fresh=fresh) as run:
        if run is None:
            return None
        for name in ("shifts", "causes"):
            run.stage(name, compute(name), save(name), load(name))
        return run.finish({"seed": 0}, NOW)


def test_an_interrupted_run_leaves_nothing_in_the_runs_folder_and_goes_on_where_it_stopped(tmp_path):
    log: list[str] = []
    with pytest.raises(RuntimeError):
        build(tmp_path, log=log, fail_at="causes")
    assert [p.name for p in tmp_path.iterdir()] == [".partial"]
    folder = build(tmp_path, log=log)
    assert log == ["shifts", "causes"]
    assert json.loads((folder / MANIFEST).read_text())["finished_at"].startswith("2026-01-01")


def test_a_finished_run_is_reused(tmp_path):
    log: list[str] = []
    build(tmp_path, log=log)
    assert build(tmp_path, log=log) is None
    assert log == ["shifts", "causes"]


def test_fresh_computes_again_and_the_old_run_stands_until_the_new_one_is_whole(tmp_path):
    log: list[str] = []
    folder = build(tmp_path, log=log)
    with pytest.raises(RuntimeError):
        build(tmp_path, log=log, fail_at="causes", fresh=True)
    assert (folder / MANIFEST).exists()
    assert build(tmp_path, log=log, fresh=True) == folder
    assert log.count("causes") == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [".partial", folder.name]


def test_the_key_follows_the_inputs_and_not_their_order():
    assert run_key({"a": 1, "b": 2}) == run_key({"b": 2, "a": 1})
    assert run_key({"a": 1}) != run_key({"a": 2})


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    target = tmp_path / "x.txt"
    write_whole(target, "old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_whole(target, "new")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_a_broken_json_file_is_a_data_error_that_names_it(tmp_path):
    (tmp_path / "causes.json").write_text("[{")
    with pytest.raises(DataError, match=r"causes\.json, line 1"):
        read_json(tmp_path / "causes.json")


@pytest.mark.parametrize("cut_after", ["first rename", "second rename"])
def test_a_fresh_run_cut_short_between_its_renames_loses_nothing(tmp_path, cut_after):
    log: list[str] = []
    folder = build(tmp_path, log=log)
    old = tmp_path / ".partial" / f"{folder.name}.old"
    if cut_after == "first rename":
        folder.replace(old)
    else:
        shutil.copytree(folder, old)
    assert build(tmp_path, log=log) is None
    assert (folder / MANIFEST).exists()
    assert not old.exists()
    assert build(tmp_path, log=log, fresh=True) == folder
