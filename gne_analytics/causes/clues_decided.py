"""Clues in what was decided: scores and thresholds, outcomes of appeals, queues."""

from collections.abc import Callable

import polars as pl

from gne_analytics.causes.scene import ENOUGH, Clue, Scene, Share, rise, shares, unit
from gne_analytics.evidence.segment import Segment
from gne_analytics.metrics.definitions import DECIDED, OVERTURNED
from gne_analytics.metrics.windows import segment_mask

FLOOR_QUANTILE = 0.05
"""The lowest scores that are still enforced: a threshold's trace where none is logged."""
TEAMS = ("queue", "team", "site", "shift")
"""Parts of the names of columns that tell who reviewed."""


def _wrong(frame: pl.DataFrame) -> pl.DataFrame:
    """Cases with a score that turned out wrongly enforced: overturned, or else reversed."""
    scored = frame.filter(pl.col("score").is_not_null())
    wrong = scored.filter(pl.col("final").is_in(list(OVERTURNED))) if "final" in frame.columns else scored.head(0)
    if wrong.height < ENOUGH and "reversed_at" in frame.columns:
        wrong = scored.filter(pl.col("reversed_at").is_not_null())
    return wrong


def _mean(values: pl.Series) -> float:
    mean = values.cast(pl.Float64).mean()
    return mean if isinstance(mean, float) else 0.0


def _spread(values: pl.Series) -> float:
    """The variance of the mean."""
    variance = values.cast(pl.Float64).var()
    return (variance if isinstance(variance, float) else 0.0) / max(len(values), 1)


def _legit_scores(scene: Scene) -> dict[str, Clue]:
    if "score" not in scene.before.columns:
        return {}
    sides = [_wrong(f)["score"] for f in scene.sides]
    if min(len(s) for s in sides) < ENOUGH:
        return {}
    up, variance = _mean(sides[1]) - _mean(sides[0]), _spread(sides[0]) + _spread(sides[1])
    rest = [_wrong(f)["score"] for f in scene.rest]
    if min(len(s) for s in rest) >= ENOUGH:
        up -= _mean(rest[1]) - _mean(rest[0])
        variance += _spread(rest[0]) + _spread(rest[1])
    past, mean = (scene.number(_mean(s)) for s in sides)
    return {
        "legit_scores_up": Clue(
            unit((up - variance**0.5) / 0.05),
            f"Overturned cases score {mean} on average since the onset; before it they scored {past}.",
        )
    }


