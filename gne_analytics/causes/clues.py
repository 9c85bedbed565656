"""Clues: what the record shows about a segment before and after its onset, each with a strength and its figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from gne_analytics.causes.cells import is_version
from gne_analytics.evidence.segment import Segment
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import CauseKind, MatchedChange, Shift
from gne_analytics.metrics.definitions import DECIDED, OVERTURNED
from gne_analytics.metrics.windows import segment_mask

ENOUGH = 15
"""Fewer rows on a side: a clue is not known."""
CLASSES = frozenset({"seller_tier", "account_type"})
QUEUES = frozenset({"queue", "appeal_queue"})
CLAUSES = frozenset({"clause_id", "rule_id"})
WORDS: Mapping[str, tuple[str, ...]] = {
    "says_misread": ("mistake", "misread", "wrong item", "not a logo"),
    "says_permission": ("authorised", "authorized", "permission", "licence", "license", "rights_owner"),
    "says_unclear": ("unclear", "which rule", "which_rule", "why", "what happened"),
}


@dataclass(frozen=True)
class Clue:
    """What was observed: strength from 0 (not seen) to 1 (plain), and the sentence with references to its figures."""

    strength: float
    reason: str = ""


@dataclass(frozen=True)
class Scene:
    """A segment's cases before and after its onset, and those of the scope outside it."""

    shift: Shift
    segment: Segment
    kind: CauseKind
    onset: date
    changes: Sequence[MatchedChange]
    changes_known: bool
    before: pl.DataFrame
    after: pl.DataFrame
    rest_before: pl.DataFrame
    rest_after: pl.DataFrame
    audits_before: pl.DataFrame
    audits_after: pl.DataFrame
    themes: pl.DataFrame | None
    store: EvidenceStore

    def share(self, value: float, of: int, what: str) -> str:
        """Record a share and return its reference."""
        return self.store.add(
            value, "rate", numerator=round(value * of), denominator=of, filter=str(self.segment),
            tool="causes.clues", arguments={"what": what},
        ).ref("pct")  # fmt: skip

    def name(self, text: str) -> str:
        """Record a name and return its reference."""
        return self.store.add(text, "name", tool="causes.clues").ref("name")


def read_clues(scene: Scene) -> dict[str, Clue]:
    """Return every clue that the record allows to look at; one that it does not allow is absent, not zero."""
    found: dict[str, Clue] = {}
    for look in LOOKS:
        found |= look(scene)
    return found


def _named(scene: Scene) -> dict[str, Clue]:
    dims = set(scene.segment.dimensions)
    out = {}
    for clue, group, sentence in (
        ("class_named", CLASSES, "The segment is one class of sellers."),
        ("queue_named", QUEUES, "The segment is one review queue."),
        ("clause_named", CLAUSES, "The segment is one clause or rule."),
    ):
        out[clue] = Clue(float(bool(dims & group)), sentence)
    out["whole_scope"] = Clue(float(not dims), "The whole scope moved alike.")
    return out


def _arrivals(scene: Scene) -> dict[str, Clue]:
    """A version or template whose share of the segment's cases rose at the onset, or that the segment itself names."""
    out = {}
    for clue, columns in (
        ("version_arrived", ("detector_version",)),
        ("template_arrived", ("template_version", "template_id")),
        ("revision_arrived", ("policy_revision",)),
    ):
        if set(columns) & set(scene.segment.dimensions):
            out[clue] = Clue(1.0, "The segment names the version that arrived.")
            continue
        for column in columns:
            if column not in scene.before.columns or min(scene.before.height, scene.after.height) < ENOUGH:
                continue
            before, after = (_shares(f, column) for f in (scene.before, scene.after))
            value = max(after, key=lambda v: after[v] - before.get(v, 0.0))
            rise = after[value] - before.get(value, 0.0)
            if clue not in out or rise > out[clue].strength:
                share = scene.share(after[value], scene.after.height, f"share of {column} {value} after the onset")
                out[clue] = Clue(max(rise, 0.0), f"{scene.name(value)} holds {share} of its cases since the onset.")
    return out


def _changes(scene: Scene) -> dict[str, Clue]:
    if not scene.changes_known:
        return {}
    kinds = {c.kind: c for c in scene.changes}
    out = {}
    for kind in ("detector", "policy", "template", "process"):
        change = kinds.get(kind)
        if change is None:
            out[f"change_{kind}"] = Clue(0.0)
            continue
        when = scene.store.add(change.at, "date", tool="causes.mechanism").ref("date")
        out[f"change_{kind}"] = Clue(
            1.0, f"Change {scene.name(change.change_id)} of {when} fits its place and its onset."
        )
    return out


