"""Typed edits: exactly the lines they must, locks, inverses."""
# ruff: noqa: E501 - lines of YAML

import difflib
import re

import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.edits import applied, apply, inverse
from gne_analytics.policy.files import from_files
from gne_analytics.testing.policies import COUNTERFEIT, FILES, NOTICE, small_policy_set

IP = "policies/counterfeit.yaml"
BASE = small_policy_set()
OVERRIDE = {"id": "th-th", "match": "market = 'TH'", "value": 0.9, "reason": "late: imports #2"}
RULE = {
    "id": "new",
    "clause": "counterfeit.logo",
    "status": "draft",
    "detector": "d",
    "threshold": {"default": 0.5},
    "action": "warn",
}


def edit(kind: EditKind | str, *, policy: str = "counterfeit", **more: object) -> Edit:
    return Edit.model_validate({"kind": kind, "policy": policy, **more})


def removed(policy: str, rule: str) -> dict[str, object]:
    return BASE.policy(policy).rule(rule).model_dump(mode="json")


CASES: list[tuple[Edit, str]] = [
    (
        edit("set_threshold", rule="logo-match", old=0.7, new=0.755),
        """
-      default: 0.70               # the 2025 audit
+      default: 0.755               # the 2025 audit""",
    ),
    (
        edit("set_threshold", rule="replica-words", old=0.7, new=0.5),
        """
-    threshold: {default: 0.7, overrides: []}   # flow style on purpose
+    threshold: {default: 0.5, overrides: []}   # flow style on purpose""",
    ),
    (
        edit("add_override", rule="logo-match", new=OVERRIDE),
        """
+        - {id: th-th, match: "market = 'TH'", value: 0.9, reason: "late: imports #2"}""",
    ),
    (
        edit("add_override", rule="replica-words", new=OVERRIDE),
        """
-    threshold: {default: 0.7, overrides: []}   # flow style on purpose
+    threshold: {default: 0.7, overrides: [{id: th-th, match: "market = 'TH'", value: 0.9, reason: "late: imports #2"}]}   # flow style on purpose""",
    ),
    (
        edit("add_override", policy="child-safety", rule="csam-hash", new=OVERRIDE),
        """
+    overrides:
+      - {id: th-th, match: "market = 'TH'", value: 0.9, reason: "late: imports #2"}""",
    ),
    (
        edit("set_override", rule="logo-match", item="th-id-beauty", old=0.82, new=0.9),
        """
-        - {id: th-id-beauty, match: "market = 'ID' AND category UNDER 'beauty'", value: 0.82, priority: 0, reason: parallel imports}
+        - {id: th-id-beauty, match: "market = 'ID' AND category UNDER 'beauty'", value: 0.9, priority: 0, reason: parallel imports}""",
    ),
    (
        edit(
            "set_override",
            rule="logo-match",
            item="th-id-beauty",
            old={"priority": 0, "reason": "parallel imports"},
            new={"priority": 3, "reason": None},
        ),
        """
-        - {id: th-id-beauty, match: "market = 'ID' AND category UNDER 'beauty'", value: 0.82, priority: 0, reason: parallel imports}
+        - {id: th-id-beauty, match: "market = 'ID' AND category UNDER 'beauty'", value: 0.82, priority: 3}""",
    ),
    (
        edit(
            "remove_override",
            rule="logo-match",
            item="th-id-beauty",
            old={
                "id": "th-id-beauty",
                "match": "market = 'ID' AND category UNDER 'beauty'",
                "value": 0.82,
                "reason": "parallel imports",
            },
        ),
        """
-      overrides:
-        - {id: th-id-beauty, match: "market = 'ID' AND category UNDER 'beauty'", value: 0.82, priority: 0, reason: parallel imports}""",
    ),
    (
        edit(
            "add_exemption",
            rule="logo-match",
            new={"id": "ex2", "match": "seller_tier = 'gold'", "expires": "2027-01-31"},
        ),
        """
+      - id: ex2
+        match: "seller_tier = 'gold'"
+        expires: 2027-01-31""",
    ),
    (
        edit("add_exemption", rule="replica-words", new={"id": "ex2", "match": "seller_tier = 'gold'"}),
        """
+    exemptions:
+      - {id: ex2, match: "seller_tier = 'gold'"}""",
    ),
    (
        edit("set_human_review", rule="logo-match", old="score < 0.78", new="score < 0.8 OR market = 'ID'"),
        """
-    human_review: "score < 0.78"
+    human_review: "score < 0.8 OR market = 'ID'\"""",
    ),
    (
        edit("set_human_review", rule="logo-match", old="score < 0.78", new=None),
        """
-    human_review: "score < 0.78\"""",
    ),
    (
        edit("set_human_review", rule="replica-words", old=None, new="always"),
        """
+    human_review: always""",
    ),
    (edit("set_action", rule="logo-match", old="remove", new="demote"), "\n-    action: remove\n+    action: demote"),
    (edit("set_points", rule="logo-match", old=8, new=4), "\n-    points: 8\n+    points: 4"),
    (edit("set_status", rule="logo-match", old="live", new="shadow"), "\n-    status: live\n+    status: shadow"),
    (
        edit("add_rule", new=RULE),
        """
+  - id: new
+    clause: counterfeit.logo
+    status: draft
+    detector: d
+    threshold: {default: 0.5}
+    action: warn""",
    ),
    (
        edit("remove_rule", rule="replica-words", old=removed("counterfeit", "replica-words")),
        """
-  - id: replica-words
-    clause: counterfeit.claim
-    status: live
-    detector: text_claims
-    threshold: {default: 0.7, overrides: []}   # flow style on purpose
-    action: demote
-    points: 2""",
    ),
    (
        edit("add_clause", new={"id": "counterfeit.new", "text": 'What "we" see: é'}),
        """
+  - id: counterfeit.new
+    text: 'What "we" see: é'""",
    ),
    (
        edit(
            "edit_clause",
            clause="counterfeit.claim",
            old={"text": "Listings that call themselves a replica of a brand."},
            new={"text": "Listings that call themselves a replica or a dupe."},
        ),
        """
-      Listings that call themselves
-      a replica of a brand.
+      Listings that call themselves a replica or a dupe.""",
    ),
    (
        edit(
            "edit_clause",
            clause="counterfeit.logo",
            old={"excludes": ["second-hand originals", "licensed accessories"]},
            new={"excludes": ["second-hand originals", "licensed accessories", "parallel imports"]},
        ),
        """
-    excludes: [second-hand originals, licensed accessories]
+    excludes: [second-hand originals, licensed accessories, parallel imports]""",
    ),
    (
        edit(
            "set_evidence", old=["purchase_invoice", "authorisation_letter"], new=["purchase_invoice", "customs_form"]
        ),
        """
-  evidence: [purchase_invoice, authorisation_letter]
+  evidence: [purchase_invoice, customs_form]""",
    ),
    (edit("set_evidence", policy="child-safety", old=None, new=["receipt"]), "\n+appeal: {evidence: [receipt]}"),
    (edit("edit_notice", item="counterfeit.en", old=NOTICE, new=NOTICE + "More.\n"), "\n+More."),
]


