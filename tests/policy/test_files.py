"""A policy set on disk: load, refuse with file and key, save byte for byte."""

import json
import re
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.policy._yaml import read
from gne_analytics.policy.files import from_files, load
from gne_analytics.policy.schemas import schemas
from gne_analytics.testing.policies import FILES, small_policy_set, write_policy_set

IP = "policies/counterfeit.yaml"


def changed(old: str, new: str, file: str = IP) -> dict[str, str]:
    assert old in FILES[file]
    return {**FILES, file: FILES[file].replace(old, new, 1)}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_load_and_save_is_byte_identical(tmp_path: Path, ends: str) -> None:
    source, copy = write_policy_set(tmp_path / "set"), tmp_path / "copy"
    for path in source.rglob("*.yaml"):
        path.write_bytes(path.read_bytes().replace(b"\n", ends.encode()))
    loaded = load(source)
    loaded.save(copy)
    names = [p.relative_to(copy) for p in copy.rglob("*") if p.is_file()]
    assert len(names) == len(FILES)
    assert all((source / name).read_bytes() == (copy / name).read_bytes() for name in names)
    assert load(copy).hash == loaded.hash


def test_the_hash_follows_any_byte_and_the_names() -> None:
    base = small_policy_set().hash
    assert from_files(changed("# the end", "# The end")).hash != base
    renamed = {("policies/ip.yaml" if name == IP else name): text for name, text in FILES.items()}
    assert from_files(renamed).hash != base
    assert from_files(dict(reversed(FILES.items()))).hash == base


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("default: 0.70 ", "default: 1.4 ", "rules[logo-match].threshold.default is 1.4; it must lie between 0 and 1."),
        (
            "value: 0.82",
            "value: -1",
            "rules[logo-match].threshold.overrides[th-id-beauty].value is -1; it must lie between 0 and 1.",
        ),
        ("default: 0.70 ", "default: .nan ", "rules[logo-match].threshold.default is nan; it must lie"),
        (
            "default: 0.70 ",
            "default: '0.7' ",
            "rules[logo-match].threshold.default is '0.7'; input should be a valid number",
        ),
        (
            "status: live",
            "status: alive",
            "rules[logo-match].status is 'alive'; input should be 'draft', 'shadow', 'live' or 'retired'",
        ),
        ("protected:", "protectd:", "protectd is not a known key (did you mean 'protected'?)"),
        (
            "value: 0.82",
            "valeu: 0.82",
            "rules[logo-match].threshold.overrides[th-id-beauty].valeu is not a known key (did you mean 'value'?)",
        ),
        ("owner: ip-policy\n", "", "owner is missing; add it."),
        ('"2026-11-02"', "2026.10", "revision is 2026.1, not a text; put it in quotes."),
        ("protected: false", "protected: no", "protected is 'no'; input should be a valid boolean"),
        ("points: 8", "points: true", "rules[logo-match].points is True"),
        ("points: 8", "points: -8", "rules[logo-match].points is -8; it must be 0 or more"),
        (
            "clause: counterfeit.logo",
            "clause: counterfeit.lego",
            "which no clause has as its id (did you mean 'counterfeit.logo'?)",
        ),
        ("id: replica-words", "id: logo-match", "rules has id 'logo-match' 2 times; each must be unique"),
        ("id: counterfeit.claim", "id: counterfeit.logo", "clauses has id 'counterfeit.logo' 2 times"),
        (
            "name: a plain copy is removed",
            "name: an authorised reseller passes",
            "tests has name 'an authorised reseller passes' 2 times",
        ),
        (
            "{template: counterfeit}",
            "{template: conterfeit}",
            "notice.template is 'conterfeit', but notices/conterfeit.<language>.md",
        ),
        ("[30, 15]", "[30]", "appeal.window_days has 1 entries for 2 levels"),
        ("market = 'ID' AND", "1 = 1 OR", "compares 1 with 1, the same for every case"),
        (
            '"score < 0.78"',
            '"score <"',
            "rules[logo-match].human_review is 'score <'; predicate 'score <' cannot be read",
        ),
        ("seller_tier = 'brand", "appeal_outcome = 'brand", "'appeal_outcome', which is known only after the decision"),
        ("seller_tier = 'brand", "reviewer_id = 'brand", "'reviewer_id', which is known only after the decision"),
        ("    detector: logo_match\n", "", "rules[logo-match].detector is missing"),
        ("expect: remove", "expect: removed", "tests[a plain copy is removed].expect is 'removed'"),
        (
            "id: counterfeit\n",
            "id: child-safety\n",
            "id is 'child-safety', which policies/child-safety.yaml has already",
        ),
        ("id: replica-words", "id: csam-hash", "rules[csam-hash].id is also a rule of policy 'child-safety'"),
    ],
)
def test_an_error_names_file_and_key_and_says_what_is_right(old: str, new: str, message: str) -> None:
    with pytest.raises(PolicyError) as refused:
        from_files(changed(old, new))
    assert re.match(r"policies/[a-z-]+\.yaml, ", str(refused.value))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("ladder.yaml", "points: 24", "points: 4", "ladder.yaml, milestones must rise in points"),
        ("ladder.yaml", "window_days: 180", "window_days: 0", "ladder.yaml, window_days is 0"),
        (
            "objectives.yaml",
            "counterfeit:",
            "conterfeit:",
            "objectives.yaml, policies.conterfeit names no policy (did you mean",
        ),
        (
            "objectives.yaml",
            "review: 0.4",
            "reviews: 0.4",
            "objectives.yaml, default.cost.reviews is not a known key (did you mean 'review'?)",
        ),
        ("notices/counterfeit.en.md", "{{facts}}", "{{Facts}}", "notices/counterfeit.en.md has a stray '{{'"),
        ("notices/counterfeit.en.md", "{{facts}}", "{{facts", "notices/counterfeit.en.md has a stray '{{'"),
    ],
)
def test_ladder_objectives_and_notices_are_checked_too(file: str, old: str, new: str, message: str) -> None:
    with pytest.raises(PolicyError) as refused:
        from_files(changed(old, new, file))
    assert message in str(refused.value)


