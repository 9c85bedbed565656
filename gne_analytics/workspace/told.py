"""An explanation as tables of words: what a terminal prints and a notebook shows, each number with what it rests on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from gne_analytics.causes.explain import Explanation
from gne_analytics.evidence.days import long_date
from gne_analytics.evidence.render import number, percent, points
from gne_analytics.evidence.types import Cause, Counts, Decomposition, Estimate, Interval, Mechanism, Shift
from gne_analytics.figures.causes import shown_siblings
from gne_analytics.figures.shifts import waterfall_steps
from gne_analytics.figures.wording import dimension, from_to, in_time, kind_of, named, sides, window
from gne_analytics.metrics.intervals import NOT_ESTIMABLE
from gne_analytics.release import view
from gne_analytics.release.contents import CausePart, OtherName
from gne_analytics.release.view import spelt

EXACT = "Rounded here; unrounded the parts add up exactly."


@dataclass(frozen=True)
class Table:
    """A table of words; columns named in ``right`` hold numbers, those in ``outside`` texts from outside."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()
    note: str = ""


def names_in(explanation: Explanation) -> dict[str, str]:
    """Cause id -> the words for its segment."""
    return {c.id: named(c.segment) for c in explanation.causes}


def causes_table(explanation: Explanation) -> Table:
    """The causes by rank: what, how sure, the change inside, what leaving it out takes away, its part, why."""
    there, here = sides(explanation.shift)
    columns = (
        "", "segment", "kind", "status", "change inside" if in_time(explanation.shift) else "difference inside",
        "leave-out", "contribution", f"n {there}", f"n {here}", "why",
    )  # fmt: skip
    rows = tuple(
        (
            str(c.rank), named(c.segment), kind_of(c, explanation.shift), c.status, bare(with_interval(c.effect)),
            bare(points(c.leave_out)), bare(points(c.contribution)), number(c.before.n), number(c.after.n),
            why(c, explanation.shift),
        )
        for c in explanation.causes
    )  # fmt: skip
    note = (
        "In points. Inside: of the rate, the mix of cases held still. Leave-out: what the shift loses without these "
        "rows. Contribution: its part of the shift; with mix and what is not explained the parts add up."
    )
    return Table("Causes", columns, rows, frozenset({"", "leave-out", "contribution", f"n {there}", f"n {here}"}), note)


def why(cause: Cause, shift: Shift) -> str:
    """What a cause is taken for, with its rivals."""
    rivals = [spelt(r.mechanism) for r in cause.rivals if r.mechanism not in (cause.mechanism, Mechanism.UNKNOWN)]
    joined = "may be" if cause.mechanism is Mechanism.UNKNOWN else "or"
    return view.why(cause, shift) + (f"; {joined} {', or '.join(rivals)}" if rivals else "")


def with_interval(estimate: Estimate) -> str:
    """A difference of shares with its interval."""
    interval = estimate.interval
    if interval is None:
        return f"{points(estimate.value)} (no interval)"
    if interval.method == NOT_ESTIMABLE:
        return f"{points(estimate.value)} (interval {NOT_ESTIMABLE})"
    lo, hi = points(interval.lo).removesuffix(" points"), points(interval.hi).removesuffix(" points")
    return f"{points(estimate.value)} ({lo} to {hi})"


def bare(text: str) -> str:
    """Points without their unit, where a table's note says it."""
    return text.replace(" points", "")


def rate_of(counts: Counts) -> str:
    """A rate with what it was counted from."""
    if not counts.n:
        return "no rows"
    return f"{percent(counts.rate, counts.n)} ({number(counts.k)} of {number(counts.n)})"


def steps_table(explanation: Explanation) -> Table:
    """The waterfall of an explanation as a table; see `decomposed`."""
    return decomposed(explanation.shift, explanation.decomposition, names_in(explanation))


def decomposed(shift: Shift, decomposition: Decomposition, names: Mapping[str, str]) -> Table:
    """A waterfall as a table: from the one rate to the other, each step with the rate that it leads to."""
    steps = waterfall_steps(shift, decomposition, names)
    rows: list[tuple[str, ...]] = []
    if steps:
        rows = [
            (window(shift.baseline), "", "", rate_of(shift.before)),
            *((s.label, view.step_kind(s), points(s.value), percent(s.end)) for s in steps),
            (window(shift.focus), "together", points(sum(s.value for s in steps)), rate_of(shift.after)),
        ]
    note = EXACT if steps else "One side has no rate, so there is nothing to add up."
    return Table("How it adds up", ("step", "what", "adds", "leads to"), tuple(rows), frozenset({"adds"}), note)


