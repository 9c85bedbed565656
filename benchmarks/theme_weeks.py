"""Do themes keep their ids while nothing happens, and is a new one born soon after its onset?

    python -m benchmarks.theme_weeks [--seeds 3] [--first 1] [--violations 8000] [--refit-every 1] [--json FILE]

Simulated worlds of 26 weeks, run as an analyst would run them: fit on the first FIRST weeks, then each week `update` on
the last WINDOW weeks and, every so many weeks, `refit` on the same. Kinds of worlds:

- quiet: nothing planted; sellers' appeals and signals, both.
- gap: a harm that no clause names is reported from its onset on (signals), at three severities.
- reason: a quiet world whose sellers do not give one reason, drawn by the seed, before its onset (seller text), and of
  whom SAID give it from then on.
- campaign: organised sellers paste one appeal from its onset on (seller text): one wording, so no theme; `update` tells
  it as a campaign.

A theme is kept in a quiet week (a week of a quiet world, or one before the onset) when after the week's run its id
still stands on at least half of those texts that it held the week before and that the window still holds. A theme is
born when an id that the run before the onset did not know holds at least BORN texts and most of its texts are of what
was new, told by the phrases of the simulator. It counts as soon when the run that closes the second week after the
onset has it.
"""

import argparse
import json
import random
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from gne_analytics.metrics import wilson
from gne_analytics.simulate import Incident, Planted, Severity, World, simulate
from gne_analytics.simulate.texts import bank, compose, gap_topics, languages
from gne_analytics.tables.record import record_from_frames
from gne_analytics.themes import fit_themes, refit, texts_of, update
from gne_analytics.themes.texts import skeleton

WEEKS = 26
FIRST = 8
WINDOW = 13
BORN = 3
SAID = 0.15
ALIKE = 0.7
"""A text holds a phrase when so many of its letters are found there in order, three at least together."""
ONSETS = (14, 16, 18)
REASONS = ("licence", "not_me", "disclosed", "second_hand", "price_true")


@dataclass(frozen=True)
class Line:
    """What one world showed."""

    kind: str
    view: str
    seed: int
    texts: int
    theme_weeks: int
    """Themes times quiet weeks."""
    kept: int
    quiet_weeks: int
    quiet_births: int
    """Themes born in quiet weeks by `update`: nothing new was there to be found."""
    planted: int
    """Texts of the new theme in the two weeks from its onset; 0 in a quiet world."""
    born_after: int | None
    """Weeks from onset to birth; None where there was none."""
    seconds: float
    """Of the median weekly run."""


def worlds(seeds: Sequence[int], violations: int) -> Iterator[tuple[str, str, World]]:
    """Yield kind, view and world."""
    for seed in seeds:
        onset = ONSETS[seed % len(ONSETS)]
        quiet = simulate("quiet", seed, weeks=WEEKS, violations=violations)
        yield "quiet", "signals", quiet
        for severity in Severity:
            gap = Incident("taxonomy_gap", severity, onset_week=onset)
            planted = simulate(seed=seed, incidents=[gap], weeks=WEEKS, violations=violations)
            yield f"gap, {severity.value}", "signals", planted
        yield f"reason {REASONS[seed % len(REASONS)]}", "seller_text", quiet
        yield "quiet", "seller_text", quiet
        abuse = Incident("seller_abuse", Severity.MEDIUM, onset_week=onset)
        yield "campaign", "seller_text", simulate(seed=seed, incidents=[abuse], weeks=WEEKS, violations=violations)