def touched(one: Edit) -> str:
    after = applied(BASE, [one])
    rows: list[str] = []
    for name in FILES:
        change = difflib.unified_diff(FILES[name].split("\n"), after.files[name].split("\n"), lineterm="", n=0)
        rows += [row for row in list(change)[2:] if not row.startswith("@@")]
    return "".join(f"\n{row}" for row in rows)


@pytest.mark.parametrize(
    ("one", "expected"), CASES, ids=lambda value: value.kind.value if isinstance(value, Edit) else ""
)
def test_an_edit_touches_only_the_lines_it_must(one: Edit, expected: str) -> None:
    assert touched(one) == expected


@pytest.mark.parametrize("one", [one for one, _ in CASES], ids=lambda one: one.kind.value)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_an_edit_and_its_inverse_give_the_first_bytes_again(one: Edit, ends: str) -> None:
    base = from_files(
        {name: text.replace("\n", ends) if name.endswith(".yaml") else text for name, text in FILES.items()}
    )
    after = applied(base, [one])
    assert after.hash != base.hash
    assert all(
        "\r" not in text.replace("\r\n", "") and ("\n" not in text.replace(ends, "") or name.endswith(".md"))
        for name, text in after.files.items()
    )
    assert applied(after, inverse([one], base)).hash == base.hash


