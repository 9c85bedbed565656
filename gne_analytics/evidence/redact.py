"""Personal data out of texts: before an exemplar is shown, and before any text leaves the machine."""

import re

# Every repetition before a required character is bounded, so that junk of any length is read in linear time.
_PERSONAL = re.compile(
    r"""
      (?P<date>  (?<!\d) \d{4}-\d{2}-\d{2} (?!\d) )
    | (?P<link>  (?:https?://|www\.) \S+ )
    | (?P<email> [\w.+-]{1,64} @ [\w-]{1,63} (?:\.[\w-]{1,63})+ )
    | (?P<handle> (?<![\w@]) @ \w [\w.]{2,} )
    | (?P<account> \b [A-Z]{2} \d{2} (?:[ ]?[A-Z0-9]{4}){3,7} (?:[ ]?[A-Z0-9]{1,4})? \b )          # an IBAN
    | (?P<code>  (?<![A-Z0-9]) \#? (?=(?:[A-Z_-]{0,20}\d){3}) (?=[\d_-]{0,40}[A-Z]) [A-Z0-9][A-Z0-9_-]{5,} )
    | (?P<phone> (?<![\d.,]) \+? \(? \d (?:[\s().-]{0,2} \d){7,} )
    | (?P<number> (?<!\d) \#? \d{5,} )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]")
_MARKS = {"code": "number", "phone": "number"}

MARK = re.compile(r"\[(?:link|email|handle|account|number)\]")
"""What stands where something was redacted."""


def _mark(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    return match.group() if kind == "date" else f"[{_MARKS.get(kind, kind)}]"


def redact(text: str, limit: int | None = None) -> str:
    """Return the text with links, e-mails, handles, phone, account, order and other long numbers replaced by a mark.

    Control characters and the invisible ones that reorder text are dropped, runs of blanks become one; ``limit`` cuts
    the result to so many characters. Dates stay: they identify nobody. Names of people are not found: this is the
    floor under every screen, not a licence to publish. The result is still hostile text: escape it where it is shown.

    Example:
        >>> redact("mail me: jo@shop.example, order 240-558812 of 2026-10-01")
        'mail me: [email], order [number] of 2026-10-01'
    """
    # Cut first to a little more than will be read, so that a paste of 50,000 characters costs no more than a page.
    seen = text if limit is None else text[: 4 * limit + 200]
    clean = _PERSONAL.sub(_mark, " ".join(_UNSEEN.sub("", seen).split()))
    return clean if limit is None or len(clean) <= limit else clean[: max(limit - 1, 0)].rstrip() + "…"
