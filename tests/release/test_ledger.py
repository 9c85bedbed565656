import multiprocessing
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gne_analytics.cli import run_command
from gne_analytics.errors import DataError, PolicyError
from gne_analytics.release.ledger import GENESIS, Act, Ledger, Subject

SEEN = Subject(proposal_id="p1", base="b1", evidence="e1")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger.beside(tmp_path, clock=lambda: NOON)


def filled(ledger: Ledger) -> Ledger:
    ledger.append(Act.PROPOSED, SEEN, who="gne")
    ledger.append(Act.APPROVED, SEEN, who="ada", why="fewer wrongful removals")
    ledger.append(Act.RELEASED, SEEN, who="ada")
    return ledger


def test_an_empty_ledger_is_whole(ledger):
    assert "no entries yet" in ledger.check()
    assert ledger.head == GENESIS


def test_entries_are_numbered_chained_and_timed_by_the_given_clock(ledger):
    entries = filled(ledger).entries()
    assert [e.seq for e in entries] == [1, 2, 3]
    assert [e.prev for e in entries] == [GENESIS, entries[0].hash, entries[1].hash]
    assert {e.at for e in entries} == {NOON}
    assert "is whole: 3 entries" in ledger.check()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(line=st.integers(0, 2), position=st.integers(0, 10_000), letter=st.sampled_from('az09{}" :'))
def test_a_change_of_any_letter_is_found(tmp_path_factory, line, position, letter):
    ledger = filled(Ledger.beside(tmp_path_factory.mktemp("ledger"), clock=lambda: NOON))
    lines = ledger.path.read_text().splitlines(keepends=True)
    at = position % (len(lines[line]) - 1)
    changed = lines[line][:at] + letter + lines[line][at + 1 :]
    if changed == lines[line]:
        return
    ledger.path.write_text("".join([*lines[:line], changed, *lines[line + 1 :]]))
    with pytest.raises(DataError, match="line"):
        ledger.check()


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_cut_end_is_found(ledger, left):
    filled(ledger)
    lines = ledger.path.read_text().splitlines(keepends=True)
    ledger.path.write_text("".join(lines[:left]))
    with pytest.raises(DataError, match=f"ends after line {left}, but held 3"):
        ledger.check()


def test_a_line_taken_out_of_the_middle_is_found(ledger):
    filled(ledger)
    lines = ledger.path.read_text().splitlines(keepends=True)
    ledger.path.write_text(lines[0] + lines[2])
    with pytest.raises(DataError, match="line 2 was changed, moved or follows a missing line"):
        ledger.entries()


def test_a_deleted_ledger_is_found(ledger):
    filled(ledger).path.unlink()
    with pytest.raises(DataError, match="is gone"):
        ledger.check()


def test_an_append_that_was_interrupted_before_the_head_is_taken_up(ledger):
    filled(ledger)
    head = ledger.path.with_name("ledger.head")
    before = head.read_text()
    ledger.append(Act.VERIFIED, SEEN, who="ada")
    head.write_text(before)
    assert ledger.append(Act.VERIFIED, SEEN, who="eve").seq == 5


def test_nothing_is_added_to_a_changed_ledger(ledger):
    filled(ledger)
    ledger.path.write_text(ledger.path.read_text().replace("ada", "eve"))
    with pytest.raises(DataError):
        ledger.append(Act.APPROVED, SEEN, who="ada")


def test_a_decision_without_a_name_is_refused(ledger):
    with pytest.raises(PolicyError, match="Nobody is named"):
        ledger.append(Act.APPROVED, SEEN, who="  ")
    assert ledger.entries() == ()


def test_one_person_counts_once_however_the_name_is_written(ledger):
    for who in ("Ada", "ada", " ADA ", "Eve"):
        ledger.append(Act.APPROVED, SEEN, who=who)
    assert ledger.approvers(SEEN) == ("Ada", "Eve")


@pytest.mark.parametrize("other", [{"base": "b2"}, {"evidence": "e2"}])
def test_an_approval_of_another_base_or_other_evidence_is_stale(ledger, other):
    ledger.append(Act.APPROVED, SEEN, who="ada")
    now_seen = SEEN.model_copy(update=other)
    assert ledger.approvers(now_seen) == ()
    assert ledger.stale_approvers(now_seen) == ("ada",)


@pytest.mark.parametrize("act", [Act.REJECTED, Act.ROLLED_BACK])
def test_a_rejection_or_rollback_clears_the_approvals_before_it(ledger, act):
    ledger.append(Act.APPROVED, SEEN, who="ada")
    ledger.append(act, SEEN, who="eve", why="too wide")
    assert ledger.approvers(SEEN) == ()
    ledger.append(Act.APPROVED, SEEN, who="ada")
    assert ledger.approvers(SEEN) == ("ada",)


def test_a_run_proposes_each_subject_once(ledger):
    assert len(ledger.record_proposed([SEEN, SEEN])) == 1
    assert ledger.record_proposed([SEEN]) == ()
    assert ledger.standing("p1") is Act.PROPOSED


def _sign(folder, who):
    ledger = Ledger.beside(folder)
    for _ in range(10):
        ledger.append(Act.APPROVED, SEEN, who=who)


def test_writers_at_the_same_time_do_not_interleave(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_sign, args=(tmp_path, f"w{i}")) for i in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(Ledger.beside(tmp_path).entries()) == 30


def test_a_reason_may_hold_any_letter_of_unicode(ledger):
    seen = Subject(proposal_id="p9", base="b", evidence="e")
    ledger.append(Act.APPROVED, seen, who="owner", why='first\u2028second\x85third\nfourth "quoted"')
    assert ledger.approvers(seen) == ("owner",)


@pytest.mark.parametrize("before", [0, 3])
def test_a_torn_last_line_is_ignored_said_and_replaced(ledger, before):
    if before:
        filled(ledger)
    with ledger.path.open("ab") as file:
        file.write('{"seq": 4, "act": "app\u00e9'.encode()[:-1])
    assert len(ledger.entries()) == before
    assert "An unfinished line" in ledger.check()
    assert ledger.append(Act.VERIFIED, SEEN, who="eve").seq == before + 1
    assert "unfinished" not in ledger.check()


def test_a_torn_line_that_the_head_counts_is_an_error(ledger):
    filled(ledger)
    ledger.path.write_bytes(ledger.path.read_bytes()[:-20])
    with pytest.raises(DataError, match="ends after line 2, but held 3"):
        ledger.check()
    with pytest.raises(DataError, match="ends after line 2, but held 3"):
        ledger.append(Act.VERIFIED, SEEN, who="eve")


@pytest.mark.parametrize("before", [0, 3])
def test_a_write_that_fails_leaves_the_ledger_as_it_was(ledger, monkeypatch, before):
    if before:
        filled(ledger)

    def full(_):
        raise OSError("No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("gne_analytics.release.ledger.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            ledger.append(Act.VERIFIED, SEEN, who="eve")
    assert len(ledger.entries()) == before
    assert ledger.append(Act.VERIFIED, SEEN, who="eve").seq == before + 1


def test_the_ledger_of_a_folder_that_is_not_there_is_no_whole_ledger(tmp_path):
    with pytest.raises(DataError, match="is no folder"):
        Ledger.beside(tmp_path / "nowhere").check()
    assert run_command(["ledger", "check", str(tmp_path / "nowhere")]) == 2
