"""A small policy set for tests and notebooks: two policies, four rules, notices, a ladder, objectives.

Its YAML is written the way people write it (comments, odd quoting, flow style, long lines), since edits must keep it.
"""
# ruff: noqa: E501 - the YAML is part of the test

from pathlib import Path
from typing import Final

from gne_analytics.policy.files import PolicySet, from_files
from gne_analytics.policy.schemas import schema_line, write_schemas

COUNTERFEIT: Final = f"""{schema_line("policy")}
# Counterfeit goods. Owned by ip-policy; ask there before you touch a threshold.
id: counterfeit
revision: "2026-11-02"
owner: ip-policy
title: Counterfeit goods
severity: high                    # low | medium | high | critical
protected: false
taxonomy: {{group: ip, kind: counterfeit, dsa: {{category: STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS, keyword: KEYWORD_TRADEMARK_INFRINGEMENT}}}}
clauses:
  - id: counterfeit.logo
    text: Listings that carry a brand's mark without its permission.
    includes: [logos on packaging, "look-alike marks"]
    excludes: [second-hand originals, licensed accessories]
    examples:
      - {{text: "A 'Rolexx' watch for 12 EUR", violating: true}}
      - {{text: A used original with its invoice, violating: false}}
  - id: counterfeit.claim         # what sellers say, not what they show
    text: >-
      Listings that call themselves
      a replica of a brand.
rules:
  - id: logo-match                # stable for ever
    clause: counterfeit.logo
    status: live
    detector: logo_match
    when: ["object_type = 'listing'"]
    threshold:
      default: 0.70               # the 2025 audit
      overrides:
        - {{id: th-id-beauty, match: "market = 'ID' AND category UNDER 'beauty'", value: 0.82, priority: 0, reason: parallel imports}}

    exemptions:
      # brand teams hand these out
      - id: ex-brand
        match: "seller_tier = 'brand_authorised'"
        expires: 2027-03-31
        reason: 'authorised by the brand'
    human_review: "score < 0.78"
    action: remove
    points: 8

  - id: replica-words
    clause: counterfeit.claim
    status: live
    detector: text_claims
    threshold: {{default: 0.7, overrides: []}}   # flow style on purpose
    action: demote
    points: 2
notice: {{template: counterfeit}}
appeal:
  levels: 2
  window_days: [30, 15]
  evidence: [purchase_invoice, authorisation_letter]
  sla_hours: 72
tests:
  - {{name: an authorised reseller passes, given: {{detector: logo_match, object_type: listing, score: 0.95, seller_tier: brand_authorised}}, expect: pass}}
  - {{name: a plain copy is removed, given: {{detector: logo_match, object_type: listing, score: 0.95, seller_tier: new}}, expect: remove}}
  - {{name: a doubtful copy is reviewed, given: {{detector: logo_match, object_type: listing, score: 0.71}}, expect: review}}
# the end
"""

SAFETY: Final = f"""{schema_line("policy")}
id: child-safety
revision: "2026-01-15"
owner: safety-policy
title: Safety of children
severity: critical
protected: true
clauses:
- id: child-safety.sexual
  text: Sexual content with minors.
- id: child-safety.toys
  text: Toys that choke.
rules:
- id: csam-hash
  clause: child-safety.sexual
  status: live
  detector: hash_match
  threshold:
    default: 0.5
  action: terminate
  points: 100
- id: small-parts
  clause: child-safety.toys
  status: shadow
  detector: toy_parts
  when:
  - category UNDER 'toys'
  threshold: {{default: 0.6}}
  human_review: always
  action: restrict
  points: 4
notice: {{template: child-safety}}
tests:
- name: a known image ends the account
  given: {{detector: hash_match, score: 0.99}}
  expect: terminate
"""

NOTICE: Final = """# Your {{object_type}} was {{action}}

Policy: {{policy_title}}, clause {{clause_text}}. What we saw: {{facts}}. {{automated}}

Send {{evidence}} within {{appeal_days}} days to appeal. {{redress}}
"""
NOTICE_ID: Final = """# {{object_type}} Anda: {{action}}

Kebijakan: {{policy_title}}, klausul {{clause_text}}. Yang kami lihat: {{facts}}. {{automated}}

Kirim {{evidence}} dalam {{appeal_days}} hari untuk banding. {{redress}}
"""

LADDER: Final = f"""{schema_line("ladder", "schemas")}
per: seller
window_days: 180
decay: none                       # or linear
return_on_reversal: true
milestones:
  - {{id: limits, points: 12, consequence: restrict, days: 7}}
  - {{id: pause, points: 24, consequence: suspend, days: 14}}
  - {{id: out, points: 48, consequence: terminate}}
"""

OBJECTIVES: Final = f"""{schema_line("objectives", "schemas")}
default:
  cost: {{wrongful_enforcement: 5, missed_violation: 8, review: 0.4}}
  review_capacity: 2000
  guardrails: {{wrongful_enforcement: 0.01, missed_violation: 0.01}}
policies:
  counterfeit:
    cost: {{missed_violation: 12}}
"""

FILES: Final = {
    "ladder.yaml": LADDER,
    "notices/child-safety.en.md": NOTICE,
    "notices/counterfeit.en.md": NOTICE,
    "notices/counterfeit.id.md": NOTICE_ID,
    "objectives.yaml": OBJECTIVES,
    "policies/child-safety.yaml": SAFETY,
    "policies/counterfeit.yaml": COUNTERFEIT,
}


def small_policy_set() -> PolicySet:
    """Return the set in memory."""
    return from_files(FILES)


def write_policy_set(folder: str | Path) -> Path:
    """Write the set and its JSON Schemas into a folder and return the folder."""
    target = Path(folder)
    small_policy_set().save(target)
    write_schemas(target / "schemas")
    return target
