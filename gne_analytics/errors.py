"""The errors of the package, split by who must act.

GneError
├── DataError     mend the extract: a file, a column, a row
├── PolicyError   mend the policy config: a key, a predicate, an edit
├── ModelError    the language model or its endpoint failed; the narrator goes on without it
└── MissingExtra  install something; the message holds the line to type

Every message is one sentence that names the place and says what to do. The command line prints it and exits with 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self


class GneError(Exception):
    """The root of every error that this package raises on purpose."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest known word, else the known words, else nothing."""
    names = sorted({str(k) for k in known})
    spelled = [n for n in names if n.casefold() == word.casefold()]
    close = spelled or get_close_matches(word, names, n=1)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(names[:30])})" if names else ""


class DataError(GneError):
    """The extract must be mended: a missing file or column, a wrong type, too many bad rows."""

    @classmethod
    def missing_column(cls, table: str, column: str, known: Iterable[str], where: str = "") -> Self:
        """Name a required column that a table lacks, with the nearest column that it has."""
        place = f"{where}: " if where else ""
        return cls(f"{place}table {table!r} has no column {column!r}{did_you_mean(column, known)}.")


class PolicyError(GneError):
    """The policy config must be mended: file, key, what is wrong, what would be right."""

    @classmethod
    def at(cls, file: str, key: str, problem: str) -> Self:
        """Name the file and key of a fault, e.g. ``at("policies/ip.yaml", "rules[logo-match].threshold", "...")``."""
        return cls(f"{file}, {key} {problem}")


class ModelError(GneError):
    """The language model could not be reached, refused, or answered out of its schema."""


class MissingExtra(GneError):
    """Something optional is not installed."""

    @classmethod
    def for_feature(cls, feature: str, install: str) -> Self:
        """Name the feature and the line that installs it."""
        return cls(f"{feature} needs more than is installed; type: {install}")
