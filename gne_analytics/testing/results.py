"""Made-up but lifelike results: a shift with its causes, themes, a proposal and its backtest, for figures and pages.

The numbers are consistent: the parts of the shift add up, rates match their counts, and texts hold what hostile sellers
write. Nothing here was measured.
"""

from datetime import UTC, date, datetime, timedelta
from math import sin
from typing import Final

import polars as pl

from gne_analytics.agents.narrator import narrate
from gne_analytics.evidence.proposals import (
    Agreement,
    Backtest,
    Concentration,
    Flow,
    Guardrail,
    Identification,
    LadderExposure,
    Outcome,
    Proposal,
    Recommendation,
)
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import (
    Cause,
    CauseKind,
    Counts,
    Decomposition,
    Edit,
    EditKind,
    Estimate,
    Interval,
    LabelSource,
    MatchedChange,
    Mechanism,
    MixEffect,
    Period,
    Rival,
    Shift,
)
from gne_analytics.release.contents import CausePart, OtherName, ProposalPart, ReportInput, ShiftPart
from gne_analytics.strategy.audits import AuditPlan
from gne_analytics.tables.capabilities import Capability
from gne_analytics.testing.said import HOSTILE, a_crossing, some_themes, some_weeks
from gne_analytics.themes.hierarchy import Hierarchy, Level, Node

BASELINE: Final = Period(start=date(2026, 7, 6), end=date(2026, 9, 7))
FOCUS: Final = Period(start=date(2026, 9, 28), end=date(2026, 11, 2))
_ONSET: Final = date(2026, 9, 28)


def a_shift(evidence: tuple[str, ...] = ()) -> Shift:
    """A rise of the overturn rate of one policy, 12.4 points."""
    before, after = Counts(k=1_312, n=7_204, units=2_911), Counts(k=1_406, n=4_594, units=1_988)
    return Shift(
        id="S1",
        metric="overturn_rate",
        scope=Segment.of(policy_id="counterfeit"),
        baseline=BASELINE,
        focus=FOCUS,
        before=before,
        after=after,
        delta=Estimate(
            value=after.rate - before.rate, interval=Interval(lo=0.101, hi=0.147, method="cluster"), n=11_798
        ),
        label_source=LabelSource.APPEAL_FINAL,
        e_value=812.0,
        significant=True,
        flags=("The last two weeks are immature and were left out.",),
        evidence=evidence,
    )


