"""Changes of policy as users hand them over."""

import json

import pytest

from gne_analytics.errors import DataError
from gne_analytics.evidence.proposals import Proposal
from gne_analytics.evidence.types import Edit
from gne_analytics.workspace import read_changes

EDIT = Edit(kind="set_threshold", policy="counterfeit", rule="logo-match", old=0.7, new=0.8)
HELD = json.loads(EDIT.model_dump_json())
WHOLE = Proposal(id="P-1", title="t", policy="counterfeit", policy_base="b", since="2026-04-29", edits=(EDIT,))


def read(tmp_path, content):
    (tmp_path / "edits.json").write_text(json.dumps(content))
    return read_changes(tmp_path / "edits.json")


def test_a_list_of_edits_is_one_change(tmp_path):
    assert read(tmp_path, [HELD, HELD]) == ((EDIT, EDIT),)


def test_an_object_of_edits_alone_is_a_change_and_several_are_several(tmp_path):
    assert read(tmp_path, {"edits": [HELD]}) == ((EDIT,),)
    assert read(tmp_path, [{"edits": [HELD]}, {"edits": [HELD]}]) == ((EDIT,), (EDIT,))


def test_a_proposal_of_a_run_keeps_its_window_and_several_stay_apart(tmp_path):
    held = json.loads(WHOLE.model_dump_json())
    assert read(tmp_path, held) == (WHOLE,)
    assert read(tmp_path, [held, held]) == (WHOLE, WHOLE)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([{"kind": "set_treshold", "policy": "x"}], r"edit 0\.kind"),
        ([HELD, {"edits": [HELD]}], "mixes edits and proposals"),
        ({"id": "P-1", "policy_base": "b", "edits": [HELD]}, "proposal P-1, title"),
    ],
    ids=["no edit", "a mixture", "half a proposal"],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path, content)
