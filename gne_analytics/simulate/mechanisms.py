"""The twelve failings: where each may strike, what it does to policy set and cases, and the edit that would mend it."""

from collections.abc import Callable

import polars as pl

from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Edit, EditKind
from gne_analytics.policy.model import Rule, Status
from gne_analytics.policy.predicates import predicate_of
from gne_analytics.simulate.arrivals import Narrow
from gne_analytics.simulate.catalogue import DETECTORS, POLICY_OF, QUEUES, WRONG_QUEUE
from gne_analytics.simulate.place import Ground, Site
from gne_analytics.simulate.texts import bank, gap_topics

BUSY = ("counterfeit", "prohibited-goods", "misleading-health-claims", "misleading-listing")
REVIEWED = ("counterfeit", "prohibited-goods", "account-integrity")
CONTESTED_TWICE = ("counterfeit", "prohibited-goods", "misleading-health-claims")
LOWEST_OVERRIDE = 0.42


def _live(ground: Ground, policy: str) -> list[Rule]:
    return [r for r in ground.policies.policies[policy].rules if r.status is Status.LIVE]


def detector_error(ground: Ground) -> Site:
    """A new version of a detector scores legitimate goods too high in one market or one category."""
    names = [
        d.name for d in DETECTORS if d.share >= 0.07 and d.policy in BUSY and ground.incident.policy in (None, d.policy)
    ]
    name = ground.incident.options.get("detector") or ground.choose(names, "detector")
    detector = next(d for d in DETECTORS if d.name == name)
    asked = [[d] for d in ("market", "category") if ground.given(d)]
    ((dimension, value),) = ground.spot(asked or [["market"], ["category"]], pl.col("detector") == name).items()
    version = detector.versions[1]
    segment = Segment.of({"detector_version": version, dimension: value})
    match = predicate_of(segment)
    edits = tuple(
        Edit(
            kind=EditKind.SET_HUMAN_REVIEW,
            policy=detector.policy,
            rule=rule.id,
            old=rule.human_review,
            new=f"{rule.human_review} OR ({match})" if rule.human_review else match,
            reason="cases of the new version go to people until it is retrained",
        )
        for rule in _live(ground, detector.policy)
        if rule.detector == name
    )
    return Site(
        segment=segment,
        where=Segment.of({"detector": name, "detector_version": version, dimension: value}),
        policy=detector.policy,
        description=f"{name} {version} scores legitimate cases too high where {dimension} is {value}",
        alternatives=(Segment.of({"detector": name, "detector_version": version, dimension: value}),),
        right_edits=edits,
        levers=(EditKind.SET_HUMAN_REVIEW, EditKind.ADD_OVERRIDE),
        change=(
            "detector",
            {"detector": (name,), "detector_version": (version,)},
            f"{name} {version} takes most traffic",
        ),
        rollouts={name: ground.onset},
    )