def some_causes() -> tuple[Cause, ...]:
    """Two confirmed causes and a candidate of the shift, with mechanisms, rivals and a matching change."""
    return (
        Cause(
            id="S1-C1",
            shift_id="S1",
            rank=1,
            segment=Segment.of(market="ID", detector_version="logo-v7"),
            kind=CauseKind.RATE_SHIFT,
            status="confirmed",
            before=Counts(k=118, n=702, units=300),
            after=Counts(k=552, n=981, units=402),
            effect=Estimate(value=0.391, interval=Interval(lo=0.341, hi=0.441, method="cross-fitted"), n=981),
            leave_out=0.0862,
            contribution=0.0791,
            e_value=530.0,
            onset=_ONSET,
            onset_interval=(date(2026, 9, 26), date(2026, 10, 1)),
            mechanism=Mechanism.DETECTOR_ERROR,
            mechanism_reasons=(
                "The rise begins on the day on which the detector's version changed.",
                "Scores of cases that audits found legitimate rose, in this segment only.",
            ),
            rivals=(
                Rival(
                    mechanism=Mechanism.THRESHOLD,
                    score=0.3,
                    tell_apart="A threshold too low shows overturns near the threshold; these lie at all scores.",
                ),
            ),
            owner="detector",
            levers=("add_override", "set_human_review"),
            changes=(
                MatchedChange(
                    change_id="chg-0412",
                    kind="detector",
                    at=_ONSET,
                    did=Estimate(value=0.377, interval=Interval(lo=0.31, hi=0.44), n=4_400),
                    placebo=Estimate(value=0.006, interval=Interval(lo=-0.03, hi=0.042), n=4_100),
                ),
            ),
            same_rows=(Segment.of(market="ID", queue="ip-jakarta"),),
        ),
        Cause(
            id="S1-C2",
            shift_id="S1",
            rank=2,
            segment=Segment.of(category=("beauty/sun-care", "beauty/skin"), seller_tier="brand_authorised"),
            kind=CauseKind.RATE_SHIFT,
            status="confirmed",
            before=Counts(k=61, n=288, units=92),
            after=Counts(k=203, n=311, units=101),
            effect=Estimate(value=0.431, interval=Interval(lo=0.33, hi=0.53), n=311),
            leave_out=0.0231,
            contribution=0.0205,
            e_value=88.0,
            onset=date(2026, 10, 5),
            mechanism=Mechanism.CLAUSE_SCOPE,
            mechanism_reasons=("Nearly all appeals of authorised sellers succeed, those of others do not.",),
            owner="policy",
            levers=("add_exemption",),
        ),
        Cause(
            id="S1-C3",
            shift_id="S1",
            rank=3,
            segment=Segment.of(language="vi"),
            kind=CauseKind.RATE_SHIFT,
            status="candidate",
            status_reason="It was found in one fold of sellers and not in the other.",
            before=Counts(k=4, n=31, units=20),
            after=Counts(k=9, n=24, units=17),
            effect=Estimate(value=0.21, interval=Interval(lo=-0.02, hi=0.44), n=24),
            leave_out=0.0034,
            contribution=0.0029,
        ),
    )


def a_decomposition() -> Decomposition:
    """The shift taken apart; the parts add up to it exactly."""
    delta = a_shift().delta.value
    causes = {cause.id: cause.contribution for cause in some_causes()}
    mix = (MixEffect(dimension="market", contribution=0.0121), MixEffect(dimension="seller_tier", contribution=-0.0034))
    rest = delta - sum(causes.values()) - sum(m.contribution for m in mix)
    return Decomposition(delta=delta, causes=causes, mix=mix, residual=rest)


def a_series() -> pl.DataFrame:
    """The shift by week, with the columns of `figures.shift_series`; the last two weeks are immature."""
    weeks = [date(2026, 7, 6) + timedelta(weeks=i) for i in range(18)]
    rates = [0.182 + 0.012 * sin(i * 1.7) + (0.124 if week >= _ONSET else 0.0) for i, week in enumerate(weeks)]
    sizes = [820 + 40 * (i % 4) if i < 16 else 240 - 90 * (i - 16) for i in range(18)]
    sizes[5] = 22
    return pl.DataFrame(
        {
            "week": weeks,
            "k": [round(r * n) for r, n in zip(rates, sizes, strict=True)],
            "n": sizes,
            "lo": [max(r - 1.1 / n**0.5, 0.0) for r, n in zip(rates, sizes, strict=True)],
            "hi": [min(r + 1.1 / n**0.5, 1.0) for r, n in zip(rates, sizes, strict=True)],
            "matured": [i < 16 for i in range(18)],
        }
    )


def some_siblings() -> pl.DataFrame:
    """The first cause's market beside the others, with the columns of `figures.siblings`, and along."""
    rates = {"ID": (0.168, 0.563), "TH": (0.181, 0.192), "VN": (0.175, 0.2), "MY": (0.19, 0.188), "PH": (0.2, 0.15)}
    sizes = {"ID": 981, "TH": 1_340, "VN": 820, "MY": 610, "PH": 19}
    rows = [
        {"value": market, "window": window, "k": round(rate * sizes[market]), "n": sizes[market]}
        | {"lo": max(rate - 1 / sizes[market] ** 0.5, 0.0), "hi": rate + 1 / sizes[market] ** 0.5}
        | {"in_cause": market == "ID", "along": "market"}
        for market, pair in rates.items()
        for window, rate in zip(("baseline", "focus"), pair, strict=True)
    ]
    return pl.DataFrame(rows)


