"""The renderer: it alone turns references into figures, so no digit reaches a reader without its evidence."""

import math
from collections.abc import Callable
from html import escape
from typing import Literal

from gne_analytics.evidence.claims import REFERENCE, ClaimError, Finding, check_template
from gne_analytics.evidence.days import long_date
from gne_analytics.evidence.store import DEFAULT_FORMAT, Evidence, EvidenceStore, Unit

NOT_KNOWN = "not known"


def render(template: str, store: EvidenceStore, as_: Literal["text", "html"] = "text") -> str:
    """Fill a claim template in; ClaimError when a reference is unknown or misused, or a digit stands free.

    As HTML all text is escaped and each reference becomes ``<span class="ev" data-ev="E12">..</span>``.

    Example:
        >>> store = EvidenceStore()
        >>> rose = store.add(0.0842, "points")
        >>> render(f"The rate rose by {rose.ref('points')}.", store)
        'The rate rose by 8.4 points.'
    """
    problems = check_template(template, store, words=False)
    if problems:
        raise ClaimError(template, problems)
    parts: list[str] = []
    end = 0
    for match in REFERENCE.finditer(template):
        evidence = store.get(match.group(1))
        shown = show(evidence, match.group(2) or "")
        text = template[end : match.start()]
        if as_ == "html":
            parts += [escape(text), f'<span class="ev" data-ev="{evidence.id}">{escape(shown)}</span>']
        else:
            parts += [text, shown]
        end = match.end()
    tail = template[end:]
    parts.append(escape(tail) if as_ == "html" else tail)
    return "".join(parts)


def render_finding(finding: Finding, store: EvidenceStore, as_: Literal["text", "html"] = "text") -> str:
    """Render a finding: its title, then its claims as one paragraph."""
    title = render(finding.title.template, store, as_)
    body = " ".join(render(c.template, store, as_) for c in finding.claims)
    return f"<h3>{title}</h3>\n<p>{body}</p>" if as_ == "html" else f"{title}\n{body}"


def show(evidence: Evidence, format: str = "") -> str:  # noqa: A002
    """Write one evidence value in a format; "not known" where it could not be computed."""
    return _SHOW[format or DEFAULT_FORMAT[evidence.unit]](evidence)


def percent(share: float, n: float | None = None) -> str:
    """Write a share as a percentage that is 0 % or 100 % only when it is exactly that.

    One decimal, none when fewer than a hundred rows stand behind it.

    Example:
        >>> percent(0.9997), percent(1.0), percent(0.4123), percent(0.4123, n=34)
        ('over 99.9 %', '100 %', '41.2 %', '41 %')
    """
    value = 100 * share
    decimals = 0 if n is not None and n < 100 else 1
    if value in (0.0, 100.0):
        return f"{value:.0f} %"
    rounded, step = round(value, decimals), 10.0**-decimals
    if rounded <= 0 < value:
        return f"under {step:g} %"
    if rounded >= 100 > value:
        return f"over {100 - step:g} %"
    return f"{_minus(f'{value:.{decimals}f}')} %"


def points(difference: float, *, signed: bool = True) -> str:
    """Write a difference of shares in percentage points: two decimals under a point, else one.

    Example:
        >>> points(0.0842), points(-0.0035), points(0.0842, signed=False), points(0.00002)
        ('+8.4 points', '−0.35 points', '8.4 points', 'under 0.01 points')
    """
    return f"{_points_number(difference, signed=signed)} points"


def _points_number(difference: float, *, signed: bool) -> str:
    value = 100 * difference if signed else abs(100 * difference)
    if 0 < abs(value) < 0.005:
        return "under 0.01"
    text = f"{value:.{1 if round(abs(value), 2) >= 1 else 2}f}" if value else "0"
    return _minus(f"+{text}" if signed and value > 0 else text)


def _minus(text: str) -> str:
    return text.replace("-", "−")


def number(value: float) -> str:
    """Write a plain number with thousands separators: whole when it is whole, else about three significant digits.

    Example:
        >>> number(12345.0), number(0.8125), number(31.26), number(1234.6)
        ('12,345', '0.812', '31.3', '1,235')
    """
    if value == round(value):
        return _minus(f"{value:,.0f}")
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if abs(value) < 1000 else 0
    text = f"{value:,.{min(decimals, 6)}f}"
    return _minus(text.rstrip("0").rstrip(".") if "." in text else text)


def _span_of(evidence: Evidence) -> str:
    interval = evidence.interval
    if interval is None:
        return NOT_KNOWN
    lo, hi = interval.lo, interval.hi
    match evidence.unit:
        case Unit.RATE:
            text = f"{percent(lo, evidence.denominator)} to {percent(hi, evidence.denominator)}"
        case Unit.POINTS:
            text = f"{_points_number(lo, signed=True)} to {points(hi)}"
        case Unit.DAYS | Unit.HOURS:
            text = f"{number(lo)} to {_time(hi, evidence.unit)}"
        case _:
            text = f"{number(lo)} to {number(hi)}"
    return text if interval.level in {0.95, 1.0} else f"{text} at {percent(interval.level)}"


def _time(value: float, unit: Unit) -> str:
    text = number(value)
    return f"{text} {unit.value.removesuffix('s') if text == '1' else unit.value}"


def _plain(evidence: Evidence) -> str:
    if evidence.unit in {Unit.DAYS, Unit.HOURS}:
        return _time(evidence.number, evidence.unit)
    return number(evidence.number)


def _money(evidence: Evidence) -> str:
    currency = evidence.arguments.get("currency")
    rounded = evidence.number if abs(evidence.number) < 100 else round(evidence.number)
    return f"{currency} {number(rounded)}" if currency else f"{number(rounded)} in cost units"


def _signed(evidence: Evidence) -> str:
    text = _money(evidence) if evidence.unit is Unit.MONEY else _plain(evidence)
    return f"+{text}" if evidence.number > 0 else text


def _n(evidence: Evidence) -> str:
    value = evidence.denominator if evidence.unit in {Unit.RATE, Unit.POINTS} else evidence.number
    return NOT_KNOWN if value is None else number(round(value))


def _of(evidence: Evidence) -> str:
    if evidence.numerator is None or evidence.denominator is None:
        return NOT_KNOWN
    return f"{number(evidence.numerator)} of {number(evidence.denominator)}"


def _known(write: Callable[[Evidence], str]) -> Callable[[Evidence], str]:
    return lambda evidence: NOT_KNOWN if evidence.value is None else write(evidence)


_SHOW: dict[str, Callable[[Evidence], str]] = {
    "pct": _known(lambda e: percent(e.number, e.denominator)),
    "pp": _known(lambda e: points(e.number)),
    "points": _known(lambda e: points(e.number, signed=False)),
    "n": _known(_n),
    "x": _known(lambda e: f"{number(round(e.number, 1))} times"),
    "num": _known(_plain),
    "signed": _known(_signed),
    "money": _known(_money),
    "ci": _span_of,
    "of": _of,
    "date": _known(lambda e: long_date(str(e.value))),
    "name": _known(lambda e: str(e.value)),
}