def threshold(ground: Ground) -> Site:
    """Somebody lowered a rule's threshold in one market and category, with no reviewer behind it."""
    rules = [
        rule
        for policy in ground.policies.policies.values()
        if not policy.protected
        and policy.id in (*BUSY, "undisclosed-ads")
        and ground.incident.policy in (None, policy.id)
        for rule in _live(ground, policy.id)
        if rule.threshold is not None
        and rule.human_review is None
        and rule.id not in {"weight-loss-claim", "weapon-replica"}
    ]
    rule_id = ground.incident.options.get("rule") or ground.choose([r.id for r in rules], "rule")
    rule = next(r for r in rules if r.id == rule_id)
    assert rule.threshold is not None and rule.detector is not None  # noqa: S101, PT018 - chosen so above
    spot = ground.spot([["market", "category"], ["market"], ["category"]], pl.col("detector") == rule.detector)
    policy = POLICY_OF[rule.detector]
    segment = Segment.of(spot)
    low = round(max(rule.threshold.default - ground.incident.effect("threshold_drop"), LOWEST_OVERRIDE), 2)
    override = {
        "id": "-".join([rule.id, *spot.values()]).lower(),
        "match": predicate_of(segment),
        "value": low,
        "priority": 10,
        "reason": "Stricter before the season, asked for by the market team.",
    }
    added = Edit(kind=EditKind.ADD_OVERRIDE, policy=policy, rule=rule.id, item=str(override["id"]), new=override)
    back = Edit(
        kind=EditKind.SET_OVERRIDE,
        policy=policy,
        rule=rule.id,
        item=str(override["id"]),
        old=low,
        new=rule.threshold.default,
        reason="back to the rule's own threshold",
    )
    return Site(
        segment=segment,
        where=Segment.of({"detector": rule.detector, **spot}),
        policy=policy,
        description=f"threshold of {rule.id} lowered from {rule.threshold.default} to {low} in {segment}",
        alternatives=(Segment.of({"rule_id": rule.id, **spot}),),
        edits=(added,),
        right_edits=(back,),
        levers=(EditKind.SET_OVERRIDE, EditKind.SET_THRESHOLD, EditKind.REMOVE_OVERRIDE),
        change=(
            "policy",
            {"policy_id": (policy,), "rule_id": (rule.id,), **dict(segment.items())},
            f"{rule.id}: stricter threshold where {segment}",
        ),
    )


def clause_ambiguous(ground: Ground) -> Site:
    """A clause was reworded so that like cases are now decided either way."""
    options: tuple[str, ...] = ("replica_text", "logo_match", "medicine_text")
    options = tuple(d for d in options if ground.incident.policy in (None, POLICY_OF[d]))
    detector = ground.incident.options.get("detector") or ground.choose(options, "detector")
    policy = POLICY_OF[detector]
    rule = next(r for r in _live(ground, policy) if r.detector == detector)
    clause = ground.policies.policies[policy].clause(rule.clause)
    vague = f"{clause.text.rstrip('.')}, or goods and wording that may give a similar impression."
    return Site(
        segment=Segment.of(clause_id=clause.id),
        where=Segment.of(detector=detector),
        policy=policy,
        description=f"clause {clause.id} reworded; it can be read both ways",
        alternatives=(Segment.of(rule_id=rule.id), Segment.of(detector=detector)),
        edits=(_clause_text(policy, clause.id, clause.text, vague),),
        right_edits=(_clause_text(policy, clause.id, vague, clause.text),),
        levers=(EditKind.EDIT_CLAUSE,),
        change=("policy", {"policy_id": (policy,), "clause_id": (clause.id,)}, f"wording of {clause.id} widened"),
    )


def _clause_text(policy: str, clause: str, old: str, new: str) -> Edit:
    return Edit(kind=EditKind.EDIT_CLAUSE, policy=policy, clause=clause, old={"text": old}, new={"text": new})


def clause_scope(ground: Ground) -> Site:
    """A class of sellers may do what a clause forbids, and no exemption says so."""
    policy = ground.policy_of(CONTESTED_TWICE)
    asked = ground.given("seller_tier")
    tiers = (
        ("brand_authorised", "preferred")
        if policy == "counterfeit"
        else ("preferred", "brand_authorised", "licensed_pharmacy")
    )
    tier = asked or ground.choose(tiers, "tier")
    segment = Segment.of(seller_tier=tier)
    exemptions = tuple(
        Edit(
            kind=EditKind.ADD_EXEMPTION,
            policy=policy,
            rule=rule.id,
            item=f"ex-{tier.replace('_', '-')}",
            new={
                "id": f"ex-{tier.replace('_', '-')}",
                "match": predicate_of(segment),
                "reason": "they hold the permission",
            },
        )
        for rule in _live(ground, policy)
    )
    return Site(
        segment=segment,
        where=Segment.of(policy=policy, seller_tier=tier),
        policy=policy,
        description=f"{tier} sellers may do what {policy} forbids; no exemption says so",
        right_edits=exemptions,
        levers=(EditKind.ADD_EXEMPTION,),
        change=("process", {"seller_tier": (tier,)}, f"new terms for {tier} sellers take effect"),
    )


