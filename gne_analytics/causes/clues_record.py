"""Clues in the record itself: values that cannot be, fields that went missing, audits that disagree, signals."""

from collections.abc import Callable
from datetime import timedelta

import polars as pl

from gne_analytics.causes.cells import is_version
from gne_analytics.causes.scene import ENOUGH, Clue, Scene, Share, rise, unit
from gne_analytics.evidence.types import CauseKind
from gne_analytics.metrics.definitions import DECIDED, OVERTURNED

IMPOSSIBLE: tuple[tuple[str, tuple[str, ...], pl.Expr], ...] = (
    ("appeals decided at the second of filing", ("settled_at", "settled_filed_at"),
     pl.col("settled_at") - pl.col("settled_filed_at") <= timedelta(seconds=1)),
    ("appeals filed before the decision", ("filed_at", "decided_at"), pl.col("filed_at") < pl.col("decided_at")),
    ("reversals before the decision", ("reversed_at", "decided_at"), pl.col("reversed_at") < pl.col("decided_at")),
    ("corrections before the decision", ("corrected_at", "decided_at"), pl.col("corrected_at") < pl.col("decided_at")),
    ("scores under their own threshold", ("score", "threshold_at_decision"),
     pl.col("score") < pl.col("threshold_at_decision")),
    ("cases enforced at a score of nought", ("score",), pl.col("score") <= 0),
    ("negative points", ("points",), pl.col("points") < 0),
)  # fmt: skip
"""What cannot be in a sound record: what it is called, the columns it takes, and its test."""
SAMPLE = 20_000
PLAINLY = 0.5
"""A fault of this strength stands by itself."""
PLACEHOLDERS = (
    "(missing)",
    "unknown",
    "unk",
    "n/a",
    "none",
    "null",
    "nan",
    "undefined",
    "-",
    "?",
    "",
    "xx",
    "zz",
)


def _impossible(scene: Scene) -> dict[str, Clue]:
    best: Clue | None = None
    for what, columns, test in IMPOSSIBLE:
        if not set(columns) <= set(scene.after.columns):
            continue
        known = [f.filter(pl.all_horizontal(pl.col(c).is_not_null() for c in columns)) for f in scene.sides]
        if min(f.height for f in known) < ENOUGH:
            continue
        odd = [Share.of(f.select(test.fill_null(False)).to_series()) for f in known]
        strength = unit((rise(odd[0], odd[1]) - 0.01) / 0.08)
        if best is None or strength > best.strength:
            share = scene.share(odd[1], known[1].height, what)
            best = Clue(strength, f"{share} of them are {what}.")
    return {"impossible_values": best} if best else {}


def _missing(scene: Scene) -> dict[str, Clue]:
    """A field that is empty, or holds a stand-in for a value, since the onset."""
    before, after = scene.before, scene.after
    named = [v for d, values in scene.segment.items() for v in values if not is_version(d)]
    if named and all(v.strip().lower() in PLACEHOLDERS for v in named) and _grew(scene):
        return {
            "fields_missing": Clue(1.0, "The segment is the cases with a field missing, of which there are more now.")
        }
    if min(before.height, after.height) < 2 * ENOUGH:
        return {}
    columns = [
        c for c in after.columns
        if c not in UNSTEADY and not c.startswith("appeal_") and after.schema[c].base_type() in (pl.String, pl.Float64)
    ]  # fmt: skip
    empty = pl.col(columns).cast(pl.String).str.to_lowercase().str.strip_chars()
    flags, rests = (
        [_some(f).select(empty.is_null() | empty.is_in(PLACEHOLDERS)).fill_null(True) for f in sides]
        for sides in (scene.sides, scene.rest)
    )
    found = [
        (rise(Share.of(flags[0][c]), Share.of(flags[1][c]), (Share.of(rests[0][c]), Share.of(rests[1][c]))), c)
        for c in columns
        if c not in scene.segment.dimensions
    ]
    if not found:
        return {}
    most, column = max(found)
    return {
        "fields_missing": Clue(unit((most - 0.05) / 0.25), f"Column {scene.name(column)} is missing since the onset.")
    }


def _grew(scene: Scene) -> bool:
    """Whether the segment holds a plainly larger part of all cases since the onset."""
    before, after = ((own.height, rest.height) for own, rest in zip(scene.sides, scene.rest, strict=True))
    was, now = (Share(own, own + rest) for own, rest in (before, after))
    return now.n > 0 and (was.n == 0 or rise(was, now) > 0)