def _scores(scene: Scene) -> dict[str, Clue]:
    out: dict[str, Clue] = {}
    cases = (scene.before, scene.after, scene.rest_before, scene.rest_after)
    if "score" in scene.before.columns:
        wrong = [f.filter(pl.col("final").is_in(list(OVERTURNED)), pl.col("score").is_not_null()) for f in cases]
        if min(f.height for f in wrong[:2]) >= ENOUGH:
            means = [_mean(f["score"]) if f.height else 0.0 for f in wrong]
            rise = means[1] - means[0] - (means[3] - means[2] if min(f.height for f in wrong[2:]) >= ENOUGH else 0.0)
            mean = scene.store.add(means[1], "score", tool="causes.clues").ref("num")
            out["legit_scores_up"] = Clue(_unit(rise / 0.08), f"Overturned cases now score {mean} on average, higher.")
    if {"score", "threshold_at_decision"} <= set(scene.before.columns):
        sides = [f.filter(pl.col("threshold_at_decision").is_not_null()) for f in cases]
        if min(f.height for f in sides[:2]) >= ENOUGH:
            level = [f.group_by("rule_id").agg(pl.col("threshold_at_decision").mean()) if "rule_id" in f.columns
                     else f.select(rule_id=pl.lit(""), threshold_at_decision=pl.col("threshold_at_decision").mean())
                     for f in sides[:2]]  # fmt: skip
            both = level[0].join(level[1], on="rule_id", suffix="_after")
            fall = (both["threshold_at_decision"] - both["threshold_at_decision_after"]).max() if both.height else 0.0
            least = scene.store.add(float(sides[1]["threshold_at_decision"].min()), "score", tool="causes.clues")  # type: ignore[arg-type]
            out["threshold_fell"] = Clue(
                _unit(float(fall or 0.0) / 0.05),  # type: ignore[arg-type]
                f"A threshold fell at the onset, to {least.ref('num')}.",
            )
            new = sides[1].filter(pl.col("final").is_in(list(OVERTURNED)))
            old = sides[0].filter(pl.col("final").is_in(list(OVERTURNED)))
            if min(new.height, old.height) >= ENOUGH:
                near = [_mean((f["score"] - f["threshold_at_decision"]) < 0.1) for f in (old, new)]
                share = scene.share(near[1], new.height, "overturned cases near their threshold")
                out["near_threshold"] = Clue(_unit((near[1] - near[0]) / 0.3), f"{share} of them lie near it.")
    return out


def _outcomes(scene: Scene) -> dict[str, Clue]:
    out: dict[str, Clue] = {}
    final = [_rate(f, "final") for f in (scene.before, scene.after)]
    second = [_rate(f, "second") for f in (scene.before, scene.after)]
    if final[1] is not None:
        after, n = final[1]
        share = scene.share(after, n, "overturned after the onset")
        out["class_nearly_always"] = Clue(
            _unit((after - 0.6) / 0.25), f"{share} of its decided appeals are overturned."
        )
        out["upheld"] = Clue(_unit((0.4 - after) / 0.3), f"Only {share} of its decided appeals are overturned.")
        if final[0] is not None:
            rise = after - final[0][0]
            toward = abs(final[0][0] - 0.5) - abs(after - 0.5)
            out["split_decisions"] = Clue(
                _unit(toward / 0.12) * _unit((0.3 - abs(after - 0.5)) / 0.2),
                f"Its appeals now fall either way: {share} are overturned.",
            )
            out["overturns_up"] = Clue(_unit(rise / 0.15), f"Overturns rose to {share}.")
            out["overturns_flat"] = Clue(
                _unit((0.08 - rise) / 0.08), "Its overturn rate did not rise with its appeals."
            )
    if second[0] is not None and second[1] is not None:
        share = scene.share(second[1][0], second[1][1], "second appeals overturned after the onset")
        gap = second[1][0] - second[0][0]
        out["second_level_up"] = Clue(
            _unit(gap / 0.2), f"{share} of its second appeals are overturned, more than before."
        )
    sizes = min(scene.before.height, scene.after.height)
    if sizes >= ENOUGH and "filed_at" in scene.after.columns:
        filed = [_mean(f["filed_at"].is_not_null()) for f in (scene.before, scene.after)]
        share = scene.share(filed[1], scene.after.height, "appealed after the onset")
        rise = filed[1] / max(filed[0], 1e-3) - 1
        out["appeals_up"] = Clue(_unit(rise / 0.5), f"{share} of its violations are appealed, more than before.")
    if sizes >= ENOUGH and "correction_allowed" in scene.after.columns:
        curable = [
            f.filter(pl.col("correction_allowed").cast(pl.Boolean).fill_null(False))
            for f in (scene.before, scene.after)
        ]
        if min(f.height for f in curable) >= ENOUGH:
            cured = [_mean(f["corrected_at"].is_not_null()) for f in curable]
            share = scene.share(cured[1], curable[1].height, "corrected after the onset")
            out["cures_down"] = Clue(
                _unit((cured[0] - cured[1]) / 0.15), f"Only {share} are corrected, fewer than before."
            )
    return out


