"""A figure as a still picture: SVG drawn from the figure itself, for an output that runs no script.

It knows what our figures of one panel are made of: ``scatter`` and ``bar`` traces, lines, rectangles, labels and a
legend. Ink takes the colour of the text around it, so that it reads on light and on dark paper.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape, unescape
from math import ceil, cos, floor, log10, pi, sin
from re import split
from typing import Any, Final

import plotly.graph_objects as go

from gne_analytics.figures.theme import FONT, TURNING, shut_in, words_of

WIDTH: Final = 760
"""Pixels of a picture that no width is given for; it shrinks with its place."""
_TOP: Final = 24
_CHARACTER: Final = 6.7
"""Pixels that a character of a label takes on average."""
_DASHES: Final = {"dash": "7 5", "dot": "2 4", "dashdot": "7 4 2 4"}
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_MONTHS: Final = (1, 2, 3, 6, 12)
_TAG: Final = r"(</?[a-z][^<>]*>)"


@dataclass(frozen=True)
class _Scale:
    """From a value to its pixel."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: object) -> float:
        share = (_number(value) - self.low) / ((self.high - self.low) or 1.0)
        return self.first + share * (self.last - self.first)

    def at(self, share: float) -> float:
        """The pixel at a share of the axis."""
        return self.first + share * (self.last - self.first)