def taxonomy_gap(ground: Ground) -> Site:
    """A new kind of harm that no clause names: people report it, nothing catches it."""
    topics = gap_topics()
    name = ground.incident.options.get("topic") or ground.choose(sorted(topics), "topic")
    topic = topics[name]
    policy, category, detector = topic["policy"], topic["category"], topic["detector"]
    market = ground.given("market") or ground.choose(("ID", "TH", "VN", "PH"), "market")
    clause = f"{topic['clause_prefix']}.{name.replace('_', '-')}"
    rule = {"id": f"{name.replace('_', '-')}-draft", "clause": clause, "status": "draft", "detector": detector}
    return Site(
        segment=Segment.of(market=market, category=category),
        where=Segment.of(stream=ground.id),
        policy=policy,
        description=f"new harm that no clause names: {name.replace('_', ' ')} in {market}, {category}",
        alternatives=(Segment.of(category=category),),
        right_edits=(
            Edit(kind=EditKind.ADD_CLAUSE, policy=policy, clause=clause, new={"id": clause, "text": topic["text"]}),
            Edit(
                kind=EditKind.ADD_RULE,
                policy=policy,
                rule=rule["id"],
                new={**rule, "threshold": {"default": 0.5}, "action": "remove", "points": 0},
            ),
        ),
        levers=(EditKind.ADD_CLAUSE, EditKind.ADD_RULE),
        narrow=Narrow(market=market, category=category, detector=detector, from_week=ground.onset, violating=0.97),
        knobs={"signals": 0.5, "unseen": 1.0, f"gap_{name}": 1.0},
    )


def evidence_not_requested(ground: Ground) -> Site:
    """The appeal form stopped asking for the proof that reviewers need."""
    policy = ground.policy_of(CONTESTED_TWICE)
    asked = ground.policies.policies[policy].appeal.evidence
    left = asked[1:]
    return Site(
        segment=Segment.of(policy_id=policy),
        where=Segment.of(policy=policy),
        policy=policy,
        description=f"appeals under {policy} no longer ask for {asked[0]}",
        alternatives=(Segment({}),),
        edits=(Edit(kind=EditKind.SET_EVIDENCE, policy=policy, old=list(asked), new=list(left)),),
        right_edits=(Edit(kind=EditKind.SET_EVIDENCE, policy=policy, old=list(left), new=list(asked)),),
        levers=(EditKind.SET_EVIDENCE, EditKind.EDIT_NOTICE),
        change=("process", {"policy_id": (policy,)}, f"appeal form of {policy} shortened"),
    )


def notice_unclear(ground: Ground) -> Site:
    """A notice lost its reason in one language."""
    policy = ground.policy_of((*BUSY, "undisclosed-ads"))
    written = [n.language for n in ground.policies.notices.values()]
    language = ground.spot([["language"]], (pl.col("policy") == policy) & pl.col("language").is_in(written))["language"]
    choice = ground.policies.policies[policy].notice
    template = choice.template if choice else policy
    clear = ground.policies.notices[f"{template}.{language}"].text
    vague = "\n\n".join(
        p for p in clear.split("\n\n") if "{{clause_text}}" not in p and "{{facts}}" not in p and "\n- " not in p
    )
    item = f"{template}.{language}"
    return Site(
        segment=Segment.of(language=language),
        where=Segment.of(policy=policy, language=language),
        policy=policy,
        description=f"notice {item} no longer says which clause and what was found",
        alternatives=(Segment.of(template_id=template, template_version="2"), Segment.of(template_version="2")),
        edits=(Edit(kind=EditKind.EDIT_NOTICE, policy=policy, item=item, old=clear, new=vague),),
        right_edits=(Edit(kind=EditKind.EDIT_NOTICE, policy=policy, item=item, old=vague, new=clear),),
        levers=(EditKind.EDIT_NOTICE,),
        change=("template", {"policy_id": (policy,), "language": (language,)}, f"notice {item} shortened"),
        template=(template, language),
    )