def _queues(scene: Scene) -> dict[str, Clue]:
    out: dict[str, Clue] = {}
    if "queue" not in scene.before.columns:
        return out
    named = bool(set(scene.segment.dimensions) & QUEUES)
    whole = [pl.concat([scene.before, scene.rest_before]), pl.concat([scene.after, scene.rest_after])]
    frames = whole if named else [scene.before, scene.after]
    frames = [f.filter(pl.col("queue").is_not_null()) for f in frames]
    if min(f.height for f in frames) >= 2 * ENOUGH:
        before, after = (_shares(f, "queue") for f in frames)
        value = max(after, key=lambda q: after[q] - before.get(q, 0.0))
        rise = after[value] - before.get(value, 0.0)
        share = scene.share(after[value], frames[1].height, f"cases in queue {value} after the onset")
        out["queue_mix_changed"] = Clue(
            _unit((rise - 0.05) / 0.2), f"Queue {scene.name(value)} now gets {share} of the reviewed cases."
        )
    rest = [_rate(f, "final") for f in (scene.rest_before, scene.rest_after)]
    if named and rest[0] is not None and rest[1] is not None:
        share = scene.share(rest[1][0], rest[1][1], "overturned in the other queues")
        gap = abs(rest[1][0] - rest[0][0])
        out["other_queues_flat"] = Clue(_unit((0.1 - gap) / 0.08), f"Elsewhere the rate stays at {share}.")
    return out


def _texts(scene: Scene) -> dict[str, Clue]:
    out: dict[str, Clue] = {}
    said = [f.filter(pl.col("said").is_not_null() & (pl.col("said").str.len_chars() > 20))
            if "said" in f.columns else f.head(0) for f in (scene.before, scene.after)]  # fmt: skip
    if said[1].height >= ENOUGH:
        pasted = [_repeated(f) for f in said]
        share = scene.share(pasted[1], said[1].height, "appeals whose text was pasted")
        out["pasted"] = Clue(_unit((pasted[1] - pasted[0]) / 0.2), f"{share} of its appeals are the same text pasted.")
    if "seller_id" in scene.after.columns:
        filed = [f.filter(pl.col("filed_at").is_not_null()) for f in (scene.before, scene.after)]
        if min(f.height for f in filed) >= ENOUGH:
            top = [float(f["seller_id"].value_counts()["count"].top_k(15).sum()) / f.height for f in filed]
            share = scene.share(top[1], filed[1].height, "appeals of the busiest sellers")
            out["few_sellers"] = Clue(_unit((top[1] - top[0]) / 0.2), f"Few sellers file {share} of its appeals.")
    proof = [_proofs(f) for f in (scene.before, scene.after, scene.rest_before, scene.rest_after)]
    if min(p.height for p in proof[:2]) >= ENOUGH:
        inside = _distance(_shares(proof[0], "proof"), _shares(proof[1], "proof"))
        outside = (
            _distance(_shares(proof[2], "proof"), _shares(proof[3], "proof"))
            if proof[2].height and proof[3].height
            else 0.0
        )
        out["proof_changed"] = Clue(
            _unit((inside - outside - 0.08) / 0.2), "Other kinds of documents come with its appeals."
        )
    return out | _topics(scene)


def _proofs(frame: pl.DataFrame) -> pl.DataFrame:
    if "proof" not in frame.columns or frame.schema["proof"] != pl.List(pl.String):
        return pl.DataFrame(schema={"proof": pl.String})
    return frame.filter(pl.col("proof").is_not_null()).select("proof").explode("proof")


def _topics(scene: Scene) -> dict[str, Clue]:
    """What sellers say, by the form's reason codes and by theme labels where themes were fitted."""
    out: dict[str, Clue] = {}
    column = "appeal_reason_code"
    for clue, words in WORDS.items():
        shares = []
        for frame in (scene.before, scene.after):
            texts = []
            if column in frame.columns:
                texts.append(frame[column].drop_nulls().cast(pl.String))
            if scene.themes is not None and "violation_id" in frame.columns:
                own = scene.themes.filter(pl.col("id").is_in(frame["violation_id"].implode()))
                texts.append(own["label"].drop_nulls())
            best = 0.0
            for text in texts:
                if len(text) >= ENOUGH:
                    hit = text.str.to_lowercase().str.contains_any(list(words))
                    best = max(best, _mean(hit))
            shares.append(best)
        if any(shares):
            share = scene.share(shares[1], scene.after.height, f"appeals: {clue.removeprefix('says_')}")
            out[clue] = Clue(_unit((shares[1] - shares[0]) / 0.2), f"{share} of its appeals say so.")
    return out