def run(kind: str, view: str, world: World, refit_every: int, cache: Path) -> Line:
    """Follow one view of one world from week to week."""
    texts = texts_of(record_from_frames(world.tables), view)
    start = date.fromisoformat(str(world.truth.world["start"])[:10])
    if kind.startswith("reason "):
        texts = _brought_up(texts, kind.removeprefix("reason "), _onset(world, start), world.seed)
    onset, new = _truth(kind, texts, world, start)
    texts = texts.filter(~pl.col("id").is_in(list(new)) | (pl.col("event_date") >= (onset or start)))
    fitted = fit_themes(_within(texts, start, FIRST - 1, FIRST), view, seed=world.seed, cache_dir=cache)
    model, held = fitted.model, fitted.assignments
    before_onset = {t.id for t in model.themes}
    theme_weeks = kept = quiet_weeks = quiet_births = 0
    born_after: int | None = None
    seconds = []
    for week in range(FIRST, WEEKS):
        last = start + timedelta(weeks=week + 1) - timedelta(days=1)
        clock = time.perf_counter()
        window = _within(texts, start, week, WINDOW)
        updated = update(model, window, as_of=last, cache_dir=cache)
        model, now = updated.model, updated.assignments
        if (week - FIRST + 1) % refit_every == 0:
            again = refit(model, window, cache_dir=cache)
            model, now = again.themes.model, again.themes.assignments
        seconds.append(time.perf_counter() - clock)
        if onset is None or last < onset:
            alive, themes = _kept(held, now)
            theme_weeks, kept, quiet_weeks = theme_weeks + themes, kept + alive, quiet_weeks + 1
            quiet_births += len(updated.births)
            before_onset |= {t.id for t in model.themes}
        elif born_after is None and (
            bool(set(updated.campaigns["campaign"]) & new) if kind == "campaign" else _is_born(now, before_onset, new)
        ):
            born_after = (last - onset).days // 7 + 1
        held = now
    soon = 0 if onset is None else texts.filter(
        pl.col("id").is_in(list(new)), pl.col("event_date") < onset + timedelta(weeks=2)
    ).height  # fmt: skip
    middle = round(statistics.median(seconds), 2)
    return Line(
        kind, view, world.seed, texts.height, theme_weeks, kept, quiet_weeks, quiet_births, soon, born_after, middle
    )


def _within(texts: pl.DataFrame, start: date, week: int, weeks: int) -> pl.DataFrame:
    first = start + timedelta(weeks=week - weeks + 1)
    return texts.filter(pl.col("event_date").is_between(first, start + timedelta(weeks=week + 1), closed="left"))


def _kept(before: pl.DataFrame, after: pl.DataFrame) -> tuple[int, int]:
    """How many themes of the week before still stand on half of their texts, of how many."""
    both = before.drop_nulls("theme_id").join(after.select("id", now="theme_id"), on="id")
    shares = both.group_by("theme_id").agg((pl.col("now") == pl.col("theme_id")).fill_null(value=False).mean())
    return int((shares["now"] >= 0.5).sum()), shares.height


def _is_born(now: pl.DataFrame, known: set[str], new: frozenset[str]) -> bool:
    fresh = now.filter(pl.col("theme_id").is_not_null() & ~pl.col("theme_id").is_in(list(known)))
    sizes = fresh.group_by("theme_id").agg(pl.len().alias("n"), pl.col("id").is_in(list(new)).sum().alias("new"))
    return not sizes.filter((pl.col("new") >= BORN) & (pl.col("new") * 2 > pl.col("n"))).is_empty()


def _truth(kind: str, texts: pl.DataFrame, world: World, start: date) -> tuple[date | None, frozenset[str]]:
    """When something new began, and the ids of the texts that say it, told by the simulator's phrases."""
    if kind == "quiet":
        return None, frozenset()
    said = texts.drop_nulls("text")
    if kind.startswith("reason "):
        reason = kind.removeprefix("reason ")
        phrases = {language: _bare(bank(language)[reason]) for language in languages()}
        ids = (i for i, text, spoken in said.select("id", "text", "language").iter_rows()
               if _is_of(skeleton(text), phrases.get(spoken, phrases["en"])))  # fmt: skip
        return _onset(world, start), frozenset(ids)
    (planted,) = world.truth.incidents
    told = _bare(_phrases(planted))
    late = said.filter(pl.col("event_date") >= planted.onset).select("id", "text")
    return planted.onset, frozenset(i for i, text in late.iter_rows() if _is_of(skeleton(text), told))


def _onset(world: World, start: date) -> date:
    return start + timedelta(weeks=ONSETS[world.seed % len(ONSETS)])


def _brought_up(texts: pl.DataFrame, reason: str, onset: date, seed: int) -> pl.DataFrame:
    """Let SAID of the appeals from the onset on give the reason, in their own language."""
    written = []
    for row, text, language, day in texts.select("id", "text", "language", "event_date").iter_rows():
        chance = random.Random(f"{seed}/{row}/{reason}")
        brand, product = chance.choice(["Solenne", "Tavoro", "Nordvik"]), chance.choice(["shirt", "phone", "cream"])
        slots = {"brand": brand, "product": product, "order": f"A{chance.randrange(10**6, 10**7)}", "n": "3",
                 "year": str(chance.randrange(2012, 2026)), "date": "04/05/2026", "price": "15"}  # fmt: skip
        gives = day >= onset and chance.random() < SAID
        written.append(compose(language or "en", [reason], slots, chance) if gives else text)
    return texts.with_columns(text=pl.Series(written, dtype=pl.String))