def behind_a_cause() -> CausePart:
    """What lies behind the first cause; one of its example rows is hostile."""
    causes = some_causes()
    first, other = causes[0], causes[0].same_rows[0]
    examples = pl.DataFrame(
        {
            "id": ["v-4401", "v-4409"],
            "day": [date(2026, 10, 2), date(2026, 10, 9)],
            "counted": [True, False],
            "market": ["ID", "ID"],
            "what the seller says": [HOSTILE, "הלוגו הוא של המותג שלנו"],
        }
    )
    return CausePart(
        series=a_series(),
        siblings=some_siblings(),
        names=(
            OtherName(first.segment, "named", 1.0, first.before, first.after),
            OtherName(other, "same rows", 0.94, Counts(k=121, n=731), Counts(k=560, n=1_004)),
            OtherName(Segment.of(market="ID"), "overlaps", 0.41, Counts(k=402, n=2_204), Counts(k=801, n=2_018)),
        ),
        examples=examples,
        changes=((_ONSET, "detector logo-v7 live in Indonesia"),),
    )


def a_tree() -> Hierarchy:
    """The made-up themes of appeals as a tree: two of them merged above the fitted level, one split below it."""
    themes = [t for t in some_themes() if t.view == "seller_text"]
    nodes = [
        Node(id=t.id, parent="all", label=t.label, terms=t.terms, size=t.size, folded=t.folded, units=t.units,
             themes=(t.id,), leaves=(i, i + 10) if i == 0 else (i,))
        for i, t in enumerate(themes)
    ]  # fmt: skip
    whole = nodes[0].model_copy(update={
        "id": "all", "parent": "", "label": "everything", "themes": tuple(n.id for n in nodes),
        "leaves": tuple(leaf for n in nodes for leaf in n.leaves), "size": sum(n.size for n in nodes),
        "folded": sum(n.folded for n in nodes),
    })  # fmt: skip
    parts = [
        nodes[0].model_copy(update={"id": f"T1.{i}", "parent": "T1", "leaves": (leaf,), "label": f"part {i}"})
        for i, leaf in enumerate(nodes[0].leaves, 1)
    ]
    fitted = tuple(n.id for n in nodes)
    return Hierarchy(
        view="seller_text",
        nodes=(whole, *nodes, *parts),
        levels=(Level(nodes=("all",)), Level(nodes=fitted), Level(nodes=(*(p.id for p in parts), *fitted[1:]))),
        fitted=1,
    )


def some_spots() -> pl.DataFrame:
    """The map of the made-up themes: a few points each, one of them an exemplar, the first one's hostile."""
    rows = [
        {"x": leaf % 10 + dx / 10, "y": (leaf % 10) ** 2 / 4 + dx / 20, "leaf": leaf, "theme_id": node.id, "texts": 1,
         "exemplar": HOSTILE if dx == leaf == 0 else None}
        for node in a_tree().level(1) for leaf in node.leaves for dx in range(5)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"exemplar": pl.String})


def a_proposal() -> Proposal:
    """A threshold override for the first cause, recommended."""
    edit = Edit(
        kind=EditKind.ADD_OVERRIDE,
        policy="counterfeit",
        rule="logo-match",
        new={"id": "th-id-logo-v7", "match": "market = 'ID' AND detector_version = 'logo-v7'", "value": 0.82},
        reason="The new version misreads logos in this market.",
    )
    return Proposal(
        id="p-3f9a2c71",
        title="Raise the logo threshold to 0.82 for logo-v7 in Indonesia",
        policy="counterfeit",
        policy_base="9d1c55ab20cc4f11",
        cause_ids=("S1-C1",),
        edits=(edit,),
        rollback=(Edit(kind=EditKind.REMOVE_OVERRIDE, policy="counterfeit", rule="logo-match", item="th-id-logo-v7"),),
        rationale=("The cause is a detector's regression; until it is mended, a higher bar spares the wrongly hit.",),
        owner="ip-policy",
        recommendation=Recommendation.RECOMMEND,
    )