def _some(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows, or so many of them as tell a share well enough."""
    return frame.sample(SAMPLE, seed=0) if frame.height > SAMPLE else frame


UNSTEADY = frozenset(
    {"said", "final", "final_level", "first", "second", "reviewer_id", "queue", "reversal_source", "reversal_reason",
     "parent_violation_id", "notice_text", "content_text", "facts"}
)  # fmt: skip
"""Columns that are empty by what becomes of a case: their filling is no fault of a feed."""


def _audits(scene: Scene) -> dict[str, Clue]:
    """Whether like cases are judged either way: audits against one another, and against what appeals decided."""
    found = [c for c in (_paired(scene), _either_way(scene)) if c is not None]
    return {"audits_disagree": max(found, key=lambda c: c.strength)} if found else {}


def _paired(scene: Scene) -> Clue | None:
    sides: list[Share] = []
    for frame in (scene.audits_before, scene.audits_after):
        key = next((c for c in ("case_id", "violation_id") if c in frame.columns), None)
        if key is None or "violating" not in frame.columns:
            return None
        twice = frame.group_by(key).agg(pl.len().alias("n"), pl.col("violating").n_unique().alias("v"))
        twice = twice.filter((pl.col("n") > 1) & pl.col(key).is_not_null())
        sides.append(Share.of(twice["v"] > 1))
    if sides[1].n < ENOUGH:
        return None
    # Few pairs before: audits of sound cases seldom disagree.
    before = sides[0] if sides[0].n >= ENOUGH else Share(sides[0].k + 1, sides[0].n + ENOUGH)
    share = scene.share(sides[1], round(sides[1].n), "paired audits that disagree after the onset")
    return Clue(
        unit(rise(before, sides[1]) / 0.1), f"{share} of the cases audited more than once are judged both ways."
    )


def _either_way(scene: Scene) -> Clue | None:
    """Appeals that decide against the audit, more often than before in both directions; one alone is another fault."""
    wrong: list[tuple[Share, Share]] = []
    for cases, audits in zip(scene.sides, (scene.audits_before, scene.audits_after), strict=True):
        key = next((c for c in ("violation_id", "case_id") if c in audits.columns and c in cases.columns), None)
        if key is None or "violating" not in audits.columns or "final" not in cases.columns:
            return None
        labels = audits.select(key, "violating").drop_nulls().unique(key, keep="first", maintain_order=True)
        both = cases.filter(pl.col("final").is_in(list(DECIDED))).join(labels, on=key)
        won = pl.col("final").is_in(list(OVERTURNED))
        sound, bad = both.filter(~pl.col("violating")), both.filter("violating")
        wrong.append((Share.of(sound.select(~won).to_series()), Share.of(bad.select(won).to_series())))
    if min(s.n for side in wrong for s in side) < ENOUGH:
        return None
    least = min(rise(before, after) for before, after in zip(*wrong, strict=True))
    lost = Share(wrong[1][0].k + wrong[1][1].k, wrong[1][0].n + wrong[1][1].n)
    share = scene.share(lost, round(lost.n), "audited cases that appeals decided otherwise after the onset")
    return Clue(unit(least / 0.1), f"Appeals decide {share} of its audited cases otherwise, in both directions.")


def _signals(scene: Scene) -> dict[str, Clue]:
    """Whether people report what no policy catches, and more than is so elsewhere."""
    if scene.shift.metric != "signals_without_violation":
        return {"signals_uncaught": Clue(0.0)}
    if scene.signals is None or scene.signals[0].height < ENOUGH:
        strength, own = float(scene.rising), Share(scene.shift.after.k, scene.shift.after.n)
    else:
        own, rest = (Share.of(f["violation_id"].is_null()) for f in scene.signals)
        above = own.value - rest.value - (own.variance + rest.variance) ** 0.5
        # What has no past is uncaught more than the rest is, or it is but new.
        strength = unit(above / 0.15) if scene.kind is CauseKind.NEW_SEGMENT else float(scene.rising)
    share = scene.share(own, round(own.n), "signals without a violation")
    return {"signals_uncaught": Clue(strength, f"{share} of its signals meet no policy.")}


def _faults(scene: Scene) -> dict[str, Clue]:
    """What cannot be, or what is gone: either is fault enough, so where one shows the other is not asked for."""
    found = _impossible(scene) | _missing(scene)
    most = max(found, key=lambda c: found[c].strength, default="")
    return {most: found[most]} if most and found[most].strength >= PLAINLY else found


_Looks = tuple[Callable[[Scene], dict[str, Clue]], ...]
FAULTS: _Looks = (_faults,)
AUDITS: _Looks = (_audits,)
SIGNALS: _Looks = (_signals,)
