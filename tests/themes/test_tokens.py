"""Terms in every script."""

import pytest

from gne_analytics.themes.tokens import common_words, function_words, prune, words


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Facturas válidas!", {"facturas", "válidas"}),
        ("hàng chính hãng", {"hàng", "chính", "hãng"}),
        ("المنتج أصلي", {"المنتج", "أصلي"}),
        ("मेरा उत्पाद असली", {"मेरा", "उत्पाद", "असली"}),
        ("สินค้าของแท้มีใบเสร็จ", {"สินค้า", "แท้", "ใบเสร็จ"}),
        ("我的商品有发票和授权书", {"商品", "发票", "授权书"}),
        ("今日は天気予報を見ました", {"今日", "天気予報"}),
        ("ຂ້ອຍຮັກເຈົ້າ", {"ຂ້ອຍ", "ຮັກ", "ເຈົ້າ"}),
        ("ខ្ញុំស្រលាញ់អ្នក", {"ខ្ញុំ", "ស្រលាញ់", "អ្នក"}),
        ("ကျွန်တော်မြန်မာ", {"ကျွန်တော်", "မြန်မာ"}),
        ("it's second-hand", {"it's", "second-hand"}),
    ],
)
def test_words_are_found_with_and_without_spaces(text: str, held: set[str]) -> None:
    assert held <= set(words(text))


def test_no_term_cuts_a_word_or_holds_one_that_only_joins_others() -> None:
    assert words("我的商品有发票") == ["商品", "发票"]
    assert words("สินค้าของฉัน") == ["สินค้า"]
    assert words("病院に行きました") == ["病院", "行き"]


def test_marks_of_redaction_are_no_words() -> None:
    assert words("write to [email] or [link]") == ["write", "to", "or"]


def test_a_thai_vowel_never_stands_without_its_letter() -> None:
    assert not any("\u0e30" <= w[0] <= "\u0e3a" or "\u0e47" <= w[0] <= "\u0e4e" for w in words("ไม่มีโลโก้บนเสื้อ"))


def test_words_in_most_texts_of_a_language_are_common() -> None:
    texts = [f"the shop {i % 10 * 'a'}x item" for i in range(40)] + ["logo"] * 40
    assert common_words(texts, ["en"] * 40 + ["de"] * 40) >= {"the", "shop", "item"}


def test_of_two_inflections_the_first_stays() -> None:
    assert prune(["invoice", "invoices", "seller"], {}) == ["invoice", "seller"]


def test_of_overlapping_runs_the_longer_stays() -> None:
    assert prune(["标志", "品牌标志", "衬衫"], {"标志": 9, "品牌标志": 8, "衬衫": 5}) == ["品牌标志", "衬衫"]


@pytest.mark.parametrize("word", ["won't", "như", "such", "dengan", "porque", "nicht", "และ", "我们", "على"])
def test_function_words_of_eight_languages_are_known(word: str) -> None:
    assert word in function_words()