@pytest.mark.parametrize("one", [one for one, _ in CASES], ids=lambda one: one.kind.value)
def test_an_inverse_without_its_lines_still_undoes_the_meaning(one: Edit) -> None:
    undo = [back.model_copy(update={"hunk": None}) for back in inverse([one], BASE)]
    assert applied(applied(BASE, [one]), undo).policies == BASE.policies


def test_all_edits_together_and_back() -> None:
    edits = [
        edit("set_threshold", rule="logo-match", old=0.7, new=0.72),
        edit("set_threshold", rule="logo-match", old=0.72, new=0.74),
        edit("add_override", rule="logo-match", new=OVERRIDE),
        edit("set_override", rule="logo-match", item="th-th", old=0.9, new=0.95),
        edit("add_rule", new=RULE),
        edit("set_status", rule="new", old="draft", new="shadow"),
        edit("set_points", policy="child-safety", rule="csam-hash", old=100, new=90),
    ]
    undo = inverse(edits, BASE)
    assert [back.kind.value for back in undo][:2] == ["set_points", "set_status"]
    assert applied(applied(BASE, edits), undo).hash == BASE.hash
    assert set(apply(BASE, edits)) == {IP, "policies/child-safety.yaml"}


def test_a_rollback_leaves_what_others_wrote_since() -> None:
    first = edit("set_threshold", rule="logo-match", old=0.7, new=0.755)
    undo = inverse([first], BASE)
    since = applied(
        applied(BASE, [first]), [edit("set_points", rule="logo-match", old=8, new=4), edit("add_rule", new=RULE)]
    )
    rolled = applied(since, undo)
    assert rolled.policy("counterfeit").rule("logo-match").points == 4
    assert "default: 0.70               # the 2025 audit" in rolled.files[IP]


