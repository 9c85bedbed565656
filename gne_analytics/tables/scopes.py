"""A change's scope: which values of which dimensions it touched."""

import json

from gne_analytics.evidence.segment import Segment


def canonical_scope(scope: object) -> str | None:
    """Any spelling of a scope as canonical JSON text, ``{"market": ["ID"]}``; null when it cannot be read.

    Read are a mapping, JSON text, and ``market=ID & category=beauty`` (several values: ``market=ID|TH``).
    """
    if isinstance(scope, str):
        scope = _from_text(scope)
    if not isinstance(scope, dict):
        return None
    segment = {str(k): _values(v) for k, v in scope.items() if v is not None}
    return json.dumps({k: segment[k] for k in sorted(segment)}, ensure_ascii=False)


def _values(value: object) -> list[str]:
    return sorted({str(v) for v in (value if isinstance(value, list | tuple | set) else [value])})


def _from_text(text: str) -> object:
    text = text.strip()
    if text.startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return None
    pairs = [part.split("=", 1) for part in text.split("&") if part.strip()]
    if any(len(pair) != 2 for pair in pairs):
        return None
    return {dim.strip(): [v.strip() for v in values.split("|")] for dim, values in pairs}


def scope_segment(scope: str | None) -> Segment:
    """Read a change's ``scope`` as a segment; null is everything.

    Example:
        >>> scope_segment('{"market": ["ID"]}')
        Segment(market=ID)
    """
    canonical = canonical_scope(scope) if scope else None
    return Segment.of(json.loads(canonical)) if canonical else Segment({})
