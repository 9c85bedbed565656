"""Edits in YAML that no formatter would write: ruamel would not round-trip it, a splice leaves it alone."""

import difflib

import pytest

from gne_analytics.evidence.types import Edit
from gne_analytics.policy.edits import applied, inverse
from gne_analytics.policy.files import PolicySet, from_files

HEAD = 'id: p\nrevision: "7"\nowner: o\ntitle: t\nseverity: low\nclauses: [{id: c, text: t}]\n'
MULTI_LINE_FLOW = (
    HEAD
    + """rules: [
  {id: r, clause: c, detector: d, points: 3,
   threshold: {
     default: .50,  # why
     overrides: [
       {id: o1, match: "a = 'b'", value: 0.5},  # first
       {id: o2, match: "a = 'c'", value: 0.5}   # second
     ],
   }, action: warn},  # c
]
"""
)
ODD_BLOCKS = (
    "---\n"
    + HEAD
    + """rules:
-
  # who
  id : r
  clause: c
  "detector": d
  points: 3
  threshold:
    overrides:
    -   id: o1
        match: >
          a = 'b'

        value: 5.0e-1   # x
    # two

    - match: |-
        a = 'c'
      value: 0.5
      id: o2
    # tail of overrides
    default: +0.5
  action: warn
...
"""
)
STYLES = {
    "flow over many lines": MULTI_LINE_FLOW,
    "odd blocks": ODD_BLOCKS,
    "byte order mark": "\ufeff" + MULTI_LINE_FLOW,
}


def base(style: str) -> PolicySet:
    return from_files({"policies/p.yaml": STYLES[style]})


def edits(policies: PolicySet) -> dict[str, Edit]:
    first, second = policies.policy("p").rule("r").threshold.overrides
    new = {"id": "n1", "match": "a = 'd'", "value": 0.9}
    rows = [
        {"kind": "set_threshold", "old": 0.5, "new": 0.6},
        {"kind": "set_points", "old": 3, "new": 4},
        {"kind": "set_human_review", "old": None, "new": "score < 0.6"},
        {"kind": "add_override", "new": new},
        {"kind": "set_override", "item": "o1", "old": {"match": first.match}, "new": {"match": "a = 'x'"}},
        {"kind": "remove_override", "item": "o1", "old": first.model_dump()},
        {"kind": "remove_override", "item": "o2", "old": second.model_dump()},
        {"kind": "add_exemption", "new": {"id": "n1", "match": "a = 'd'"}},
        {"kind": "add_rule", "rule": None, "new": {"id": "n1", "clause": "c", "when": ["a = 'd'"], "action": "warn"}},
        {"kind": "add_clause", "rule": None, "new": {"id": "n1", "text": "d"}},
        {"kind": "set_evidence", "rule": None, "old": [], "new": ["x"]},
    ]
    return {
        f"{r['kind']} {r.get('item', '')}".strip(): Edit.model_validate({"policy": "p", "rule": "r", **r}) for r in rows
    }


def changes(style: str, name: str) -> list[str]:
    before = base(style)
    after = applied(before, [edits(before)[name]])
    rows = difflib.unified_diff(STYLES[style].split("\n"), after.files["policies/p.yaml"].split("\n"), lineterm="", n=0)
    return [row for row in list(rows)[2:] if not row.startswith("@@")]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", edits(base("odd blocks")))
def test_every_edit_works_in_odd_styles_and_comes_back(style: str, name: str) -> None:
    before = base(style)
    one = edits(before)[name]
    after = applied(before, [one])
    assert after.hash != before.hash
    assert applied(after, inverse([one], before)).files == before.files


@pytest.mark.parametrize(
    ("style", "name", "expected"),
    [
        ("flow over many lines", "set_threshold", ["-     default: .50,  # why", "+     default: 0.6,  # why"]),
        (
            "flow over many lines",
            "add_override",
            [
                "-       {id: o2, match: \"a = 'c'\", value: 0.5}   # second",
                "+       {id: o2, match: \"a = 'c'\", value: 0.5},   # second",
                "+       {id: n1, match: \"a = 'd'\", value: 0.9}",
            ],
        ),
        ("flow over many lines", "remove_override o1", ["-       {id: o1, match: \"a = 'b'\", value: 0.5},  # first"]),
        ("flow over many lines", "remove_override o2", ["-       {id: o2, match: \"a = 'c'\", value: 0.5}   # second"]),
        ("odd blocks", "set_threshold", ["-    default: +0.5", "+    default: 0.6"]),
        (
            "odd blocks",
            "add_override",
            ["+    - id: n1", "+      match: \"a = 'd'\"", "+      value: 0.9"],
        ),
        (
            "odd blocks",
            "remove_override o1",
            ["-    -   id: o1", "-        match: >", "-          a = 'b'", "-", "-        value: 5.0e-1   # x"],
        ),
        (
            "odd blocks",
            "set_override o1",
            ["-        match: >", "-          a = 'b'", "+        match: >-", "+          a = 'x'"],
        ),
    ],
)
def test_only_the_meant_lines_change(style: str, name: str, expected: list[str]) -> None:
    assert changes(style, name) == expected
