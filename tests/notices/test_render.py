"""A notice's placeholders are filled, and nothing else happens."""

import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.notices.render import render
from gne_analytics.testing.policies import NOTICE, small_policy_set


def test_every_placeholder_is_filled() -> None:
    names = small_policy_set().notices["counterfeit.en"].placeholders
    message = render(NOTICE, {name: name.upper() for name in names})
    assert "{{" not in message
    assert "within APPEAL_DAYS days" in message


def test_a_missing_field_is_named_with_the_nearest_given_one() -> None:
    with pytest.raises(PolicyError, match=r"'facts', which is not given \(did you mean 'fact'\?\)"):
        render("{{facts}}", {"fact": "x"})
    with pytest.raises(PolicyError, match="'facts'"):
        render("{{facts}}", {"facts": None})


@pytest.mark.parametrize("hostile", ["{{action}}", "{facts.__class__}", "${HOME}", "%s", "{% raw %}", "\\g<0>"])
def test_what_a_field_says_is_never_run_or_filled_again(hostile: str) -> None:
    assert render("{{ facts }}!", {"facts": hostile, "action": "x"}) == f"{hostile}!"


def test_control_characters_are_dropped_and_html_escaped() -> None:
    assert render("{{facts}}", {"facts": "a\x00b\u202ec\nd"}) == "abc\nd"
    assert render("<b>{{facts}}</b>", {"facts": "<script>"}, as_="html") == "<b>&lt;script&gt;</b>"


def test_the_owners_comments_are_not_sent() -> None:
    assert render("<!-- tells: redress -->\nHello {{facts}}", {"facts": "x"}) == "Hello x"