def _thresholds(scene: Scene) -> dict[str, Clue]:
    if not {"score", "threshold_at_decision"} <= set(scene.before.columns):
        return {}
    out: dict[str, Clue] = {}
    sides = [f.filter(pl.col("threshold_at_decision").is_not_null()) for f in scene.sides]
    if min(f.height for f in sides) < ENOUGH:
        return out
    by = next((c for c in ("rule_id", "detector", "clause_id") if c in scene.before.columns), None)
    key = pl.col(by).cast(pl.String).fill_null("") if by else pl.lit("")
    level = [f.group_by(key.alias("rule")).agg(pl.col("threshold_at_decision").mean(), n=pl.len()) for f in sides]
    both = level[0].join(level[1], on="rule", suffix="_after").filter(pl.min_horizontal("n", "n_after") >= ENOUGH // 3)
    fall = both.select((pl.col("threshold_at_decision") - pl.col("threshold_at_decision_after")).max()).item()
    least = scene.number(float(sides[1]["threshold_at_decision"].min()))  # type: ignore[arg-type]
    out["threshold_fell"] = Clue(unit(float(fall or 0.0) / 0.05), f"A threshold fell at the onset, to {least}.")
    wrong = [_wrong(f) for f in sides]
    if min(f.height for f in wrong) >= ENOUGH:
        close = [Share.of((f["score"] - f["threshold_at_decision"]).is_between(0, 0.1)) for f in wrong]
        share = scene.share(close[1], wrong[1].height, "overturned cases near their threshold")
        out["near_threshold"] = Clue(unit(rise(close[0], close[1]) / 0.2), f"{share} of them lie near it.")
    return out


def _floors(scene: Scene) -> dict[str, Clue]:
    """Cases are enforced at scores that were let pass before, whether or not a threshold is logged."""
    if "score" not in scene.before.columns:
        return {}
    by = next((c for c in ("rule_id", "detector", "clause_id") if c in scene.before.columns), None)
    key = pl.col(by).cast(pl.String).fill_null("") if by else pl.lit("")
    sides = [f.filter(pl.col("score").is_not_null()).with_columns(rule=key) for f in scene.sides]
    floor = sides[0].group_by("rule").agg(
        floor=pl.col("score").quantile(FLOOR_QUANTILE / 2, "lower"), n=pl.len()
    ).filter(pl.col("n") >= 2 * ENOUGH)  # fmt: skip
    below = [f.join(floor, on="rule").with_columns(low=pl.col("score") < pl.col("floor")) for f in sides]
    if min(f.height for f in below) < 2 * ENOUGH:
        return {}
    rest = [f.filter(pl.col("score").is_not_null()).with_columns(rule=key).join(floor, on="rule") for f in scene.rest]
    low = [Share.of(f["low"]) for f in below]
    besides = [Share.of(f["score"] < f["floor"]) for f in rest]
    share = scene.share(low[1], below[1].height, "cases since the onset below the scores enforced before")
    out = {
        "floor_fell": Clue(
            unit((rise(low[0], low[1], (besides[0], besides[1])) - 0.03) / 0.12),
            f"{share} of its cases score lower than what was enforced before.",
        )
    }
    past, all_, above = (scene.hits(f) for f in (below[0], below[1], below[1].filter(~pl.col("low"))))
    if out["floor_fell"].strength > 0 and past and all_ and above and abs(all_.value - past.value) > 0.02:
        carried = (all_.value - above.value) / (all_.value - past.value)
        at = scene.share(above, round(above.n), "the metric among cases that would have been enforced before")
        out["low_scores_carry"] = Clue(unit(carried / 0.6), f"Without them the rate stands at {at}.")
    return out


def _rate(frame: pl.DataFrame, column: str) -> Share | None:
    if column not in frame.columns:
        return None
    decided = frame.filter(pl.col(column).is_in(list(DECIDED)))
    return Share.of(decided[column].is_in(list(OVERTURNED))) if decided.height >= ENOUGH else None


def _overturns(scene: Scene) -> dict[str, Clue]:
    out: dict[str, Clue] = {}
    before, after = (_rate(f, "final") for f in scene.sides)
    if after is None:
        return out
    share = scene.share(after, round(after.n), "overturned after the onset")
    reach = after.variance**0.5
    # What was so all along is not what moved.
    news = 1.0 if before is None else unit(rise(before, after) / 0.1)
    out["nearly_always"] = Clue(
        unit((after.value - reach - 0.6) / 0.2) * news, f"{share} of its decided appeals are overturned."
    )
    out["upheld"] = Clue(unit((0.45 - after.value - reach) / 0.25), f"Only {share} of its appeals are overturned.")
    rest = [_rate(f, "final") for f in scene.rest]
    if rest[1] is not None:
        at = scene.share(rest[1], round(rest[1].n), "overturned elsewhere")
        out["far_above_rest"] = Clue(
            unit((after.value - rest[1].value - reach - 0.1) / 0.25), f"Elsewhere {at} are overturned."
        )
    if before is None:
        return out
    up = rise(before, after)
    toward = abs(before.value - 0.5) - abs(after.value - 0.5)
    out["split_decisions"] = Clue(
        unit(toward / 0.12) * unit((0.3 - abs(after.value - 0.5)) / 0.2),
        f"Its appeals now fall either way: {share} are overturned.",
    )
    out["overturns_up"] = Clue(unit(up / 0.15), f"Overturns rose to {share}.")
    grown = after.value - before.value - reach
    out["overturns_flat"] = Clue(unit((0.06 - grown) / 0.06), "Its overturn rate did not rise with its appeals.")
    return out


def _levels(scene: Scene) -> dict[str, Clue]:
    out: dict[str, Clue] = {}
    first, second = ([_rate(f, c) for f in scene.sides] for c in ("first", "second"))
    if second[0] is not None and second[1] is not None:
        share = scene.share(second[1], round(second[1].n), "second appeals overturned after the onset")
        up = rise(second[0], second[1])
        out["second_level_up"] = Clue(
            unit(up / 0.12), f"{share} of its second appeals are overturned, more than before."
        )
    if first[0] is not None and first[1] is not None:
        share = scene.share(first[1], round(first[1].n), "first appeals overturned after the onset")
        down = rise(first[1], first[0])
        out["first_level_down"] = Clue(unit(down / 0.1), f"Only {share} of its first appeals win, fewer than before.")
    return out


def _appealed(scene: Scene) -> dict[str, Clue]:
    out: dict[str, Clue] = {}
    if min(f.height for f in scene.sides) < ENOUGH or "filed_at" not in scene.after.columns:
        return out
    if scene.after["filed_at"].null_count() == scene.after.height:
        return out
    filed = [Share.of(f["filed_at"].is_not_null()) for f in scene.sides]
    share = scene.share(filed[1], scene.after.height, "appealed after the onset")
    up = rise(filed[0], filed[1]) / max(filed[0].value, 1e-3)
    out["appeals_up"] = Clue(unit(up / 0.4), f"{share} of its violations are appealed, more than before.")
    return out


def _cures(scene: Scene) -> dict[str, Clue]:
    if "correction_allowed" not in scene.after.columns or "corrected_at" not in scene.after.columns:
        return {}
    allowed = pl.col("correction_allowed").cast(pl.String).str.to_lowercase().is_in(["true", "1"])
    curable = [f.filter(allowed.fill_null(False)) for f in scene.sides]
    if min(f.height for f in curable) < ENOUGH:
        return {}
    cured = [Share.of(f["corrected_at"].is_not_null()) for f in curable]
    rest = [Share.of(f.filter(allowed.fill_null(False))["corrected_at"].is_not_null()) for f in scene.rest]
    share = scene.share(cured[1], curable[1].height, "corrected after the onset")
    down = rise(cured[1], cured[0], (rest[1], rest[0]))
    scale = max(0.3 * cured[0].value, 0.05)
    return {"cures_down": Clue(unit(down / scale), f"Only {share} are corrected, fewer than before.")}


def _queues(scene: Scene) -> dict[str, Clue]:
    """Whether cases go elsewhere than before, and whether the other teams stayed as they were."""
    out: dict[str, Clue] = {}
    named = [d for d in scene.segment.dimensions if any(p in TEAMS for p in d.split("_"))]
    column = named[0] if named else "queue"
    if column not in scene.before.columns:
        return out
    if named:
        others = Segment.of({d: v for d, v in scene.segment.items() if d not in named})
        whole = [pl.concat([a, b]) for a, b in zip(scene.sides, scene.rest, strict=True)]
        frames = [f.filter(_inside(f, others)) for f in whole]
    else:
        frames = list(scene.sides)
    frames = [f.filter(pl.col(column).is_not_null()) for f in frames]
    if min(f.height for f in frames) >= 2 * ENOUGH:
        was, now = (shares(f, column) for f in frames)
        value = max(now, key=lambda q: now[q] - was.get(q, 0.0))
        grown = list(scene.segment.values(column)) if named else [value]
        sides = [Share.of(f[column].cast(pl.String).is_in(grown)) for f in frames]
        share = scene.share(sides[1], frames[1].height, f"cases in {grown[0]} after the onset")
        out["queue_mix_changed"] = Clue(
            unit((rise(sides[0], sides[1]) - 0.05) / 0.15),
            f"{scene.name(grown[0])} now gets {share} of the reviewed cases.",
        )
    rest = [scene.hits(f) for f in scene.rest]
    if named and rest[0] is not None and rest[1] is not None:
        share = scene.share(rest[1], round(rest[1].n), "the rate in the other queues")
        gap = abs(rest[1].value - rest[0].value) - (rest[0].variance + rest[1].variance) ** 0.5
        out["other_queues_flat"] = Clue(unit((0.08 - gap) / 0.08), f"Elsewhere the rate stays at {share}.")
    return out


def _inside(frame: pl.DataFrame, segment: Segment) -> pl.Expr:
    known = Segment.of({d: v for d, v in segment.items() if d in frame.columns})
    return segment_mask(known, frozenset({"category"}))


_Looks = tuple[Callable[[Scene], dict[str, Clue]], ...]
SCORES: _Looks = (_legit_scores, _thresholds, _floors)
OUTCOMES: _Looks = (_overturns, _levels, _appealed, _cures)
QUEUES: _Looks = (_queues,)
