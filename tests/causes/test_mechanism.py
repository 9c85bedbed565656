from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from gne_analytics.causes.changes import match_changes
from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.mechanism import type_mechanism
from gne_analytics.causes.onset import Onset, find_onset
from gne_analytics.causes.signatures import SIGNATURES
from gne_analytics.evidence.claims import check_template
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, Mechanism
from gne_analytics.metrics import make_shift, parse_window

PLANTED = Segment.of(market="ID", category="beauty")
ONSET = date(2026, 9, 14)
WINDOWS = (parse_window("2026-08-03..2026-09-14"), parse_window("2026-09-14..2026-10-26"))


def typed(world, cases=None, kind=CauseKind.RATE_SHIFT, segment=PLANTED):
    observed, store = world(0, planted=PLANTED), EvidenceStore()
    shift = make_shift(observed, *WINDOWS)
    frame = observed.frame.with_columns(
        final=pl.when(pl.col("k") == 1).then(pl.lit("overturned")).otherwise(pl.lit("upheld"))
    )
    context = MechanismContext(cases=cases(frame) if cases else frame)
    return type_mechanism(
        shift, segment, kind, Onset(ONSET, ONSET, ONSET), (), changes_known=False, context=context, store=store
    ), store


def late():
    return pl.col("event_date") >= ONSET


def test_every_mechanism_but_unknown_has_a_signature_that_says_what_would_tell_it_apart():
    assert set(SIGNATURES) == set(Mechanism) - {Mechanism.UNKNOWN}
    store = EvidenceStore()
    assert all(s.owner and not check_template(s.tell_apart, store) for s in SIGNATURES.values())
    assert all(set(s.needs) <= set(s.clues) for s in SIGNATURES.values())


def test_nothing_to_go_by_is_called_unknown(world):
    found, _ = typed(world)
    assert found.mechanism is Mechanism.UNKNOWN


def test_a_version_that_arrives_with_the_onset_is_a_detector_error_and_its_reasons_are_claims(world):
    version = pl.when(late()).then(pl.lit("v7")).otherwise(pl.lit("v6"))
    found, store = typed(world, lambda f: f.with_columns(detector_version=version))
    assert found.mechanism is Mechanism.DETECTOR_ERROR
    assert (found.owner, "set_human_review" in found.levers) == ("detector", True)
    assert found.reasons
    assert all(not check_template(reason, store) for reason in found.reasons)


def test_a_threshold_that_fell_is_named_though_no_change_was_logged(world):
    fell = {"threshold_at_decision": pl.when(late()).then(0.55).otherwise(0.7), "score": pl.lit(0.75)}
    found, _ = typed(world, lambda f: f.with_columns(**fell))
    assert found.mechanism is Mechanism.THRESHOLD


@pytest.mark.parametrize("kind", [CauseKind.MIX_SHIFT, CauseKind.PLATFORM_EVENT, CauseKind.BATCH_CORRECTION])
def test_a_decoy_is_never_typed_as_a_failing(world, kind):
    version = pl.when(late()).then(pl.lit("v7")).otherwise(pl.lit("v6"))
    found, _ = typed(world, lambda f: f.with_columns(detector_version=version), kind)
    assert found.mechanism is Mechanism.UNKNOWN


@pytest.mark.parametrize("column", ["queue", "review_team", "site", "reviewer_shift"])
def test_a_team_that_drifts_alone_is_a_reviewer_error_whatever_its_column_is_called(world, column):
    observed = world(0, planted=Segment.of(queue="q1"))
    final = pl.when(pl.col("k") == 1).then(pl.lit("overturned")).otherwise(pl.lit("upheld"))
    frame = observed.frame.with_columns(final=final).rename({"queue": column})
    found = type_mechanism(
        make_shift(observed, *WINDOWS), Segment.of({column: "q1"}), CauseKind.RATE_SHIFT, Onset(ONSET, ONSET, ONSET),
        (), changes_known=False, context=MechanismContext(cases=frame), store=EvidenceStore(),
    )  # fmt: skip
    assert found.mechanism is Mechanism.REVIEWER_ERROR
    assert len(found.reasons) == 2  # the team is named, and the other teams stayed as they were