def siblings_table(frame: pl.DataFrame | None, shift: Shift) -> Table | None:
    """The cause's value beside its siblings, the largest of them."""
    if frame is None or frame.is_empty():
        return None
    there, here = sides(shift)
    along = dimension(frame["along"][0])
    order, left = shown_siblings(frame)
    held = {
        (value, side): Counts(k=k, n=n) for value, side, k, n in frame.select("value", "window", "k", "n").iter_rows()
    }
    own = set(frame.filter("in_cause")["value"])
    bounds = {v: (lo, hi) for v, lo, hi in frame.select("value", "move_lo", "move_hi").iter_rows()}
    rows = []
    for value in order:
        before, after = (held.get((value, side), Counts(k=0, n=0)) for side in ("baseline", "focus"))
        move = "not known"
        if before.n and after.n:
            lo, hi = bounds[value]
            span = None if lo is None or hi is None else Interval(lo=lo, hi=hi)
            move = with_interval(Estimate(value=after.rate - before.rate, interval=span))
        rows.append((f"{value} (the cause)" if value in own else value, rate_of(before), rate_of(after), move))
    note = f"and {number(left)} smaller {'one' if left == 1 else 'ones'}" if left else ""
    columns = (along, there, here, "change" if in_time(shift) else "difference")
    return Table(f"Siblings along {along}", columns, tuple(rows), frozenset(columns[3:]), note)


def names_table(names: Sequence[OtherName], shift: Shift) -> Table | None:
    """Other descriptions of a cause's rows, with what they would tell."""
    if len(names) < 2:
        return None
    there, here = sides(shift)
    rows = ((named(n.segment), view.nearness(n), percent(n.shared), rate_of(n.before), rate_of(n.after)) for n in names)
    columns = ("description", "how near", "rows shared", there, here)
    return Table("Rival descriptions", columns, tuple(rows), frozenset({"rows shared"}))


def changes_table(cause: Cause, part: CausePart) -> Table | None:
    """The changes of the world that fit, each against the rows outside its scope."""
    rows = tuple(
        (
            c.change_id, text if text != c.change_id else "-", c.kind.replace("_", " "), long_date(c.at.isoformat()),
            with_interval(c.did) if c.did else "not estimable",
            with_interval(c.placebo) if c.placebo else "not estimable",
        )
        for c, (_, text) in zip(cause.changes, part.changes, strict=True)
    )  # fmt: skip
    columns = ("change", "what", "kind", "date", "against rows outside its scope", "placebo")
    return Table("Changes that fit", columns, rows) if rows else None


def examples_table(frame: pl.DataFrame | None, cause: Cause, shift: Shift) -> Table | None:
    """A few rows, their texts redacted and cut; the texts come from outside."""
    if frame is None or frame.is_empty():
        return None
    columns = tuple(dimension(c) for c in frame.columns)
    rows = tuple(tuple(view.cell(v) for v in row) for row in frame.iter_rows())
    counted = f"Counted: in the numerator of the {spelt(shift.metric)}. {view.chosen(cause, shift)}"
    return Table("Example rows", columns, rows, note=f"{counted} Texts are redacted, cut and quoted as they came.")


def headline(cause: Cause, shift: Shift) -> str:
    """A cause in a line: its place, its rates, what it is taken for."""
    rates = from_to(shift, *(percent(c.rate, c.n) if c.n else "no rows" for c in (cause.before, cause.after)))
    return f"{cause.rank}. {named(cause.segment)}: {rates} ({kind_of(cause, shift)})"


def cells(frame: pl.DataFrame | None) -> list[dict[str, object]]:
    """A frame as a list of rows for JSON, days as ISO dates."""
    if frame is None:
        return []
    return json.loads(frame.write_json())  # type: ignore[no-any-return]


def tables_of(cause: Cause, part: CausePart, shift: Shift) -> list[Table]:
    """All tables of one cause that have rows."""
    return [
        t
        for t in (
            changes_table(cause, part),
            siblings_table(part.siblings, shift),
            names_table(part.names, shift),
            examples_table(part.examples, cause, shift),
        )
        if t is not None
    ]
