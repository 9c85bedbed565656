"""Patches that git takes, and JSON Patches that machines take."""

import copy
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gne_analytics.evidence.types import Edit
from gne_analytics.policy._yaml import read
from gne_analytics.policy.edits import applied
from gne_analytics.policy.files import from_files, load
from gne_analytics.policy.patch import diff, json_patch
from gne_analytics.testing.policies import COUNTERFEIT, FILES, NOTICE, small_policy_set

IP = "policies/counterfeit.yaml"
EDITS = [
    Edit.model_validate(one)
    for one in (
        {"kind": "set_threshold", "policy": "counterfeit", "rule": "logo-match", "old": 0.7, "new": 0.8},
        {"kind": "set_human_review", "policy": "counterfeit", "rule": "logo-match", "old": "score < 0.78", "new": None},
        {
            "kind": "add_exemption",
            "policy": "counterfeit",
            "rule": "replica-words",
            "new": {"id": "e", "match": "a = 'b'"},
        },
        {"kind": "set_evidence", "policy": "child-safety", "old": None, "new": ["receipt"]},
        {"kind": "edit_notice", "policy": "counterfeit", "item": "counterfeit.de", "old": None, "new": NOTICE},
        {
            "kind": "edit_notice",
            "policy": "counterfeit",
            "item": "counterfeit.id",
            "old": FILES["notices/counterfeit.id.md"],
            "new": None,
        },
    )
]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "no newline at the end"])
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_apply_takes_the_patch(tmp_path: Path, ends: str) -> None:
    files = dict(FILES)
    files[IP] = COUNTERFEIT.rstrip("\n") if ends.startswith("no") else COUNTERFEIT.replace("\n", ends)
    base = from_files(files)
    base.save(tmp_path)
    after = applied(base, EDITS)
    patch = diff(base, after)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch.encode(), check=True)  # noqa: S607 - the git on the PATH
    assert load(tmp_path).hash == after.hash


def test_equal_sets_have_no_patch() -> None:
    assert diff(small_policy_set(), small_policy_set()) == ""


def test_the_patch_shows_the_changed_lines_with_their_file() -> None:
    patch = diff(small_policy_set(), applied(small_policy_set(), EDITS[:1]))
    assert patch.startswith(f"diff --git a/{IP} b/{IP}\n--- a/{IP}\n+++ b/{IP}\n@@ ")
    assert (
        "\n-      default: 0.70               # the 2025 audit\n+      default: 0.8               # the 2025 audit\n"
        in patch
    )


def play(document: dict, operations: list[dict]) -> dict:
    """RFC 6902, as far as we write it."""
    document = copy.deepcopy(document)
    for operation in operations:
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        holder = document
        for part in above:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        key = int(last) if isinstance(holder, list) and last != "-" else last
        if operation["op"] == "test":
            assert holder[key] == operation["value"]
        elif operation["op"] == "remove":
            del holder[key]
        elif last == "-":
            holder.append(operation["value"])
        else:
            holder[key] = operation["value"]
    return document


def plain(text: str, name: str) -> dict:
    return json.loads(json.dumps(read(text, name).data, default=str))


def test_a_json_patch_gives_the_edited_files_values() -> None:
    base = small_policy_set()
    after, patches = applied(base, EDITS), json_patch(base, EDITS)
    assert set(patches) == {IP, "policies/child-safety.yaml"}
    for name, operations in patches.items():
        assert play(plain(base.files[name], name), operations) == plain(after.files[name], name)
