"""Why a shift happened, asked about the planted metric, scope and windows: is the mechanism right, given the cause?

Shift finding is left out of it: the baseline are the weeks before the onset, the focus those after it. A cause that
holds the planted rows (Jaccard from a half) is judged by its mechanism; a decoy by whether any cause is told as its
kind, and none as a failing. Besides, the planted rows themselves are handed to the typing, whether or not the search
found them, so that the rules are measured apart from the search. Worlds whose planted rows did not move beyond chance
are counted, and judged by nothing; so are, apart from them, worlds whose record cannot be asked at all.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import polars as pl

from benchmarks import elsewhere
from gne_analytics.causes.explain import explain
from gne_analytics.causes.telling import add_why, onset_of
from gne_analytics.errors import DataError
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Cause, CauseKind, Counts, Mechanism, Period, Shift
from gne_analytics.metrics.intervals import wilson
from gne_analytics.metrics.observations import Observations, counts_of, make_shift, mature, measure_shift, observe
from gne_analytics.metrics.windows import segment_mask
from gne_analytics.simulate import simulate
from gne_analytics.tables.record import Record, record_from_frames
from gne_analytics.workspace.handover import mechanism_context

GENERATORS = ("simulate", "elsewhere")
DECOYS = ("mix_shift", "seasonality", "batch_correction", "platform_event", "new_segment")
KINDS = (*(m.value for m in Mechanism if m is not Mechanism.UNKNOWN), *DECOYS)
SEVERITIES, VIOLATIONS = ("medium", "large"), (20_000, 40_000, 60_000)
BEFORE, AFTER = 12, 8
"""Weeks of baseline and focus."""
SAME = 0.5
PATHS = frozenset({"category"})


@dataclass(frozen=True)
class Planted:
    """What was planted, whoever generated it."""

    kind: str
    metric: str
    policy: str | None
    names: tuple[Segment, ...]
    """Descriptions of its rows, the best first."""
    onset: date


@dataclass(frozen=True)
class Told:
    """What became of one planted world."""

    kind: str
    seed: int
    moved: bool
    """The planted rows moved beyond chance; of a decoy, the metric did."""
    found: bool
    """Some cause holds the planted rows; of a decoy, some cause is there at all."""
    segment: bool
    """It is named as it was planted."""
    mechanism: str
    """Of the cause that was found; of a decoy its kind."""
    right: bool
    rival: bool
    """Where it is not right: the first rival is."""
    handed: str
    """The mechanism where the planted rows are handed over."""
    failing: int
    """Of a decoy: causes that are typed as a failing."""
    seconds: float
    refused: str = ""
    """Why it could not be asked: no such metric in the record, or a window without a row."""


def measure(
    generator: str, kinds: Sequence[str] | None, seeds: Sequence[int], without: tuple[str, ...] = ()
) -> Mapping[str, object]:
    """Judge every kind on every seed, print a table, and return the figures."""
    told: list[Told] = []
    for kind in kinds or KINDS:
        told += [judge(generator, kind, seed, without) for seed in seeds]
        print(_line(kind, [t for t in told if t.kind == kind]), flush=True)
    return _figures(generator, told)


def judge(generator: str, kind: str, seed: int, without: tuple[str, ...] = ()) -> Told:
    """Make one world, ask about what was planted, and hold the answer against it."""
    tables, planted = _world(generator, kind, seed)
    record = record_from_frames(_lacking(tables, without))
    own = planted.policy is not None and planted.metric != "signals_without_violation"
    scope = Segment.of(policy_id=str(planted.policy)) if own else Segment({})
    start = time.perf_counter()
    try:
        obs = observe(record, planted.metric, scope)
        shift = make_shift(obs, *_windows(planted))
    except DataError as error:
        return Told(kind, seed, False, False, False, "", False, False, "", 0, 0.0, str(error))
    context, store = mechanism_context(record, None), EvidenceStore()
    causes = explain(obs, shift, changes=record.changes, context=context, store=store).causes
    if kind in DECOYS:
        moved = shift.delta.interval is not None and not shift.delta.interval.lo <= 0 <= shift.delta.interval.hi
        kinds = [str(c.kind) for c in causes]
        failing = sum(c.mechanism is not Mechanism.UNKNOWN for c in causes)
        told = kind if kind in kinds else next(iter(kinds), "")
        seconds = time.perf_counter() - start
        return Told(kind, seed, moved, bool(causes), False, told, kind in kinds, False, "", failing, round(seconds, 1))
    sized = sorted(
        ((_overlap(record, shift, c.segment, planted), c) for c in causes if c.kind is not CauseKind.MIX_SHIFT),
        key=lambda p: -p[0],
    )
    best = sized[0][1] if sized and sized[0][0] >= SAME else None
    handed = _handed_over(obs, shift, planted)
    typed = add_why(mature(obs)[0], shift, handed, record.changes, context, store) if handed else None
    return Told(
        kind, seed, handed is not None, best is not None, best is not None and best.segment in _told_as(planted),
        str(best.mechanism) if best else "", best is not None and str(best.mechanism) == kind,
        bool(best and best.rivals and str(best.rivals[0].mechanism) == kind and str(best.mechanism) != kind),
        str(typed.mechanism) if typed else "", 0, round(time.perf_counter() - start, 1),
    )  # fmt: skip


def _world(generator: str, kind: str, seed: int) -> tuple[dict[str, pl.DataFrame], Planted]:
    if generator == "elsewhere":
        tables, plant = elsewhere.plant(kind, seed)
        names = (plant.segment, *plant.others)
        found = Planted(kind, plant.metric, plant.policy, tuple(Segment.of(s) for s in names), plant.onset)
        return tables, found
    severity, violations = SEVERITIES[seed % len(SEVERITIES)], VIOLATIONS[seed % len(VIOLATIONS)]
    world = simulate(f"{'decoy' if kind in DECOYS else 'incident'}:{kind}:{severity}", seed, violations=violations)
    (truth,) = world.truth.incidents
    names_ = (truth.segment, *truth.alternatives)
    return dict(world.tables), Planted(kind, truth.metric, truth.policy, names_, truth.onset)


def _lacking(tables: dict[str, pl.DataFrame], without: Sequence[str]) -> dict[str, pl.DataFrame]:
    """The tables less those, and less those columns, that are named: ``changes``, ``violations.score``."""
    left = {name: frame for name, frame in tables.items() if name not in without}
    for one in without:
        table, _, column = one.partition(".")
        if column and table in left:
            left[table] = left[table].drop(column, strict=False)
    return left


def _windows(planted: Planted) -> tuple[Period, Period]:
    """The weeks before the onset and since; of a season its last peak; of a correction run those it reached back to."""
    o = planted.onset

    def week(n: int) -> date:
        return o + timedelta(weeks=n)

    if planted.kind == "seasonality":
        return Period(start=week(-4), end=o), Period(start=o, end=week(2))
    if planted.kind == "batch_correction":
        return Period(start=week(-19), end=week(-8)), Period(start=week(-8), end=o)
    return Period(start=week(-BEFORE), end=o), Period(start=o, end=week(AFTER))


def _told_as(planted: Planted) -> Iterator[Segment]:
    for name in planted.names:
        yield name
        yield Segment.of({d: v for d, v in name.items() if d != "policy_id"})


def _handed_over(obs: Observations, shift: Shift, planted: Planted) -> Cause | None:
    """The planted rows as a cause; None where they did not move beyond chance, or not with the shift."""
    obs, _ = mature(obs)
    for name in _told_as(planted):
        if not set(name.dimensions) <= set(obs.frame.columns) or "policy_id" in name.dimensions:
            continue
        inside = obs.frame.filter(segment_mask(name, obs.paths))
        here = Observations(
            inside, obs.dims, obs.metric, obs.label_source, obs.paths, obs.unit, obs.scope, obs.source_hash,
            obs.known_dims,
        )  # fmt: skip
        side = here.sides(shift.baseline, shift.focus)
        before, after = counts_of(here, side, 0), counts_of(here, side, 1)
        if after.n < 20:
            continue
        has_past = before.n >= 5
        new = not has_past and not any("version" in d or "revision" in d for d in name.dimensions)
        if has_past:
            moved = measure_shift(here, shift.baseline, shift.focus).delta
            if moved.interval is None or moved.interval.lo <= 0 <= moved.interval.hi:
                return None
        else:
            moved = shift.delta.model_copy(update={"value": after.rate - shift.before.rate})
        if moved.value * shift.delta.value < 0:
            return None
        onset = onset_of(obs, shift, name, before if has_past else Counts(k=0, n=0), new)
        return Cause(
            id="planted", shift_id=shift.id, rank=1, segment=name, status="candidate", before=before, after=after,
            kind=CauseKind.NEW_SEGMENT if new else CauseKind.RATE_SHIFT, effect=moved, leave_out=0.0,
            contribution=0.0, onset=onset.day if onset else None,
            onset_interval=(onset.lo, onset.hi) if onset else None,
        )  # fmt: skip
    return None


def _overlap(record: Record, shift: Shift, segment: Segment, planted: Planted) -> float:
    """The overlap of a cause's rows with the best description of the planted ones, in the focus."""
    assert isinstance(shift.focus, Period)
    rows = record.table("signals" if shift.metric == "signals_without_violation" else "violations")
    day = pl.col("event_date")
    rows = rows.filter((day >= shift.focus.start) & (day < shift.focus.end))
    policy = Segment.of(policy_id=planted.policy) if shift.scope.depth and planted.policy else Segment({})
    mine = _rows(rows, shift.scope, segment)
    best = 0.0
    for name in planted.names:
        theirs = _rows(rows, policy, name)
        if mine is not None and theirs is not None and (either := int((mine | theirs).sum())):
            best = max(best, int((mine & theirs).sum()) / either)
    return best