def reviewer_error(ground: Ground) -> Site:
    """One team begins to confirm what it should reject."""
    policy = ground.policy_of(REVIEWED[:2])
    queue = ground.given("queue") or ground.choose(QUEUES[policy], "queue")
    return Site(
        segment=Segment.of(queue=queue),
        where=Segment.of(policy=policy, queue=queue),
        policy=policy,
        description=f"reviewers of {queue} confirm legitimate cases; the other teams do not",
    )


def reviewer_inconsistent(ground: Ground) -> Site:
    """Reviewers decide like cases differently, in every team."""
    policy = ground.policy_of(CONTESTED_TWICE)
    return Site(
        segment=Segment.of(policy_id=policy),
        where=Segment.of(policy=policy),
        policy=policy,
        description=f"reviewers of {policy} decide like cases differently, in every team and market",
        alternatives=(Segment({}),),
        levers=(EditKind.EDIT_CLAUSE,),
    )


def routing(ground: Ground) -> Site:
    """Cases for specialists land in the general queue."""
    policy = ground.policy_of(REVIEWED)
    return Site(
        segment=Segment.of(queue=WRONG_QUEUE),
        where=Segment.of(policy=policy),
        policy=policy,
        description=f"cases of {policy} that specialists should see go to {WRONG_QUEUE}",
        alternatives=(Segment.of(automated_decision="partially"),),
        levers=(EditKind.SET_HUMAN_REVIEW,),
        change=("process", {"policy_id": (policy,)}, f"queue routing of {policy} migrated"),
    )


def data_error(ground: Ground) -> Site:
    """A feed writes wrong outcomes and impossible values for one market."""
    market = ground.spot([["market"]], pl.lit(True))["market"]
    return Site(
        segment=Segment.of(market=market),
        where=Segment.of(market=market),
        policy=None,
        description=f"the appeals feed of {market} writes upheld as overturned, decided at the second of filing",
        change=("process", {"market": (market,)}, f"appeals feed of {market} moved to a new system"),
    )


def seller_abuse(ground: Ground) -> Site:
    """A few organised sellers break a policy and paste the same appeal everywhere."""
    policy = ground.policy_of(BUSY)
    market = ground.spot([["market"]], pl.col("policy") == policy)["market"]
    local = ground.sellers.with_row_index("i").filter(
        pl.col("home_market") == market, pl.col("seller_tier").is_in(["new", "standard"])
    )
    count = min(14, local.height)
    chosen = ground.draws.stream(f"{ground.id}.sellers").choice(local["i"].to_numpy(), count, replace=False)
    busiest = max((d for d in DETECTORS if d.policy == policy), key=lambda d: d.share)
    language = str(ground.sellers["seller_language"][int(chosen[0])])
    return Site(
        segment=Segment.of(market=market),
        where=Segment.of(stream=ground.id),
        policy=policy,
        description=f"{count} organised sellers in {market} paste the same appeal under every {policy} violation",
        alternatives=(Segment.of(market=market, detector=busiest.name),),
        narrow=Narrow(
            market=market,
            detector=busiest.name,
            from_week=ground.onset,
            sellers=tuple(int(i) for i in sorted(chosen)),
            violating=0.95,
        ),
        sellers=tuple(sorted(ground.sellers["seller_id"][sorted(int(i) for i in chosen)].to_list())),
        campaign=bank(language)["campaign"][0],
    )


MECHANISM_SITES: dict[str, Callable[[Ground], Site]] = {
    f.__name__: f
    for f in (
        detector_error,
        threshold,
        clause_ambiguous,
        clause_scope,
        taxonomy_gap,
        evidence_not_requested,
        notice_unclear,
        reviewer_error,
        reviewer_inconsistent,
        routing,
        data_error,
        seller_abuse,
    )
}