def _phrases(planted: Planted) -> list[str]:
    if planted.kind == "seller_abuse":
        return [phrase for language in languages() for phrase in bank(language)["campaign"]]
    topic = planted.description.split(": ")[1].split(" in ")[0].replace(" ", "_")
    return list(gap_topics()[topic]["signals"])


def _bare(phrases: Sequence[str]) -> list[str]:
    return [skeleton(re.sub(r"{\w+}", "", phrase)) for phrase in phrases]


def _is_of(text: str, phrases: Sequence[str]) -> bool:
    text = text.removeprefix("testpurchase")
    for phrase in phrases:
        match = SequenceMatcher(None, text, phrase, autojunk=False)
        if len(text) >= ALIKE * len(phrase):
            common = sum(b.size for b in match.get_matching_blocks() if b.size > 2)
            if common >= ALIKE * len(phrase):
                return True
    return False


def totals(lines: Sequence[Line]) -> dict[str, object]:
    """The figures of issue and METHODS.md, with their intervals."""
    theme_weeks, kept = sum(x.theme_weeks for x in lines), sum(x.kept for x in lines)
    planted = [x for x in lines if x.kind not in ("quiet", "campaign")]
    pasted = [x for x in lines if x.kind == "campaign"]
    soon = sum(x.born_after is not None and x.born_after <= 2 for x in planted)
    of_kept, of_born = wilson(kept, theme_weeks), wilson(soon, len(planted))
    quiet_weeks = sum(x.quiet_weeks for x in lines)
    return {
        "kept_share": kept / max(theme_weeks, 1),
        "kept_interval": [of_kept.lo, of_kept.hi],
        "theme_weeks": theme_weeks,
        "born_within_two_weeks": soon / max(len(planted), 1),
        "born_interval": [of_born.lo, of_born.hi],
        "planted_worlds": len(planted),
        "campaigns_within_two_weeks": sum(x.born_after in (1, 2) for x in pasted) / len(pasted) if pasted else None,
        "births_per_quiet_week": sum(x.quiet_births for x in lines) / max(quiet_weeks, 1),
        "quiet_weeks": quiet_weeks,
        "worlds": [asdict(line) for line in lines],
    }


def main() -> None:
    """Print a line per world, and the totals."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--seeds", type=int, default=3)
    reader.add_argument("--first", type=int, default=1, help="the first seed")
    reader.add_argument("--violations", type=int, default=8_000)
    reader.add_argument("--refit-every", type=int, default=1, help="weeks from one refit to the next")
    reader.add_argument("--json", type=Path)
    asked = reader.parse_args()
    print(f"{'world':<14}{'view':<13}{'seed':>4}{'texts':>7}{'kept':>12}{'false births':>14}{'new texts':>11}"
          f"{'born after':>12}{'s/week':>8}")  # fmt: skip
    lines = []
    with TemporaryDirectory() as cache:
        for kind, view, world in worlds(range(asked.first, asked.first + asked.seeds), asked.violations):
            line = run(kind, view, world, asked.refit_every, Path(cache))
            lines.append(line)
            if asked.json:
                asked.json.write_text(json.dumps(totals(lines), indent=2) + "\n", encoding="utf-8")
            after = "" if kind == "quiet" else "never" if line.born_after is None else f"{line.born_after} w"
            print(
                  f"{kind:<14}{view:<13}{line.seed:>4}{line.texts:>7,}{line.kept:>6}/{line.theme_weeks:<5}"
                  f"{line.quiet_births:>14}{line.planted or '':>11}{after:>12}{line.seconds:>8}", flush=True,
            )  # fmt: skip
    found = totals(lines)
    print(f"\nkept their id: {found['kept_share']:.1%} of {found['theme_weeks']} theme-weeks; born within two weeks: "
          f"{found['born_within_two_weeks']:.0%} of {found['planted_worlds']} worlds; births by chance: "
          f"{found['births_per_quiet_week']:.2f} a quiet week")  # fmt: skip


if __name__ == "__main__":
    main()