def a_backtest() -> Backtest:
    """The proposal's replay: fewer wrongful cases, a few violations missed, one guardrail that cannot tell."""
    return Backtest(
        proposal_id="p-3f9a2c71",
        cases=41_220,
        flow=Flow(kept=38_904, released=604, new=0, rerouted=0, untouched=1_712),
        identification=Identification(appeal_decided=392, audited=41, estimable=120, modelled=22, unidentified=29),
        outcomes=(
            Outcome(
                name="wrongful_enforcement",
                today=3_402.0,
                proposed=3_011.0,
                difference=Estimate(value=-391.0, interval=Interval(lo=-428.0, hi=-352.0), n=604),
                bounds=Interval(lo=-442.0, hi=-329.0, level=1.0, method="Manski"),
            ),
            Outcome(
                name="missed_violations",
                today=210.0,
                proposed=282.0,
                difference=Estimate(value=72.0, interval=Interval(lo=48.0, hi=99.0), n=604),
                bounds=Interval(lo=40.0, hi=121.0, level=1.0, method="Manski"),
                label_source=LabelSource.AUDIT,
            ),
            Outcome(
                name="loss",
                unit="cost",
                today=40_812.0,
                proposed=38_100.0,
                difference=Estimate(value=-2_712.0, interval=Interval(lo=-3_340.0, hi=-2_044.0), n=604),
            ),
        ),
        guardrails=(
            Guardrail(
                name="missed_violations",
                slice=Segment.of(market="ID"),
                margin=0.02,
                verdict="pass",
                difference=Estimate(value=0.006, interval=Interval(lo=0.001, hi=0.012), n=3_100),
                why="The interval ends below the margin.",
            ),
            Guardrail(
                name="missed_violations",
                slice=Segment.of(seller_tier="new"),
                margin=0.02,
                verdict="cannot_tell",
                difference=Estimate(value=0.011, interval=Interval(lo=-0.02, hi=0.041), n=41),
                why="Too few labels.",
            ),
            Guardrail(
                name="missed_violations",
                slice=Segment.of(category="toys"),
                margin=0.02,
                verdict="pass",
                difference=Estimate(value=0.0, interval=Interval(lo=-0.004, hi=0.004), n=900),
                why="The interval ends below the margin.",
            ),
        ),
        agreement=(Agreement(rule="logo-match", n=12_040, agreed=0.991),),
        usual_numbers={"share_overturned_among_appeals": 0.563, "hits_removed": 604.0},
        assumptions=("Sellers are assumed to go on as they did.",),
        limits=("Cases that nobody appealed and nobody audited are bounded by the worst case.",),
        recommendation=Recommendation.RECOMMEND,
        why="The loss falls even in the worst case, and no guardrail fails.",
        ladder=LadderExposure(
            sellers=2_911, perhaps={"suspended-7d": 2}, no_longer={"first-warning": 9, "suspended-7d": 4}
        ),
        concentration=Concentration(sellers=58, effective=11.06, top=10, share_of_change=0.69, share_of_cases=0.0704),
    )


def a_patch() -> str:
    """The lines that the proposal changes."""
    return (
        "--- a/policies/counterfeit.yaml\n+++ b/policies/counterfeit.yaml\n@@ -22,6 +22,9 @@\n"
        "     threshold:\n       default: 0.70\n       overrides:\n"
        "+        - id: th-id-logo-v7\n+          match: market = 'ID' AND detector_version = 'logo-v7'\n"
        "+          value: 0.82\n         - id: th-id-beauty\n"
    )


def _rising() -> pl.DataFrame:
    numbers = {"recent": 96, "weekly": 6.5, "ratio": 3.7, "lo": 2.1, "hi": 6.4, "uncaught_share": 0.94}
    return pl.DataFrame(
        {"theme_id": ["T9"], "label": ["pouches, mint, school"], **{k: [v] for k, v in numbers.items()}}
    )