def _faults(scene: Scene) -> dict[str, Clue]:
    out: dict[str, Clue] = {}
    if min(scene.before.height, scene.after.height) < ENOUGH:
        return out
    if "settled_at" in scene.after.columns:
        sides = [f.filter(pl.col("settled_at").is_not_null()) for f in (scene.before, scene.after)]
        if min(f.height for f in sides) >= ENOUGH:
            gap = pl.col("settled_at") - pl.col("settled_filed_at")
            odd = [float(f.select((gap <= timedelta(seconds=1)).mean()).item() or 0.0) for f in sides]
            share = scene.share(odd[1], sides[1].height, "appeals decided at the second of filing")
            out["impossible_values"] = Clue(
                _unit((odd[1] - odd[0]) / 0.15), f"{share} of its appeals were decided at the second they were filed."
            )
    dims = [c for c in scene.after.columns if scene.after.schema[c] == pl.String and not is_version(c)]
    missing = {c: float(scene.after[c].null_count()) / scene.after.height
               - float(scene.before[c].null_count()) / scene.before.height for c in dims
               if c in {"market", "category", "language", "seller_tier", "object_type", "policy_id"}}  # fmt: skip
    if missing:
        worst = max(missing, key=lambda c: missing[c])
        out["fields_missing"] = Clue(
            _unit(missing[worst] / 0.3), f"Column {scene.name(worst)} is missing since the onset."
        )
    return out


def _audits(scene: Scene) -> dict[str, Clue]:
    shares: list[tuple[float, int]] = []
    for frame in (scene.audits_before, scene.audits_after):
        key = next((c for c in ("case_id", "violation_id") if c in frame.columns), None)
        if key is None or "violating" not in frame.columns:
            return {}
        twice = frame.group_by(key).agg(pl.len().alias("n"), pl.col("violating").n_unique().alias("v"))
        twice = twice.filter((pl.col("n") > 1) & pl.col(key).is_not_null())
        shares.append((_mean((twice["v"] > 1)), twice.height))
    if min(n for _, n in shares) < ENOUGH:
        return {}
    share = scene.share(shares[1][0], shares[1][1], "paired audits that disagree after the onset")
    return {
        "audits_disagree": Clue(
            _unit((shares[1][0] - shares[0][0]) / 0.15),
            f"{share} of the cases audited more than once are judged both ways.",
        )
    }


def _signals(scene: Scene) -> dict[str, Clue]:
    if scene.shift.metric != "signals_without_violation":
        return {"signals_uncaught": Clue(0.0)}
    rate = scene.shift.after.rate
    share = scene.share(rate, scene.shift.after.n, "signals without a violation")
    return {"signals_uncaught": Clue(float(scene.shift.delta.value > 0), f"{share} of its signals meet no policy.")}


LOOKS: tuple[Callable[[Scene], dict[str, Clue]], ...] = (
    _named, _arrivals, _changes, _scores, _outcomes, _queues, _texts, _faults, _audits, _signals,
)  # fmt: skip
"""Every look at the record; each returns the clues it can see."""


def scoped(frame: pl.DataFrame | None, segment: Segment, paths: frozenset[str]) -> pl.DataFrame | None:
    """The rows of a segment, None when the frame is absent or lacks one of its dimensions."""
    if frame is None or any(d not in frame.columns for d in segment.dimensions):
        return None
    return frame.filter(segment_mask(segment, paths))


def _mean(values: pl.Series) -> float:
    mean = values.cast(pl.Float64).mean()
    return mean if isinstance(mean, float) else 0.0


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _rate(frame: pl.DataFrame, column: str) -> tuple[float, int] | None:
    if column not in frame.columns:
        return None
    decided = frame.filter(pl.col(column).is_in(list(DECIDED)))
    if decided.height < ENOUGH:
        return None
    return _mean(decided[column].is_in(list(OVERTURNED))), decided.height


def _shares(frame: pl.DataFrame, column: str) -> dict[str, float]:
    counts = frame[column].cast(pl.String).fill_null("(missing)").value_counts()
    return {str(v): n / frame.height for v, n in counts.iter_rows()}


def _distance(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    return sum(abs(a.get(v, 0.0) - b.get(v, 0.0)) for v in {*a, *b}) / 2


def _repeated(frame: pl.DataFrame) -> float:
    """Share of texts that stand five times or more, after case and spacing are levelled."""
    if not frame.height:
        return 0.0
    level = frame["said"].str.to_lowercase().str.replace_all(r"[\W\d_]+", " ").str.strip_chars().str.slice(0, 80)
    counts = level.value_counts()["count"]
    return float(counts.filter(counts >= 5).sum()) / frame.height
