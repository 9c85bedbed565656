import random

import pytest

from gne_analytics.simulate import texts
from gne_analytics.simulate.catalogue import POLICY_OF

SLOTS = dict.fromkeys(("brand", "product", "order", "n", "year", "date", "price"), "x7")


def test_eight_languages_have_every_reason():
    assert texts.languages() == ("ar", "de", "en", "es", "id", "th", "vi", "zh")
    for language in texts.languages():
        bank = texts.bank(language)
        assert set(bank) == set(texts.bank("en"))
        assert all(len(set(sentences)) == len(sentences) > 0 for sentences in bank.values())


@pytest.mark.parametrize("language", texts.languages())
def test_every_sentence_fills_its_slots(language):
    for sentences in texts.bank(language).values():
        for sentence in sentences:
            assert "{" not in sentence.format_map(SLOTS)


def test_a_language_without_a_bank_writes_english():
    assert texts.bank("ms") == texts.bank("en")


def test_texts_are_sometimes_empty_sometimes_one_word_and_seldom_alike():
    chance = random.Random(1)
    written = [texts.compose("en", ["evidence"], SLOTS, chance) for _ in range(2_000)]
    assert 0.02 < sum(t is None for t in written) / 2_000 < 0.07
    assert 0.02 < sum(t in texts.bank("en")["one_word"] for t in written) / 2_000 < 0.09
    assert len(set(written)) > 900


def test_roughening_leaves_scripts_without_latin_letters_readable():
    text = "ระบบอ่านภาพผิด"
    assert all(text in texts.roughen(text, random.Random(i)) for i in range(50))


@pytest.mark.parametrize("policy", sorted(set(POLICY_OF.values())))
def test_a_pushed_reason_takes_its_share(policy):
    weights = texts.reason_weights(policy, False, {"which_rule": 0.6})
    assert weights["which_rule"] / sum(weights.values()) >= 0.6
    assert len(texts.reason_weights(policy, True, {})) >= 6
    assert set(weights) <= set(texts.bank("en"))


def test_a_reviewer_writes_only_about_what_was_decided():
    assert texts.reviewer_note("withdrawn", "evidence", random.Random(1)) is None
    notes = {texts.reviewer_note("upheld", "evidence", random.Random(i)) for i in range(60)}
    assert any("Wrong document" in (n or "") for n in notes)


def test_signals_of_a_gap_speak_of_the_gap():
    assert set(texts.gap_topics()) == {"nicotine_pouches", "cloned_doctor", "account_rental"}
    text = texts.signal("cloned_doctor", "authority", random.Random(0))
    assert text in texts.gap_topics()["cloned_doctor"]["signals"]