def _rows(rows: pl.DataFrame, *segments: Segment) -> pl.Series | None:
    if any(d not in rows.columns for s in segments for d in s.dimensions):
        return None
    return rows.select(pl.all_horizontal(segment_mask(s, PATHS) for s in segments).alias("inside"))["inside"]


def _line(kind: str, told: Sequence[Told]) -> str:
    """One kind in words."""
    moved, found = [t for t in told if t.moved], [t for t in told if t.found]
    refused = sum(bool(t.refused) for t in told)
    head = f"{kind:24} worlds {len(told):3}, not asked {refused:3}, moved {len(moved):3}, found {len(found):3}"
    if kind in DECOYS:
        right = sum(t.right for t in moved)
        failing = sum(t.failing for t in told)
        return f"{head}; told as {kind} {right} of {len(moved)} that moved; typed as a failing {failing}"
    handed = [t for t in moved if t.handed]
    wrong = sorted({t.mechanism for t in found if not t.right and t.mechanism != "unknown"})
    return (
        f"{head}; named {sum(t.segment for t in found)}; mechanism {sum(t.right for t in found)}, else first rival "
        f"{sum(t.rival for t in found)}, unknown {sum(t.mechanism == 'unknown' for t in found)}; rows handed over "
        f"{sum(t.handed == kind for t in handed)} of {len(handed)}{'; wrong: ' + ', '.join(wrong) if wrong else ''}"
    )


