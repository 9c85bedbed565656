"""Days and spans of days in words."""

from collections.abc import Iterable
from datetime import date, timedelta


def long_date(iso: str) -> str:
    """Write an ISO date in words, e.g. 2 November 2026."""
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%B %Y}"


def period_in_words(start: date, end: date) -> str:
    """Write a half-open span of days as a reader says it: whole years and months as such, else first and last day.

    Example:
        >>> period_in_words(date(2013, 1, 1), date(2016, 1, 1)), period_in_words(date(2026, 10, 1), date(2026, 11, 1))
        ('2013–2015', 'October 2026')
        >>> period_in_words(date(2026, 1, 5), date(2026, 6, 29))
        '5 January–28 June 2026'
    """
    first, last = start, end - timedelta(days=1)
    if (first.month, first.day, last.month, last.day) == (1, 1, 12, 31):
        return f"{first.year}" if first.year == last.year else f"{first.year}–{last.year}"
    same_year, same_month = first.year == last.year, (first.year, first.month) == (last.year, last.month)
    if same_month and first.day == 1 and end.day == 1:
        return f"{first:%B %Y}"
    written = f"{last.day} {last:%B %Y}"
    if first >= last:
        return written
    begin = f"{first.day}" if same_month else f"{first.day} {first:%B}" if same_year else f"{first.day} {first:%B %Y}"
    return f"{begin}–{written}"


def are_years(days: Iterable[date]) -> bool:
    """Say whether days stand for the years that they begin, as those of a record with years only do."""
    return all((day.month, day.day) == (1, 1) for day in days)
