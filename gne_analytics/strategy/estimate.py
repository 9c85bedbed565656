"""What a change of policy does to wrongful enforcement, missed violations and loss, with honest intervals.

Only cases whose decision changes enter (the flow cells); kept cases cancel. Appeals that settle a case are a census;
other cases are post-stratified over domains from audits; cases of which nothing is known are bounded.

A flow cell changes the chance that a case is enforced by ``alpha + beta * r``: ``alpha`` for what a rule decides by
itself, ``beta`` for what a reviewer decides, r being the chance that a reviewer enforces (r0 on a legitimate case, r1
on a violation). New enforcement is (1, 0), release (-1, 0), a reroute to review (-1, 1).

Intervals: stratified Wilson limits over domains with effective numbers of labels and the finite-population correction,
gains and losses combined by MOVER (Zou and Donner 2008); with unidentified cases Manski's bounds and the interval of
Imbens and Manski (2004) round them. Modelled cases lie between two shares of other cases (``monotone``), each with its
own sampling error, beside the chance of so few cases.
"""

from dataclasses import dataclass, replace
from itertools import product
from statistics import NormalDist

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NORMAL = NormalDist()


@dataclass(frozen=True)
class Rate:
    """An estimated share with the effective number of labels behind it (infinite: known exactly)."""

    value: float
    labels: float


@dataclass(frozen=True)
class Reviewers:
    """How human reviewers decide: the chance that they enforce a legitimate case, and a violation.

    They look at the case, not at its appeal, which may have been decided wrongly: where the decision counts as truth, a
    wrongly upheld one is a violation that they would often let pass. ``None`` means that nothing is known, and every
    result takes the worst case over [0, 1].
    """

    wrong: Rate | None = None
    right: Rate | None = None
    overturned: Rate | None = None
    """The chance that a case whose appeal was overturned is a violation all the same."""
    upheld: Rate | None = None
    """The chance that a case whose appeal was upheld is legitimate."""


@dataclass(frozen=True)
class Modelled:
    """Cases whose chance lies between two shares of other cases, one entry per domain that holds any."""

    at: NDArray[np.int64]
    """Position of the entry's domain."""
    cases: Floats
    shares: Floats
    """Floor and ceiling, shape (2, entries)."""
    labels: Floats
    """Effective labels behind each, shape (2, entries); infinite where it is zero or one by nature."""
    windows: NDArray[np.int64]
    """The window that each is the share of, shape (2, entries); -1 for none."""


@dataclass(frozen=True)
class Domains:
    """The affected cases as counts, one entry per domain."""

    policy: tuple[str, ...]
    alpha: Floats
    beta: Floats
    cases: Floats
    """Cases of the domain that stand or fall with its labels: estimable, audited, or settled by appeal."""
    share: Floats
    """Share of them that is violating."""
    labels: Floats
    """Effective labels behind the share, corrected for the finite population; infinite for a census."""
    unknown: Floats
    """Cases of the domain of which nothing is known."""
    modelled: Modelled | None = None
    """Further cases, bounded by others of other scores."""
    settled: NDArray[np.bool_] | None = None
    """Domains whose cases an appeal settled; none by default."""


@dataclass(frozen=True)
class Price:
    """What a mistake counts for, in all or domain by domain, and what is certain whatever the truth (reviews)."""

    wrong: Floats | float = 0.0
    missed: Floats | float = 0.0
    fixed: float = 0.0


@dataclass(frozen=True)
class Bounded:
    """A total with the interval round it; ``low == high`` unless something is unidentified."""

    low: float
    high: float
    interval: tuple[float, float]


