import json
import sys

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.coverage import LABELS, Cell, Share, agrees, look
from benchmarks.coverage_worlds import AUDITS, KINDS, Audited, draw

OFTEN = Audited(0.05)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_a_user_who_starts_from_tables_gets_the_figures_that_are_judged(kind):
    world = draw(kind, Audited(0.2), 1, cases=1_500)
    assert world.moved.sum() > 100
    assert all(agrees(kind, world, label) for label in LABELS)


def test_another_edit_than_the_worlds_own_gives_other_figures():
    up, down = KINDS[0], KINDS[1]
    assert not agrees(down, draw(up, OFTEN, 1, cases=1_500), "latent")


def test_a_world_is_the_same_again_and_another_with_another_seed():
    one, again, other = (draw(KINDS[0], OFTEN, seed, cases=500).columns["score"] for seed in (1, 1, 2))
    assert np.array_equal(one, again, equal_nan=True)
    assert not np.array_equal(one, other, equal_nan=True)


def test_below_the_thresholds_no_case_is_audited_where_none_may_be():
    def audited_below(audited):
        columns = draw(KINDS[1], audited, 1, cases=4_000).columns
        return int((~np.isnan(columns["audit_prob"][columns["state_today"] == 0])).sum())

    assert audited_below(Audited(0.05, below=False)) == 0
    assert audited_below(OFTEN) > 20


def test_truth_follows_the_final_decision_only_under_its_label():
    world = draw(KINDS[0], OFTEN, 1, cases=2_000)
    decided = ~np.isnan(world.columns["decided_violating"].astype(float))
    latent, final = world.known("latent"), world.known("final_decision")
    assert (latent[~decided] == final[~decided]).all()
    assert (latent[decided] != final[decided]).any()
    wrong, missed = world.truth("latent")
    assert missed - wrong == world.moved.sum()  # every released case is one of the two


def test_one_world_is_held_against_its_truth_beside_the_worst_case_and_the_usual_numbers():
    seen = look(draw(KINDS[4], OFTEN, 3, cases=6_000))["final_decision"]
    assert seen.worst
    assert not seen.bounded
    assert 0 < seen.width < seen.worst_width / 2
    assert seen.usual[0][0] > 0.05  # appeals overstate what is wrong
    assert seen.usual[1] == (pytest.approx(seen.usual[1][0]), False)
    below = look(draw(KINDS[1], AUDITS[4], 1, cases=2_000))["latent"]
    assert below.bounded
    assert below.usual == (None, None)


def cell(covered, n=1_000, *, bounded=False, worst=True, rate=0.05):
    hits = round(covered * n)
    seen = [{"covered": (i < hits,) * 3, "bounded": bounded, "worst": worst or i > 0} for i in range(n)]
    return Cell("exemption", Audited(rate), "latent", seen)


def test_a_cell_passes_by_its_monte_carlo_interval_and_at_the_lowest_rates_if_it_is_not_under():
    assert not cell(0.95).failings()
    assert not cell(0.92).failings()  # 1,000 worlds cannot tell it from .93
    assert len(cell(0.90).failings()) == 3
    assert "covers too much" in cell(0.99).failings()[0]
    assert not cell(0.99, rate=0.01).failings()
    assert cell(0.90, rate=0.005).failings()


def test_bounds_may_cover_more_and_never_less_and_the_worst_case_always():
    assert not cell(1.0, bounded=True).failings()
    assert cell(0.92, bounded=True).failings()
    assert cell(0.95, worst=False).failings() == ["a truth outside the worst-case bounds"]


def test_the_monte_carlo_interval_is_that_of_wilson_at_99_percent():
    assert Share(95, 100).monte_carlo == pytest.approx((0.8599, 0.9833), abs=1e-3)
    assert Share(0, 0).monte_carlo == (0.0, 1.0)


def test_a_run_goes_on_from_what_it_kept_and_writes_what_it_showed(tmp_path, monkeypatch, capsys):
    keep, out = tmp_path / "kept.jsonl", tmp_path / "figures.json"
    args = ["--edits", "retire a rule", "--audits", "5.0%", "--whole", "1", "--processes", "1", "--keep", str(keep)]

    def figures(worlds):
        monkeypatch.setattr(sys, "argv", ["coverage", "--worlds", str(worlds), *args, "--json", str(out)])
        coverage.main()
        return json.loads(out.read_text(encoding="utf-8"))

    monkeypatch.setattr(coverage, "BATCH", 2)
    first = figures(2)
    assert (first["cells"], first["worlds_per_cell"], first["whole_path"], first["whole_path_differing"]) == (
        2,
        2,
        2,
        0,
    )
    assert first["cells_failed"] == sum(bool(c["failings"]) for c in first["by_cell"])
    keep.write_text(keep.read_text(encoding="utf-8") + '{"task": {"cut o', encoding="utf-8")
    assert figures(4)["worlds_per_cell"] == 4
    monkeypatch.setattr(coverage, "_run", lambda task: pytest.fail(f"{task} was done before"))
    again = figures(4)
    assert [c["label"] for c in again["by_cell"]] == ["final_decision", "latent"]
    assert "retire a rule" in capsys.readouterr().out
