"""Fill a notice's placeholders, and nothing else: no expressions, no second pass over what was filled in."""

import html
import re
from collections.abc import Mapping
from typing import Final, Literal

from gne_analytics.errors import PolicyError, did_you_mean
from gne_analytics.policy.files import PLACEHOLDER

COMMENT: Final = re.compile(r"<!--.*?-->\n?", re.DOTALL)
"""A note of the template's owner, dropped."""
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that a field may not smuggle into a message: controls and changes of reading direction."""


def render(text: str, fields: Mapping[str, object], as_: Literal["text", "html"] = "text") -> str:
    """Return the message with every ``{{placeholder}}`` filled, or raise PolicyError for one without a field.

    Fields come from outside (facts quote listings), so control characters are dropped and ``as_="html"`` escapes them;
    a ``{{...}}`` inside a field stays as it is.

    Example:
        >>> render("Your {{object_type}} was removed.", {"object_type": "listing"})
        'Your listing was removed.'
    """

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in fields or fields[name] is None:
            raise PolicyError(f"the notice needs the field {name!r}, which is not given{did_you_mean(name, fields)}.")
        value = CONTROL.sub("", str(fields[name]))
        return html.escape(value) if as_ == "html" else value

    return PLACEHOLDER.sub(fill, COMMENT.sub("", text))
