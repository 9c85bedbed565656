"""Hunks: the lines that an inverse edit puts back, found again by their text as ``patch`` does."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from gne_analytics.evidence.types import Hunk


def hunk_between(file: str, now: str, then: str) -> Hunk:
    """Return the smallest run of whole lines that differs, widened until it is unique in the file as it is now."""
    a, b = now.splitlines(keepends=True), then.splitlines(keepends=True)
    changed = [block for block in SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if block[0] != "equal"]
    if not changed:
        return Hunk(file=file, found=now, restored=then)
    top, bottom = changed[0][1], len(a) - changed[-1][2]
    while top or bottom:
        top, bottom = max(0, top - 1), max(0, bottom - 1)
        found = a[top : len(a) - bottom]
        if _places(a, found) == [top]:
            return Hunk(file=file, found="".join(found), restored="".join(b[top : len(b) - bottom]))
    return Hunk(file=file, found=now, restored=then)


def restore(text: str, hunk: Hunk) -> str | None:
    """Put the hunk's lines back, or None where they do not stand exactly once."""
    rows, found = text.splitlines(keepends=True), hunk.found.splitlines(keepends=True)
    places = _places(rows, found)
    if len(places) != 1:
        return None
    return "".join([*rows[: places[0]], hunk.restored, *rows[places[0] + len(found) :]])


def _places(rows: Sequence[str], wanted: Sequence[str]) -> list[int]:
    return [i for i in range(len(rows) - len(wanted) + 1) if list(rows[i : i + len(wanted)]) == list(wanted)]
