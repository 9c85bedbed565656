"""What a notice must tell, in its template and in the record."""

import polars as pl
import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.notices.lint import ELEMENTS, completeness, lint, lint_all
from gne_analytics.policy.files import PLACEHOLDER, from_files
from gne_analytics.policy.model import Notice
from gne_analytics.testing.policies import FILES, NOTICE, small_policy_set


def notice(text: str) -> Notice:
    return Notice(template="t", language="en", text=text, placeholders=tuple(PLACEHOLDER.findall(text)))


def test_a_complete_notice_has_no_gap() -> None:
    assert lint_all(small_policy_set()) == ()


@pytest.mark.parametrize("element", ELEMENTS)
def test_each_element_is_missed_when_its_placeholder_is_gone(element: str) -> None:
    gaps = lint(notice(NOTICE.replace("{{" + ELEMENTS[element][0] + "}}", "...")))
    assert [gap.element for gap in gaps] == [element]
    assert str(gaps[0]).startswith(f"notices/t.en.md does not tell the {element}; write {{{{")


def test_an_owner_may_say_that_the_words_tell_it() -> None:
    assert lint(notice(NOTICE.replace("{{redress}}", "Write to us. <!-- tells: redress -->"))) == ()


def test_a_misspelt_element_in_the_comment_is_an_error() -> None:
    with pytest.raises(PolicyError, match="'redres', which is no element"):
        lint(notice(NOTICE + "<!-- tells: redres -->"))


def test_a_translation_that_leaves_a_field_out_is_found() -> None:
    files = {**FILES, "notices/counterfeit.id.md": FILES["notices/counterfeit.id.md"].replace("{{action}}", "")}
    (gap,) = lint_all(from_files(files))
    assert (gap.notice, gap.element) == ("counterfeit.id", "field 'action' that other languages tell")


def test_completeness_counts_told_elements_and_leaves_the_unknown_null() -> None:
    violations = pl.DataFrame(
        {"policy_id": ["p", "p", "q"], "facts": ["seen", " ", None], "clause_id": ["c", "c", "c"]}
    )
    told = {(row["policy_id"], row["element"]): row["share"] for row in completeness(violations).rows(named=True)}
    assert told["p", "facts"] == 0.5
    assert told["q", "facts"] == 0.0
    assert told["p", "ground"] == 1.0
    assert told["p", "notice sent"] is None