def wilson(share: Floats, labels: Floats, z: float) -> tuple[Floats, Floats]:
    """Return Wilson's limits of shares with (effective, possibly infinite) numbers of labels."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z2n = np.where(np.isinf(labels), 0.0, z * z / labels)
    centre = (share + z2n / 2) / (1 + z2n)
    reach = np.sqrt(share * (1 - share) * z2n + z2n * z2n / 4) / (1 + z2n)
    return np.minimum(np.clip(centre - reach, 0, 1), share), np.maximum(np.clip(centre + reach, 0, 1), share)


def stratified(weights: Floats, shares: Floats, labels: Floats, z: float) -> tuple[float, float]:
    """Return how far a sum of independent shares with positive weights may lie below and above its value.

    Wilson's limits of the weighted mean of the shares, at the number of labels that would give one share its variance.
    Each share is drawn to a half for that variance, by ``z^2`` labels over all of them (Agresti and Coull 1998): shares
    of nought or one, of which many strata of few labels consist, are not certain.
    """
    sampled = np.isfinite(labels) & (weights > 0)
    weights, shares, labels = weights[sampled], shares[sampled], labels[sampled]
    total = float(weights.sum())
    if total == 0 or z == 0:
        return 0.0, 0.0
    drawn = z * z / weights.size
    smooth = (shares * labels + drawn / 2) / (labels + drawn)
    mean, variance = np.average(smooth, weights=weights), (weights**2 * smooth * (1 - smooth) / labels).sum() / total**2
    share = np.array([(weights * shares).sum() / total])
    lo, hi = wilson(share, np.array([mean * (1 - mean) / variance]), z)
    return float((share - lo)[0] * total), float((hi - share)[0] * total)


def mover(weights: Floats, shares: Floats, labels: Floats, z: float) -> tuple[float, float]:
    """Return how far a weighted sum of independent shares may lie below and above its value.

    What adds and what takes away are stratified Wilson sums, joined by MOVER: for two shares Newcombe's interval.
    """
    more, less = weights > 0, weights < 0
    below, above = stratified(weights[more], shares[more], labels[more], z)
    lower, upper = stratified(-weights[less], shares[less], labels[less], z)
    return float(np.hypot(below, upper)), float(np.hypot(above, lower))


def imbens_manski(width: float, sigma: float, level: float) -> float:
    """Return the multiplier c with Phi(c + width / sigma) - Phi(-c) = level: between one- and two-sided."""
    low, high = NORMAL.inv_cdf(level), NORMAL.inv_cdf(0.5 + level / 2)
    if width <= 0 or sigma <= 0:
        return high
    for _ in range(40):
        middle = (low + high) / 2
        enough = NORMAL.cdf(middle + width / sigma) - NORMAL.cdf(-middle) >= level
        low, high = (low, middle) if enough else (middle, high)
    return high


def tally(identified: pl.DataFrame) -> Domains:
    """Reduce identified cases (with ``policy``, ``alpha``, ``beta``) to domains.

    The labels behind a share are Kish's, or those that its linearised variance is worth (Korn and Graubard 1998) where
    these are fewer: where audits are rarest among what is hard to tell, weights alone promise too much. Uses
    ``predicted`` and ``gain`` (``assist``), the columns of ``bound_by_score``, and ``times`` (what each case counts
    for in a replicate) where they are there.
    """
    keys = ["domain", "policy", "alpha", "beta"]
    audited, settled = pl.col("standing") == "audited", pl.col("domain") < 0
    assisted, bounded = "gain" in identified.columns, "ceiling" in identified.columns
    guess = pl.col("predicted") if assisted else pl.lit(0.0)
    times = pl.col("times") if "times" in identified.columns else pl.lit(1.0)
    weight, known = pl.col("weight") * times, pl.col("known").is_not_null()
    pool = audited | (pl.col("standing") == "estimable")
    frame = (
        identified.group_by(keys)
        .agg(
            settled=(settled * times).sum(),
            estimable=((pl.col("standing") == "estimable") * times).sum(),
            sampled=(audited * times).sum(),
            unknown=((pl.col("standing") == "unidentified") * times).sum(),
            plain=(pl.col("known") * times).sum() / (known * times).sum(),
            w=weight.filter(audited).sum(),
            w2=weight.filter(audited).pow(2).sum(),
            wy=(weight * pl.col("known")).filter(audited).sum(),
            spread=_spread(times).filter(audited).sum(),
            rest=(weight * (pl.col("known") - guess)).filter(audited).sum(),
            guess=(guess * times * pool).sum() / (times * pool).sum() if assisted else pl.lit(0.0),
            gain=pl.col("gain").first() if assisted else pl.lit(1.0),
            modelled=((pl.col("standing") == "modelled") * times).sum(),
            **{c: pl.col(c).first() for c in _ENDS if bounded},
        )
        .sort(keys)
    )
    pooled = pl.col("estimable") > 0
    left_over = 1 - pl.col("sampled") / (pl.col("sampled") + pl.col("estimable"))
    share, plain = (pl.col("guess") + pl.col("rest") / pl.col("w")).clip(0, 1).fill_nan(0.5), pl.col("wy") / pl.col("w")
    kish = pl.col("w").pow(2) / pl.col("w2") / left_over
    own = pl.when(pl.col("spread") > 0).then(plain * (1 - plain) * pl.col("w").pow(2) / pl.col("spread"))
    labels = pl.min_horizontal(kish, own) * pl.col("gain")
    frame = frame.with_columns(
        cases=pl.col("settled") + pl.col("sampled") + pl.col("estimable"),
        share=pl.when(pooled).then(share).otherwise(pl.col("plain").fill_nan(0.0)),
        labels=pl.when(pooled).then(labels).otherwise(pl.lit(np.inf)),
    )
    columns = {name: frame[name].to_numpy().astype(np.float64) for name in _COLUMNS}
    return Domains(
        tuple(frame["policy"]),
        **columns,
        modelled=_modelled(frame) if bounded else None,
        settled=(frame["domain"] < 0).to_numpy(),
    )


def _spread(times: pl.Expr) -> pl.Expr:
    """Return each audited case's part of the variance of its domain's weighted sum."""
    audited = pl.col("standing") == "audited"
    weight, known = pl.col("weight"), pl.col("known")
    mean = (weight * times * known).filter(audited).sum() / (weight * times).filter(audited).sum()
    return times * weight * (weight - 1) * (known - mean).pow(2)


_COLUMNS = ("alpha", "beta", "cases", "share", "labels", "unknown")
_ENDS = ("floor", "ceiling", "floor_labels", "ceiling_labels", "floor_window", "ceiling_window")


def _modelled(frame: pl.DataFrame) -> Modelled | None:
    some = frame.with_row_index("at").filter(pl.col("modelled") > 0)
    if some.is_empty():
        return None
    shares, labels, windows = (some.select(_ENDS[i : i + 2]).to_numpy().T for i in (0, 2, 4))
    cases = some["modelled"].to_numpy().astype(np.float64)
    return Modelled(some["at"].to_numpy().astype(np.int64), cases, shares, labels, windows.astype(np.int64))


Errors = tuple[Rate, Rate]
"""Of appeals: overturned violations, and upheld legitimate cases."""


@dataclass(frozen=True)
class Terms:
    """A total as offset + sum(weights * shares), with the spread that nothing known can narrow."""

    offset: float
    weights: Floats
    shares: Floats
    labels: Floats
    spread: tuple[float, float] = (0.0, 0.0)

    @property
    def value(self) -> float:
        """The total, without its unidentified part."""
        return self.offset + float((self.weights * self.shares).sum())


def terms(domains: Domains, price: Price, wrong: Rate, right: Rate, errors: Errors, *, high: bool = False) -> Terms:
    """Write the priced difference as a linear function of the domains' shares and the rates of reviewers and appeals.

    Linear at the rates given: how a reviewer decides a case that an appeal settled is a product of two rates. Modelled
    cases are read at the end that makes it low, or high.
    """
    settled = np.zeros(len(domains.cases)) if domains.settled is None else domains.settled.astype(np.float64)
    overturned, upheld = (settled * error.value for error in errors)
    gap = right.value - wrong.value
    enforce_legitimate = domains.alpha + domains.beta * (wrong.value + overturned * gap)
    enforce_violation = domains.alpha + domains.beta * (right.value - upheld * gap)
    at_zero, at_one = price.wrong * enforce_legitimate, -price.missed * enforce_violation
    asked_zero = price.wrong * domains.beta * domains.cases * (1 - domains.share)
    asked_one = -price.missed * domains.beta * domains.cases * domains.share
    by_rate = [
        float((asked_zero * (1 - overturned) + asked_one * upheld).sum()),
        float((asked_zero * overturned + asked_one * (1 - upheld)).sum()),
        float((asked_zero * settled).sum()) * gap,
        -float((asked_one * settled).sum()) * gap,
    ]
    rates = (wrong, right, *errors)
    bounded = _rerouted_of_unknown_truth(domains, price, at_one - at_zero, high=high)
    by_rate = [known + more for known, more in zip(by_rate, (*bounded, 0.0, 0.0), strict=True)]
    offset = price.fixed + float((domains.cases * at_zero).sum())
    offset -= sum(weight * rate.value for weight, rate in zip(by_rate, rates, strict=True))
    weights = np.append(domains.cases * (at_one - at_zero), by_rate)
    shares = np.append(domains.share, [rate.value for rate in rates])
    labels = np.append(domains.labels, [rate.labels for rate in rates])
    if (found := domains.modelled) is not None:
        zero = np.broadcast_to(at_zero, domains.cases.shape)[found.at]
        slope = found.cases * (np.broadcast_to(at_one, domains.cases.shape)[found.at] - zero)
        more = _ends(found, slope, (slope > 0) == high)
        offset += float((found.cases * zero).sum()) + more.offset
        weights, shares = np.append(weights, more.weights), np.append(shares, more.shares)
        labels = np.append(labels, more.labels)
    return Terms(
        offset=offset,
        weights=weights,
        shares=shares,
        labels=labels,
        spread=(
            float((domains.unknown * np.minimum(at_zero, at_one)).sum()),
            float((domains.unknown * np.maximum(at_zero, at_one)).sum()),
        ),
    )


def _rerouted_of_unknown_truth(domains: Domains, price: Price, slope: Floats, *, high: bool) -> tuple[float, float]:
    """Return how reviewers' two rates weigh in cases that are read at one of their ends: bounded by a model, unknown.

    Their ends hold at the rates as they were estimated, and go with these.
    """
    every = np.broadcast_to(slope, domains.cases.shape)
    asked_zero, asked_one = (np.broadcast_to(x * domains.beta, every.shape) for x in (price.wrong, -1 * price.missed))
    one = (every > 0) == high
    zero, violating = domains.unknown * ~one, domains.unknown * one
    if (found := domains.modelled) is not None:
        share = found.shares[one[found.at].astype(np.int64), np.arange(len(found.at))]
        zero = zero + np.bincount(found.at, found.cases * (1 - share), len(every))
        violating = violating + np.bincount(found.at, found.cases * share, len(every))
    return float((asked_zero * zero).sum()), float((asked_one * violating).sum())


def _ends(found: Modelled, slope: Floats, upper: NDArray[np.bool_]) -> Terms:
    """Read modelled cases at one of their ends each: the windows' own error, and that of so few cases, apart.

    Domains that share a window share its error, so their weights on it add up before they are squared. The realised
    share of ``cases`` cases strays from their chance as a sample of as many would; those terms add nothing in the mean.
    """
    pick = (upper.astype(np.int64), np.arange(len(slope)))
    shares, labels, windows = found.shares[pick], found.labels[pick], found.windows[pick]
    _, first, which = np.unique(windows, return_index=True, return_inverse=True)
    mine = windows >= 0
    by_window = np.bincount(which, np.where(mine, slope, 0.0), len(first))
    return Terms(
        offset=float((slope * shares)[~mine].sum()) - float((slope * shares).sum()),
        weights=np.append(by_window, slope),
        shares=np.append(shares[first], shares),
        labels=np.append(labels[first], found.cases),
    )


def bound(low: Terms, high: Terms, level: float = 0.95) -> Bounded:
    """Return bounds and interval of a total whose lower and upper reading may differ."""
    lo, hi = low.value + low.spread[0], high.value + high.spread[1]
    z = NORMAL.inv_cdf(0.5 + level / 2)
    sigma = max(max(mover(t.weights, t.shares, t.labels, z)) for t in (low, high)) / z
    c = imbens_manski(hi - lo, sigma, level)
    below = mover(low.weights, low.shares, low.labels, c)[0]
    above = mover(high.weights, high.shares, high.labels, c)[1]
    return Bounded(lo, hi, (lo - below, hi + above))


def foreseen(reviewers: Reviewers, domains: Domains) -> Reviewers:
    """Return the rates as forecasts of the shares of these very cases that reviewers would enforce.

    What they would answer is drawn too: a rate learnt from ``n`` labels foretells the share of ``m`` further answers as
    ``1 / (1/n + 1/m)`` labels would.
    """
    asked = np.abs(domains.beta) * domains.cases
    wrong, right = float((asked * (1 - domains.share)).sum()), float((asked * domains.share).sum())
    return replace(reviewers, wrong=_foreseen(reviewers.wrong, wrong), right=_foreseen(reviewers.right, right))


def _foreseen(rate: Rate | None, answers: float) -> Rate | None:
    if rate is None or answers < 1:
        return rate
    return Rate(rate.value, 1 / (1 / rate.labels + 1 / answers))


def corners(domains: Domains, price: Price, reviewers: Reviewers) -> tuple[Terms, Terms]:
    """Return the lowest and the highest reading of the priced difference over what reviewers might do."""
    reviewers = foreseen(reviewers, domains)
    settled = domains.settled is not None and bool((domains.settled & (domains.beta != 0)).any())
    wrong, right = _readings(reviewers.wrong), _readings(reviewers.right)
    errors = [_readings(rate) if settled else [_NEVER] for rate in (reviewers.overturned, reviewers.upheld)]
    rates = [(w, r, (o, u)) for w, r, o, u in product(wrong, right, *errors)]
    lowest = [terms(domains, price, *read) for read in rates]
    one_reading = domains.modelled is None and not (domains.unknown * np.abs(domains.beta)).any()
    highest = lowest if one_reading else [terms(domains, price, *read, high=True) for read in rates]
    low = min(lowest, key=lambda t: t.value + t.spread[0])
    return low, max(highest, key=lambda t: t.value + t.spread[1])


_NEVER, _ALWAYS = Rate(0.0, np.inf), Rate(1.0, np.inf)


def _readings(rate: Rate | None) -> list[Rate]:
    """A total is multilinear in its rates, so that those unknown take it furthest at either end."""
    return [_NEVER, _ALWAYS] if rate is None else [rate]


def difference(domains: Domains, price: Price, reviewers: Reviewers | None = None, level: float = 0.95) -> Bounded:
    """Return the priced difference to today's policy: point (or bounds) and interval."""
    return bound(*corners(domains, price, reviewers or Reviewers()), level)