def test_folders_and_names_are_checked(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="is not a folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(PolicyError, match="needs at least one policy"):
        load(tmp_path)
    write_policy_set(tmp_path)
    (tmp_path / "policies" / "more.yml").write_text("id: x")
    with pytest.raises(PolicyError, match=r"rename it to more\.yaml"):
        load(tmp_path)
    (tmp_path / "policies" / "more.yml").unlink()
    (tmp_path / "notices" / "counterfeit.md").write_text("x")
    with pytest.raises(PolicyError, match="is not named"):
        load(tmp_path)
    (tmp_path / "notices" / "counterfeit.md").unlink()
    (tmp_path / "policies" / "counterfeit.yaml").write_bytes(b"id: \xff")
    with pytest.raises(PolicyError, match="is not UTF-8"):
        load(tmp_path)


def test_expired_exemptions_are_reported_and_do_not_stop_anything() -> None:
    policies = small_policy_set()
    assert policies.expired(date(2027, 3, 31)) == ()
    (found,) = policies.expired(date(2027, 4, 1))
    assert (found.policy, found.rule, found.exemption) == ("counterfeit", "logo-match", "ex-brand")


def test_objectives_fall_back_to_the_default_figure_by_figure() -> None:
    objective = small_policy_set().objectives.of("counterfeit")
    assert (objective.cost.wrongful_enforcement, objective.cost.missed_violation) == (5, 12)
    assert objective.guardrails.ladder_exposure == 0.01
    assert small_policy_set().objectives.of("child-safety").cost.missed_violation == 8


def test_critical_and_protected_policies_need_two_approvals() -> None:
    policies = small_policy_set()
    assert [policies.policy(p).approvals_needed for p in ("child-safety", "counterfeit")] == [2, 1]


def test_unknown_ids_come_with_the_nearest_known_one() -> None:
    with pytest.raises(PolicyError, match="did you mean 'counterfeit'"):
        small_policy_set().policy("conterfeit")
    with pytest.raises(PolicyError, match="did you mean 'logo-match'"):
        small_policy_set().policy("counterfeit").rule("logo-mtch")


@pytest.mark.parametrize(
    ("name", "file"), [("policy", IP), ("ladder", "ladder.yaml"), ("objectives", "objectives.yaml")]
)
def test_the_generated_schema_takes_our_files_and_refuses_a_misspelling(name: str, file: str) -> None:
    schema = schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    data = json.loads(json.dumps(read(FILES[file], file).data, default=str))
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "surprise": 1}, schema)


def test_every_key_of_a_policy_is_described_for_editors() -> None:
    described = schemas()["policy"]["$defs"]["Rule"]["properties"]
    assert all("description" in described[key] for key in described)