def _funnel() -> pl.DataFrame:
    sizes = {"violations": 20_114, "appealed": 4_820, "decided": 4_511, "overturned": 1_218}
    n, of = list(sizes.values()), [20_114, 20_114, 4_820, 4_511]
    share = [a / b for a, b in zip(n, of, strict=True)]
    spread = {"share": share, "lo": [s - 0.01 for s in share], "hi": [min(s + 0.01, 1.0) for s in share]}
    return pl.DataFrame({"level": ["first"] * 4, "stage": list(sizes), "n": n, "of": of, **spread})


def _audits() -> AuditPlan:
    strata = pl.DataFrame(
        {
            "cell": ["counterfeit|released|-1|0"],
            "appealed": [False],
            "cases": [412],
            "labels": [11],
            "audits": [60],
            "probability": [0.15],
        }
    )
    return AuditPlan(strata, 61.0, 24.0, 0.7, 0.95, 40)


def _examples() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "bucket": ["candidate_fixes", "candidate_breaks"],
            "case_id": ["c-118", "c-902"],
            "violating": [0.0, 1.0],
            "label_source": ["appeal_final", "audit"],
            "score": [0.74, None],
            "state_today": ["enforced", "enforced"],
            "state_proposed": ["nothing", "nothing"],
        }
    )


def some_losing_sellers() -> pl.DataFrame:
    """The sellers who lose by the proposal, with the columns of `strategy.losing_sellers`; one's id is hostile."""
    counts = {
        "cases": [40, 9],
        "worse": [5, 1],
        "new": [3, 1],
        "rerouted": [2, 0],
        "released": [0, 1],
        "known_legitimate": [1, 0],
    }
    return pl.DataFrame({"unit": ["s-41", HOSTILE], **counts, "rows": [["c-71", "c-70"], ["c-3"]]})


def a_report(store: EvidenceStore | None = None) -> ReportInput:
    """A whole run to report: one shift, four themes, one proposal, a few rejected rows and a capability that is off."""
    store = EvidenceStore() if store is None else store
    part = ShiftPart(
        shift=a_shift(),
        causes=some_causes(),
        decomposition=a_decomposition(),
        refused={"outcome_reason": "It is known only after the decision."},
        series=a_series(),
        inside={"S1-C1": behind_a_cause()},
        changes=((_ONSET, "detector logo-v7 live in Indonesia"),),
    )
    findings = narrate([part.shift], [part], some_themes(), [a_proposal()], [a_backtest()], store)
    rejects = pl.DataFrame(
        {
            "table": ["appeals", "appeals", "assessments"],
            "row": [17, 18, 401],
            "key": ["ap-17", "ap-18", "c-401"],
            "column": ["violation_id", "violation_id", "score"],
            "reason": ["appeal without its violation", "appeal without its violation", "score outside [0, 1]"],
        }
    )
    return ReportInput(
        title="Counterfeit overturns rose in Indonesia",
        source="demo",
        as_of=datetime(2026, 11, 15, 22, 10, tzinfo=UTC),
        version="0.1.0",
        seed=0,
        store=store,
        looked_at=48,
        findings=tuple(findings),
        shifts=(part,),
        themes=some_themes(),
        weeks=some_weeks(),
        crossed=a_crossing(),
        rising=_rising(),
        funnel=_funnel(),
        proposals=(ProposalPart(a_proposal(), a_backtest(), a_patch(), _audits(), _examples(), some_losing_sellers()),),
        referrals=("The regression itself is for the detector's owners: no policy can mend a misread logo.",),
        rows={"violations": 20_114, "appeals": 4_820, "assessments": 61_007},
        rejects=rejects,
        capabilities=(
            Capability("audits", on=True),
            Capability(
                "cure rate",
                on=False,
                why_off="No violation says when it was corrected.",
                turned_on_by=("violations.corrected_at",),
            ),
        ),
        notes=("Written by the narrator; no language model was asked.",),
    )