def test_a_new_segment_is_no_detector_error_for_want_of_a_past(world):
    found, _ = typed(world, lambda f: f.with_columns(detector_version=pl.lit("v7")), CauseKind.NEW_SEGMENT)
    assert found.mechanism is Mechanism.UNKNOWN


def changes(*rows):
    return pl.DataFrame(
        [
            {
                "change_id": i,
                "at": datetime(2026, *day, tzinfo=UTC),
                "kind": "detector",
                "scope": scope,
                "description": "",
            }
            for i, day, scope in rows
        ]
    )


def test_a_change_is_matched_by_place_and_date_and_its_placebo_shows_nothing(world):
    observed = world(0, planted=PLANTED)
    table = changes(
        ("fits", (9, 14), '{"market": ["ID"], "category": ["beauty"]}'),
        ("elsewhere", (9, 14), '{"market": ["TH"]}'),
        ("too early", (8, 10), '{"market": ["ID"]}'),
        ("everything", (9, 14), "{}"),
    )
    (match,) = match_changes(observed, make_shift(observed, *WINDOWS), PLANTED, Onset(ONSET, ONSET, ONSET), table)
    assert match.change_id == "fits"
    assert match.did.interval.lo > 0.1
    assert match.placebo.interval.lo <= 0 <= match.placebo.interval.hi


def test_an_onset_is_found_in_volume_for_a_segment_that_is_new(world):
    observed = world(0)
    keep = (pl.col("market") != "SG") | (pl.col("event_date") >= date(2026, 9, 20))
    fresh = replace(observed, frame=observed.frame.filter(keep))
    onset = find_onset(fresh, Segment.of(market="SG"), *WINDOWS, volume=True)
    assert abs((onset.day - date(2026, 9, 20)).days) <= 1
    assert onset.lo <= onset.day <= onset.hi


def test_what_never_stepped_has_no_onset(world):
    assert find_onset(world(1), Segment.of(queue="q1"), *WINDOWS) is None
    assert find_onset(world(1), Segment.of(queue="q1"), Segment.of(market="ID"), Segment.of(market="TH")) is None


def judged(flip):
    """Audits of every case after the onset, drawn apart from the appeals' outcomes by so much, and true before."""

    def audits(frame):
        rng = np.random.default_rng(0)
        wrong = rng.random(frame.height) < np.where(frame["event_date"] >= ONSET, flip, 0.02)
        return frame.select("violation_id", "event_date", *frame_dims, violating=(pl.col("k") == 0) ^ pl.Series(wrong))

    frame_dims = ("market", "category")
    return audits


@pytest.mark.parametrize(("flip", "seen"), [(0.45, True), (0.02, False)])
def test_audits_that_appeals_contradict_both_ways_tell_of_decisions_that_disagree(world, flip, seen):
    observed, store = world(0, planted=PLANTED), EvidenceStore()
    final = pl.when(pl.col("k") == 1).then(pl.lit("overturned")).otherwise(pl.lit("upheld"))
    frame = observed.frame.with_columns(final=final, violation_id=pl.col("id"))
    shift, onset = make_shift(observed, *WINDOWS), Onset(ONSET, ONSET, ONSET)
    context = MechanismContext(cases=frame, audits=judged(flip)(frame))
    found = type_mechanism(
        shift, Segment({}), CauseKind.RATE_SHIFT, onset, (), changes_known=False, context=context, store=store
    )
    assert (found.mechanism is Mechanism.REVIEWER_INCONSISTENT) is seen


def test_every_clue_of_words_says_what_the_appeals_say():
    from gne_analytics.causes.clues_said import SAY, WORDS

    assert set(SAY) == set(WORDS)
    assert "so" not in {words.split()[-1] for words in SAY.values()}
