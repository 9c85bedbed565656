"""Personal data leaves no screen."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gne_analytics.evidence.redact import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail me: jo@shop.example", "mail me: [email]"),
        ("see https://x.example/a?b=1 now", "see [link] now"),
        ("call +62 812-3456-7890", "call [number]"),
        ("order 240-558812", "order [number]"),
        ("SKU-99812A is mine", "[number] is mine"),
        ("I am @seller.id", "I am [handle]"),
        ("订单号2405588120请核实", "订单号[number]请核实"),
        ("DE89 3704 0044 0532 0130 00", "[account]"),
    ],
)
def test_identifying_parts_are_replaced_by_a_mark(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text", ["sold since 2014", "price 12.99, 3 items", "since 2026-10-01", "iphone15 pro", "10,000 pcs"]
)
def test_prices_years_dates_and_models_stay(text: str) -> None:
    assert redact(text) == text


def test_a_date_inside_a_link_does_not_take_the_place_of_another_date() -> None:
    assert redact("https://a.example/2026-10-01/x and 2026-11-01") == "[link] and 2026-11-01"


def test_invisible_characters_that_reorder_text_are_dropped() -> None:
    assert redact("a\u202eb\x00c\u200b") == "abc"


def test_the_limit_counts_characters_of_the_result() -> None:
    assert redact("word " * 1000, 20) == "word word word word…"


@pytest.mark.parametrize("piece", ["x", "a-", "1 ", "a.b@", "1a", "(", "+"])
def test_junk_of_any_length_is_read_in_linear_time(piece: str) -> None:
    start = time.perf_counter()
    redact(piece * 25_000)
    assert time.perf_counter() - start < 2


@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)