def test_a_rollback_beside_a_changed_line_falls_back_to_its_meaning() -> None:
    first = edit("set_threshold", rule="logo-match", old=0.7, new=0.755)
    after = applied(BASE, [first])
    text = after.files[IP].replace("# the 2025 audit", "# the 2026 audit")
    rolled = applied(from_files({**after.files, IP: text}), inverse([first], BASE))
    assert re.search(r"default: 0\.7 +# the 2026 audit", rolled.files[IP])


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            edit("set_threshold", rule="logo-match", old=0.71, new=0.8),
            "rules[logo-match].threshold.default is 0.7 now, not 0.71",
        ),
        (edit("set_threshold", rule="logo-match", old=0.7, new=1.4), "it must lie between 0 and 1"),
        (edit("set_threshold", rule="logo-match", old=0.7, new=None), "is not valid: rules.0.threshold.default"),
        (edit("set_threshold", rule="logo-mtch", old=0.7, new=0.8), "did you mean 'logo-match'"),
        (edit("set_threshold", old=0.7, new=0.8), "names no rule; add it"),
        (
            edit("set_threshold", policy="counterfiet", rule="logo-match", old=0.7, new=0.8),
            "did you mean 'counterfeit'",
        ),
        (edit("set_human_review", rule="logo-match", old=None, new="always"), "human_review is 'score < 0.78' now"),
        (edit("set_human_review", rule="logo-match", old="score < 0.78", new="1 = 1"), "the same for every case"),
        (
            edit("add_override", rule="logo-match", new=OVERRIDE | {"id": "th-id-beauty"}),
            "is there already; give it another id",
        ),
        (edit("add_override", rule="logo-match", new=OVERRIDE | {"value": 2}), "override value: it must lie"),
        (edit("add_override", rule="logo-match", new=OVERRIDE | {"match": "market ="}), "cannot be read"),
        (edit("add_override", rule="logo-match", old={}, new=OVERRIDE), "'old' must be empty"),
        (edit("remove_override", rule="logo-match", item="th-id-beauty", old=OVERRIDE), "is not what 'old' says"),
        (edit("remove_override", rule="logo-match", item="th-id-beaty", old=OVERRIDE), "did you mean 'th-id-beauty'"),
        (edit("set_override", rule="logo-match", item="nope", old=0.8, new=0.9), "there is no override 'nope'"),
        (
            edit("set_override", rule="logo-match", item="th-id-beauty", old={"value": 0.82}, new={"id": "x"}),
            "the same keys",
        ),
        (
            edit("set_override", rule="logo-match", item="th-id-beauty", old={"id": "th-id-beauty"}, new={"id": "x"}),
            "'id' cannot be set",
        ),
        (edit("edit_clause", clause="counterfeit.logo", old="a", new="b"), "must be mappings with the same keys"),
        (edit("add_rule", new=RULE | {"id": "csam-hash"}), "is also a rule of policy 'child-safety'"),
        (edit("add_rule", new=RULE | {"clause": "nope"}), "which no clause has as its id"),
        (edit("edit_notice", item="counterfeit.en", old="x", new="y"), "reads otherwise now"),
        (edit("edit_notice", item="counterfeit.de", old="x", new="y"), "does not exist now"),
        (edit("edit_notice", item="counterfeit.en", old=NOTICE, new="{{oops"), "stray"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_and_says_why(one: Edit, words: str) -> None:
    with pytest.raises(PolicyError) as refused:
        applied(BASE, [one])
    assert words in str(refused.value)


def test_an_empty_value_and_a_missing_newline_at_the_end_are_no_trouble() -> None:
    text = COUNTERFEIT.replace("[purchase_invoice, authorisation_letter]", "").replace("  sla_hours: 72\n", "")
    text = text.replace("  evidence: \n", "").replace("# the end\n", "appeal:\n  levels: 1\n  window_days: [30]")
    text = text.replace("appeal:\n  levels: 2\n  window_days: [30, 15]\n", "")
    base = from_files({**FILES, IP: text})
    one = edit("set_evidence", old=[], new=["receipt"])
    after = applied(base, [one])
    assert after.files[IP].endswith("  window_days: [30]\n  evidence: [receipt]")
    assert applied(after, inverse([one], base)).files[IP] == text


def test_a_new_notice_in_another_language_is_an_edit_and_its_inverse_removes_it() -> None:
    one = edit("edit_notice", item="counterfeit.de", old=None, new=NOTICE)
    after = applied(BASE, [one])
    assert after.notices["counterfeit.de"].language == "de"
    assert applied(after, inverse([one], BASE)).hash == BASE.hash


def test_an_inverse_survives_its_way_through_json() -> None:
    old = BASE.policy("counterfeit").rule("logo-match").exemptions[0].model_dump(mode="json")
    one = edit("remove_exemption", rule="logo-match", item="ex-brand", old=old)
    undo = [Edit.model_validate_json(back.model_dump_json()) for back in inverse([one], BASE)]
    assert applied(applied(BASE, [one]), undo).hash == BASE.hash


def test_a_rollback_finds_its_own_lines_among_look_alikes() -> None:
    rules = "".join(
        f"- id: r{i}\n  clause: c\n  detector: d\n  threshold:\n    default: {edge}\n  action: warn\n"
        for i, edge in enumerate(["0.6", ".50", "0.6"])
    )
    head = 'id: p\nrevision: "1"\nowner: o\ntitle: t\nseverity: low\nclauses: [{id: c, text: t}]\nrules:\n'
    base = from_files({"policies/p.yaml": head + rules})
    one = edit("set_threshold", policy="p", rule="r1", old=0.5, new=0.6)
    undo = inverse([one], base)
    assert applied(applied(base, [one]), undo).files == base.files
