import json

import pytest

from gne_analytics.errors import DataError
from gne_analytics.policy.files import load
from gne_analytics.simulate import read_latent, write
from gne_analytics.tables.source import open_source


def test_a_written_world_opens_and_rejects_nothing(world, tmp_path):
    made = world("incident:threshold", 3)
    write(made, tmp_path / "out", tmp_path / "truth")
    record = open_source(tmp_path / "out")
    assert record.violations.height == made.tables["violations"].height
    assert record.rejects.is_empty()
    assert record.policies is not None
    assert load(record.policies).hash == made.policies.hash


def test_the_truth_lies_elsewhere_and_the_source_says_nothing_of_it(world, tmp_path):
    made = world("incident:threshold", 3)
    write(made, tmp_path / "out", tmp_path / "truth")
    planted = json.loads((tmp_path / "truth" / "incidents.json").read_text())
    assert [p["kind"] for p in planted] == ["threshold"]
    assert read_latent(tmp_path / "truth").height == made.tables["assessments"].height
    columns = {c for frame in made.tables.values() for c in frame.columns}
    assert not columns & {"planted", "stream", "origin", "violating_latent", "latent", "prevalence"}
    with pytest.raises(DataError, match="outside"):
        write(made, tmp_path / "out", tmp_path / "out" / "truth")


def test_writing_again_replaces_a_world_and_nothing_else(world, tmp_path):
    first, second = world("quiet", 1), world("quiet", 4)
    write(first, tmp_path / "out")
    (tmp_path / "out" / "README.md").write_text("kept")
    write(second, tmp_path / "out")
    assert open_source(tmp_path / "out").violations.height == second.tables["violations"].height
    assert (tmp_path / "out" / "README.md").read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="other files"):
        write(second, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_a_failure_leaves_nothing_half_written(world, tmp_path, monkeypatch):
    made = world("quiet", 1)

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(made.policies), "save", full)
    with pytest.raises(DataError, match="No space left"):
        write(made, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
