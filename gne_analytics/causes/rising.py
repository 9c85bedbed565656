"""Rising themes: what is said more often in a segment since its onset than before, beyond what rose outside it."""

from datetime import timedelta

import numpy as np
import polars as pl

from gne_analytics.causes.cells import is_version
from gne_analytics.causes.changes import did_of
from gne_analytics.causes.context import MechanismContext
from gne_analytics.causes.onset import Onset
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.types import Counts, Period, RisingTheme, Shift
from gne_analytics.metrics.intervals import Difference, rate_difference, t_two_sided
from gne_analytics.metrics.windows import segment_mask

LEVEL = 0.05
"""Over all themes of the segment (Bonferroni)."""
MOST = 3
LEAST_TEXTS = 15
"""Texts that each side needs."""
MENU = "appeal_reason_code"


def rising_themes(
    shift: Shift, segment: Segment, onset: Onset | None, context: MechanismContext | None
) -> tuple[RisingTheme, ...]:
    """Return the themes that rose in a segment, strongest first.

    Themes of appeals, or of signals where these moved; the entries of the appeal form's menu where no themes were
    fitted. One text per unit and wording. A theme rose if its share after the onset less that before is clear of zero
    over units, at a level shared by all themes, and not matched by the rest of the scope.
    """
    if context is None or not isinstance(shift.baseline, Period) or not isinstance(shift.focus, Period):
        return ()
    texts = _texts(shift, segment, onset, context)
    if texts is None or texts.is_empty():
        return ()
    inside = texts["inside"].to_numpy()
    late = texts["late"].to_numpy()
    if min(int((inside & late).sum()), int((inside & ~late).sum())) < LEAST_TEXTS:
        return ()
    unit = None
    if texts["unit"].null_count() < texts.height:
        own = pl.concat_str(pl.lit("\x00row "), pl.int_range(pl.len()).cast(pl.String))
        unit = texts.select(pl.coalesce("unit", own)).to_series().rank("dense").to_numpy().astype(np.int64) - 1
    themes = texts.filter("inside", "late").select("theme_id", "label").drop_nulls().unique().sort("theme_id", "label")
    risen = []
    for theme_id, label in themes.iter_rows():
        hit = texts.select(((pl.col("theme_id") == theme_id) & (pl.col("label") == label)).fill_null(False))
        k, one = hit.to_series().to_numpy().astype(float), np.ones(texts.height)
        before, after = inside & ~late, inside & late
        own_rise = rate_difference(k * before, one * before, k * after, one * after, unit)
        beside = did_of(k, one, inside, late, unit)
        if not _clear(own_rise, themes.height) or (beside is not None and beside.value <= beside.se):
            continue
        counts = [Counts(k=int(k[side].sum()), n=int(side.sum())) for side in (before, after)]
        told = own_rise.estimate(sum(c.n for c in counts), "clustered by unit")
        name = "" if theme_id == MENU else str(theme_id)
        risen.append((-own_rise.z, RisingTheme(
            theme_id=name, label=str(label), before=counts[0], after=counts[1], rise=told
        )))  # fmt: skip
    return tuple(theme for _, theme in sorted(risen, key=lambda r: (r[0], r[1].label))[:MOST])


def _clear(difference: Difference, themes: int) -> bool:
    if not np.isfinite(difference.se) or difference.value <= 0:
        return False
    return t_two_sided(difference.z, difference.dof) <= LEVEL / themes


def _texts(shift: Shift, segment: Segment, onset: Onset | None, context: MechanismContext) -> pl.DataFrame | None:
    """One row per text of the scope: inside, late, unit, theme_id, label."""
    of_signals = shift.metric == "signals_without_violation"
    base, themes = (context.signals, context.signal_themes) if of_signals else (context.cases, context.themes)
    key = "signal_id" if of_signals else "violation_id"
    if base is None or any(d not in base.columns for d in shift.scope.dimensions) or key not in base.columns:
        return None
    past = Segment.of({d: v for d, v in segment.items() if d in base.columns and not is_version(d)})
    assert isinstance(shift.baseline, Period) and isinstance(shift.focus, Period)  # noqa: S101, PT018 - checked above
    since = onset.day if onset else shift.focus.start
    start = min(shift.baseline.start, since - timedelta(days=28))
    rows = base.filter(
        segment_mask(shift.scope, context.paths),
        pl.col("event_date") >= start, pl.col("event_date") < shift.focus.end,
    ).select(
        pl.col(key).alias("id"),
        inside=segment_mask(past, context.paths),
        late=pl.col("event_date") >= since,
        unit=pl.col("seller_id").cast(pl.String) if "seller_id" in base.columns else pl.lit(None, pl.String),
        menu=pl.col(MENU).cast(pl.String) if MENU in base.columns else pl.lit(None, pl.String),
    )  # fmt: skip
    if themes is None:
        return rows.filter(pl.col("menu").is_not_null()).with_columns(theme_id=pl.lit(MENU), label=pl.col("menu"))
    votes = themes.filter(pl.col("theme_id").is_not_null())
    if "folded_into" in votes.columns:
        votes = votes.filter(pl.col("folded_into").is_null())
    own = votes.select("id", pl.col("theme_id").cast(pl.String), pl.col("label").cast(pl.String).fill_null(""))
    return rows.join(own.unique("id", keep="first", maintain_order=True), on="id", how="inner")