def still(figure: go.Figure, *, width: int = WIDTH) -> str:
    """Return a figure of one panel as SVG, without its title and subtitle: set these beside it as real text."""
    layout, drawn = figure.layout, [t for t in figure.data if t.visible is not False]
    x_title, legend = layout.xaxis.title.text or "", [t for t in drawn if t.showlegend is not False and t.name]
    labelled = layout.yaxis.showticklabels is not False
    height = int((layout.height or 300) - (layout.margin.t or _TOP) + _TOP)
    bottom = height - (26 if not x_title else 44) - (28 if legend else 0)
    left, right = (58.0 if labelled else 8.0), width - 14.0
    dated = any(isinstance(v, date) for t in drawn for v in _held(t.x))
    across = [v for t in drawn for v in (*_xs(t), *_ends(t.x, t, "error_x"))]
    down = [v for t in drawn for v in (*_held(t.y), *_ends(t.y, t, "error_y"))]
    x = _Scale(*_range(layout.xaxis, across, pad=0.02 if dated else 0.05), left, right)
    y = _Scale(*_range(layout.yaxis, down, pad=0.06), float(bottom), float(_TOP))
    parts = [
        *_grid(layout, x, y, dated=dated, labelled=labelled),
        *_shapes(layout, x, y),
        *(part for trace in drawn for part in _trace(trace, x, y)),
        *_axis_titles(layout, x, y, labelled=labelled),
        *_labels(layout, x, y, width),
        *_legend(legend, width, height),
    ]
    alt = escape(TURNING.sub("", words_of(figure).alt))
    return (
        f'<svg role="img" aria-label="{alt}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'style="max-width:100%;height:auto;display:block" font-family="{escape(FONT)}" '
        f'font-size="13" fill="currentColor" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _held(values: object) -> list[Any]:
    """The values of a trace that are there."""
    return [] if values is None else [v for v in values if v is not None]  # type: ignore[attr-defined]


def _ends(values: Any, trace: Any, side: str) -> list[float]:
    """Both ends of each interval that a trace draws along an axis; none where it draws none."""
    reach = getattr(trace, side, None)
    if reach is None or reach.array is None:
        return []
    minus = reach.array if reach.arrayminus is None else reach.arrayminus
    spans = zip(_held(values), minus, reach.array, strict=True)
    return [end for value, under, over in spans for end in (value - under, value + over)]


def _number(value: object) -> float:
    if isinstance(value, date):
        return float(value.toordinal())
    if isinstance(value, str):
        return float(date.fromisoformat(value[:10]).toordinal())
    return float(value)  # type: ignore[arg-type]


def _xs(trace: Any) -> list[Any]:
    if trace.type == "bar":
        return [
            v for base, x in zip(trace.base or [0.0] * len(trace.x), trace.x, strict=True) for v in (base, base + x)
        ]
    return _held(trace.x)


def _range(axis: Any, values: Sequence[Any], *, pad: float) -> tuple[float, float]:
    if axis.range is not None:
        return _number(axis.range[0]), _number(axis.range[1])
    numbers = [_number(v) for v in values] or [0.0, 1.0]
    low, high = min(numbers), max(numbers)
    reach = pad * (high - low or abs(high) or 1.0)
    return (0.0 if axis.rangemode == "tozero" and low >= 0 else low - reach), high + reach


def _grid(layout: Any, x: _Scale, y: _Scale, *, dated: bool, labelled: bool) -> Iterator[str]:
    ticks = _months(x) if dated else [(v, _spelt(v, layout.xaxis.tickformat)) for v in _nice(x)]
    if layout.xaxis.tickvals is not None:
        ticks = list(zip(layout.xaxis.tickvals, layout.xaxis.ticktext, strict=True))
    for value, text in ticks:
        at = x(value)
        yield _line(at, y.last, at, y.first, "currentColor", 1, opacity=0.13)
        if text:
            half = _CHARACTER * len(text) / 2
            yield _text(text, min(max(at, half), x.last + 14 - half), y.first + 18, "middle", size=12, opacity=0.8)
    if labelled:
        for value in _nice(y):
            yield _line(x.first, y(value), x.last, y(value), "currentColor", 1, opacity=0.13)
            yield _text(_spelt(value, layout.yaxis.tickformat), x.first - 7, y(value) + 4, "end", size=12, opacity=0.8)


def _nice(scale: _Scale, wanted: int = 5) -> list[float]:
    """Round values along an axis."""
    low, high = sorted((scale.low, scale.high))
    raw = (high - low) / wanted
    if raw <= 0:
        return [low]
    unit = 10.0 ** floor(log10(raw))
    step = next(s * unit for s in _STEPS if s * unit >= raw * 0.999)
    first = ceil(low / step - 1e-9)
    return [k * step for k in range(first, floor(high / step + 1e-9) + 1)]


def _months(scale: _Scale) -> list[tuple[float, str]]:
    """The first days of months along an axis of days, so many apart that their names fit."""
    first, last = date.fromordinal(floor(scale.low)), date.fromordinal(ceil(scale.high))
    span = (last.year - first.year) * 12 + last.month - first.month
    if span < 1:
        return [(float(d.toordinal()), f"{d.day} {d:%b %Y}") for d in (first, last)]
    step = next((s for s in _MONTHS if span / s <= 8), 12 * ceil(span / 96))
    found = []
    for month in range(first.year * 12 + first.month, last.year * 12 + last.month):
        if month % step == 0:
            day = date(month // 12, month % 12 + 1, 1)
            found.append((float(day.toordinal()), f"{day:%Y}" if step >= 12 else f"{day:%b %Y}"))
    return found


def _spelt(value: float, form: str | None) -> str:
    if not form or "%" not in form:
        return f"{value:,.10g}"
    percent = round(100 * value, 6)
    text = f"{percent:g}%" if abs(percent) < 1e6 else f"{percent:.0f}%"
    return (f"+{text}" if form.startswith("+") and percent > 0 else text).replace("-", "−")


def _shapes(layout: Any, x: _Scale, y: _Scale) -> Iterator[str]:
    for shape in layout.shapes:
        down = y.at if "domain" in (shape.yref or "") or shape.yref == "paper" else y
        along = x.at if "domain" in (shape.xref or "") or shape.xref == "paper" else x
        x0, x1, y0, y1 = along(shape.x0), along(shape.x1), down(shape.y0), down(shape.y1)
        if shape.type == "rect":
            left, right = max(min(x0, x1), x.first), min(max(x0, x1), x.last)
            if right >= left:
                yield (
                    f'<rect x="{left:.1f}" y="{min(y0, y1):.1f}" width="{max(right - left, 1):.1f}" '
                    f'height="{abs(y1 - y0):.1f}" fill="{shape.fillcolor}" opacity="{shape.opacity or 1}"/>'
                )
        elif x.first - 1 <= x0 <= x.last + 1:
            yield _line(x0, y0, x1, y1, shape.line.color or "currentColor", shape.line.width or 1, shape.line.dash)


def _trace(trace: Any, x: _Scale, y: _Scale) -> Iterator[str]:
    if trace.type == "bar":
        yield from _bars(trace, x, y)
        return
    spots = [(x(a), y(b)) for a, b in zip(trace.x, trace.y, strict=True) if a is not None and b is not None]
    if not spots:
        return
    mode, opacity = trace.mode or "lines", trace.opacity or 1
    if "lines" in mode:
        path = " ".join(f"{'L' if i else 'M'}{a:.1f} {b:.1f}" for i, (a, b) in enumerate(spots))
        if trace.fill == "toself":
            yield f'<path d="{path} Z" fill="{trace.fillcolor}" stroke="none"/>'
        elif trace.line.width != 0:
            dash = f' stroke-dasharray="{_DASHES[trace.line.dash]}"' if trace.line.dash in _DASHES else ""
            yield (
                f'<path d="{path}" fill="none" stroke="{trace.line.color}" stroke-width="{trace.line.width or 2}"'
                f'{dash} opacity="{opacity}" stroke-linejoin="round"/>'
            )
    yield from _reaches(trace, x, y)
    if "markers" in mode:
        colours = trace.marker.color
        for index, (a, b) in enumerate(spots):
            colour = colours if isinstance(colours, str) else colours[index]
            yield _mark(a, b, colour, trace.marker.symbol or "circle", trace.marker.size or 8)


def _reaches(trace: Any, x: _Scale, y: _Scale) -> Iterator[str]:
    """The intervals of a trace's marks, along either axis."""
    ends_x, ends_y = _ends(trace.x, trace, "error_x"), _ends(trace.y, trace, "error_y")
    for at, (lo, hi) in zip(_held(trace.y), zip(ends_x[::2], ends_x[1::2], strict=True), strict=False):
        yield _line(x(lo), y(at), x(hi), y(at), trace.error_x.color, trace.error_x.thickness or 2)
    for at, (lo, hi) in zip(_held(trace.x), zip(ends_y[::2], ends_y[1::2], strict=True), strict=False):
        yield _line(x(at), y(lo), x(at), y(hi), trace.error_y.color, trace.error_y.thickness or 2)


def _bars(trace: Any, x: _Scale, y: _Scale) -> Iterator[str]:
    half = abs(y(trace.width or 0.8) - y(0)) / 2
    shape = trace.marker.pattern.shape or ""
    colour = trace.marker.color
    if shape:
        name = f"gne-{'hatch' if shape == '/' else 'dots'}-{str(colour).strip('#')}"
        drawn = (
            f'<path d="M0 8 L8 0" stroke="{colour}" stroke-width="2"/>' if shape == "/"
            else f'<circle cx="3" cy="3" r="1.5" fill="{colour}"/>'
        )  # fmt: skip
        yield (
            f'<defs><pattern id="{name}" width="{8 if shape == "/" else 6}" height="{8 if shape == "/" else 6}" '
            f'patternUnits="userSpaceOnUse">{drawn}</pattern></defs>'
        )
        colour = f"url(#{name})"
    for base, size, row in zip(trace.base or [0.0] * len(trace.x), trace.x, trace.y, strict=True):
        left, right = sorted((x(base), x(base + size)))
        yield (
            f'<rect x="{left:.1f}" y="{y(row) - half:.1f}" width="{max(right - left, 1.5):.1f}" '
            f'height="{2 * half:.1f}" fill="{colour}" stroke="{trace.marker.color}"/>'
        )


def _mark(x: float, y: float, colour: str, symbol: str, size: float) -> str:
    half, fill = size / 2, "none" if "open" in symbol else colour
    stroke = f'stroke="{colour}" stroke-width="2"'
    if symbol == "x" or symbol.startswith("x-thin"):
        return f'<path d="M{x - half:.1f} {y - half:.1f} l{size} {size} m0 {-size} l{-size} {size}" {stroke}/>'
    if symbol.startswith("diamond"):
        turns = f"l{half} {half} l{-half} {half} l{-half} {-half} Z"
        return f'<path d="M{x:.1f} {y - half:.1f} {turns}" fill="{fill}" {stroke}/>'
    if symbol.startswith("square"):
        return f'<rect x="{x - half:.1f}" y="{y - half:.1f}" width="{size}" height="{size}" fill="{fill}" {stroke}/>'
    if symbol.startswith("star"):
        spikes = ((half if i % 2 == 0 else half * 0.45, pi * (i / 5 - 0.5)) for i in range(10))
        path = " L".join(f"{x + r * cos(a):.1f} {y + r * sin(a):.1f}" for r, a in spikes)
        return f'<path d="M{path} Z" fill="{fill}" {stroke}/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{half:.1f}" fill="{fill}" {stroke}/>'


def _axis_titles(layout: Any, x: _Scale, y: _Scale, *, labelled: bool) -> Iterator[str]:
    if layout.xaxis.title.text:
        yield _text(layout.xaxis.title.text, (x.first + x.last) / 2, y.first + 38, "middle", size=12, opacity=0.8)
    if labelled and layout.yaxis.title.text:
        yield _text(layout.yaxis.title.text, 0, y.last - 10, "start", size=12, opacity=0.8)


def _labels(layout: Any, x: _Scale, y: _Scale, width: float) -> Iterator[str]:
    for note in layout.annotations:
        across = x.at(note.x) if "domain" in (note.xref or "") else x(note.x)
        down = y.at(note.y) if "domain" in (note.yref or "") or note.yref == "paper" else y(note.y)
        lines = note.text.split("<br>")
        long = _CHARACTER * max(len(_bare(line)) for line in lines)
        anchor = {"left": "start", "right": "end", "center": "middle"}.get(note.xanchor or "center", "middle")
        across += note.xshift or 0
        if anchor == "end" and across - long < 0:
            anchor, across = "start", across - 2 * (note.xshift or 0)
        if anchor == "start" and across + long > width:
            anchor, across = "end", width - 2.0
        down -= (note.yshift or 0) + (16 * (len(lines) - 1) if note.yanchor == "bottom" else 0)
        down += {"top": 13, "middle": 4}.get(note.yanchor or "", -3)
        for index, line in enumerate(lines):
            yield _text(line, across, down + 16 * index, anchor, size=12, halo=True)


def _legend(traces: Sequence[Any], width: float, height: float) -> Iterator[str]:
    at = 8.0
    for trace in traces:
        long = 34 + _CHARACTER * len(_bare(trace.name))
        if at + long > width:
            return
        if trace.fill == "toself":
            yield f'<rect x="{at}" y="{height - 17}" width="16" height="10" fill="{trace.fillcolor}"/>'
        elif "markers" in (trace.mode or ""):
            colour = trace.marker.color if isinstance(trace.marker.color, str) else trace.marker.color[0]
            yield _mark(at + 8, height - 12, colour, trace.marker.symbol or "circle", 9)
        yield _text(trace.name, at + 22, height - 8, "start", size=12)
        at += long


def _line(
    x0: float, y0: float, x1: float, y1: float, colour: str, width: float, dash: str | None = None, opacity: float = 1
) -> str:
    dashes = f' stroke-dasharray="{_DASHES[dash]}"' if dash in _DASHES else ""
    faint = f' opacity="{opacity}"' if opacity != 1 else ""
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}" stroke-width="{width}"'
        f"{dashes}{faint}/>"
    )


def _text(text: str, x: float, y: float, anchor: str, *, size: int, opacity: float = 1, halo: bool = False) -> str:
    """A line of text: bold stays bold, every other tag goes, and what it says is escaped, whatever it was before."""
    spans = []
    bold = False
    for piece in split(_TAG, text):
        if piece.startswith("<") and piece.endswith(">"):
            bold = piece == "<b>" if piece in {"<b>", "</b>"} else bold
        elif piece:
            said = shut_in(escape(TURNING.sub("", unescape(piece)))).replace("  ", "\u00a0 ")
            spans.append(f'<tspan font-weight="600">{said}</tspan>' if bold else said)
    faint = f' opacity="{opacity}"' if opacity != 1 else ""
    over = ' class="gne-over"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{faint}{over}>{"".join(spans)}</text>'
    )


def _bare(text: str) -> str:
    return "".join(t for t in split(_TAG, unescape(text)) if not t.startswith("<"))
