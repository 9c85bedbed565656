"""YAML is hostile input: what a reviewer reads is what the machine reads."""

import pytest

from gne_analytics.errors import PolicyError
from gne_analytics.policy._yaml import MAX_CHARACTERS, read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x 1\nb: *x\n", "line 1 has the anchor 'x'"),
        ("a: !!python/object/apply:os.system [ls]\n", "has the tag"),
        ("a: !secret 1\n", "has the tag '!secret'"),
        ("a: 1\na: 2\n", 'duplicate key "a"'),
        ("a: {b: 1, b: 2}\n", 'duplicate key "b"'),
        ("%YAML 1.1\n---\na: yes\n", "directives are not allowed"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("<<: {a: 1}\n", "has a key that is not a word"),
        ("? [a, b]\n: 1\n", "has a key that is not a word"),
        ("1: a\n", "has a key that is not a word"),
        ("a: [1, 2\nb: 3\n", "mend the YAML"),
        ("a: 'open\n", "mend the YAML"),
        ("a: 2026-02-31\n", "cannot be read"),
        ("a: \x07\n", "is not YAML"),
        ("a: " + "[" * 2_000 + "]" * 2_000, "nested too deep"),
        ("a: " + "x" * MAX_CHARACTERS, "is the limit"),
    ],
)
def test_what_could_mislead_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read(text, "policies/x.yaml")
    assert words in str(refused.value)
    assert str(refused.value).startswith("policies/x.yaml")
    assert "\n" not in str(refused.value)


def test_a_billion_laughs_is_refused_before_it_is_built() -> None:
    rows = ["a0: &a0 [lol]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(PolicyError, match="anchors and aliases"):
        read("\n".join(rows), "policies/x.yaml")


def test_the_country_of_norway_is_a_text() -> None:
    assert read("markets: [NO, ID, yes, off, 08, 1_0]", "x").data == {"markets": ["NO", "ID", "yes", "off", 8, 10]}