def _figures(generator: str, told: Sequence[Told]) -> Mapping[str, object]:
    causes = [t for t in told if t.kind not in DECOYS]
    found, handed = [t for t in causes if t.found], [t for t in causes if t.handed]
    decoys = [t for t in told if t.kind in DECOYS and t.moved]
    right = sum(t.right for t in found)
    sure = wilson(right, len(found))
    by_hand = sum(t.handed == t.kind for t in handed)
    hand = wilson(by_hand, len(handed))
    kinds = {}
    for kind in dict.fromkeys(t.kind for t in told):
        own = [t for t in told if t.kind == kind]
        kinds[kind] = {
            "worlds": len(own), "refused": sum(bool(t.refused) for t in own),
            "moved": sum(t.moved for t in own), "found": sum(t.found for t in own),
            "segment": sum(t.segment for t in own), "right": sum(t.right for t in own),
            "rival": sum(t.rival for t in own), "handed": sum(bool(t.handed) for t in own),
            "handed_right": sum(t.handed == kind for t in own), "failing": sum(t.failing for t in own),
        }  # fmt: skip
    figures: dict[str, object] = {
        "generator": generator, "worlds": len(told), "found": len(found),
        "refused": sum(bool(t.refused) for t in told),
        "mechanism_accuracy": right / len(found) if found else None,
        "mechanism_accuracy_lo": sure.lo, "mechanism_accuracy_hi": sure.hi,
        "mechanism_wrong": sum(not t.right and t.mechanism != "unknown" for t in found),
        "handed_over": len(handed), "handed_over_accuracy": by_hand / len(handed) if handed else None,
        "handed_over_lo": hand.lo, "handed_over_hi": hand.hi,
        "handed_over_wrong": sum(t.handed not in (t.kind, "unknown") for t in handed),
        "decoys_moved": len(decoys), "decoys_right": sum(t.right for t in decoys),
        "decoys_typed_as_failing": sum(t.failing for t in told if t.kind in DECOYS),
        "kinds": kinds, "lines": [asdict(t) for t in told],
    }  # fmt: skip
    print(
        f"{generator}: mechanism right in {right} of {len(found)} causes found ({sure.lo:.3f} to {sure.hi:.3f}), wrong "
        f"in {figures['mechanism_wrong']}; on planted rows handed over {by_hand} of {len(handed)} ({hand.lo:.3f} to "
        f"{hand.hi:.3f}), wrong in {figures['handed_over_wrong']}; decoys told as their kind {figures['decoys_right']} "
        f"of {len(decoys)} that moved, typed as a failing {figures['decoys_typed_as_failing']}",
        flush=True,
    )
    return figures
