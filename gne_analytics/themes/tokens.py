"""Words for the terms of a theme, in scripts with spaces and without.

Chinese, Japanese, Thai, Lao, Khmer and Burmese write no blanks between words: ICU finds these by its dictionaries. Two
words side by side are a candidate term too, since it splits compounds; of terms that say the same the longer one stays.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise

from icu4py.breakers import WordBreaker

from gne_analytics.evidence.redact import MARK

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KANA = "\u3040-\u30ff"
_THAI = "\u0e00-\u0e7f"
_BRAHMIC = "\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"
_UNSPACED = re.compile(f"[{_HAN}{_KANA}{_THAI}{_BRAHMIC}]+")
_HIRAGANA = re.compile("[\u3041-\u309f]+")
"""In Japanese mostly endings and particles."""
_MARKS = "\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0981-\u0dff"
_WORD = re.compile(
    f"[^\\W\\d_{_HAN}{_KANA}{_THAI}{_BRAHMIC}](?:[^\\W\\d_{_HAN}{_KANA}{_THAI}{_BRAHMIC}]|[{_MARKS}'’-])*"
)

SHORTEST = 2


def words(text: str) -> list[str]:
    """Split a text into candidate terms, lower case; redaction marks are none of them.

    Example:
        >>> words("Facturas válidas, [number]")
        ['facturas', 'válidas']
    """
    return list(_words(text))


@lru_cache(maxsize=1 << 15)  # a fit asks three times for the words of each of its texts
def _words(text: str) -> tuple[str, ...]:
    plain = MARK.sub(" ", text).casefold().replace("’", "'")
    found = [w for m in _WORD.finditer(plain) if len(w := m.group().rstrip("'’-")) >= SHORTEST]
    for run in _UNSPACED.finditer(plain):
        parts = list(WordBreaker(run.group(), "und"))  # of no one language: the script chooses the dictionary
        told = [part not in function_words() and not _HIRAGANA.fullmatch(part) for part in parts]
        found += [part for part, tells in zip(parts, told, strict=True) if tells and len(part) >= SHORTEST]
        found += [a + b for (a, b), both in zip(pairwise(parts), map(all, pairwise(told)), strict=True) if both]
    return tuple(found)


def is_unspaced(term: str) -> bool:
    """Whether a term is written in a script without spaces."""
    return bool(_UNSPACED.match(term))


@cache
def function_words() -> frozenset[str]:
    """Return the words that join others, of eight languages; they tell nothing of a theme."""
    listed = json.loads((files("gne_analytics.themes") / "function_words.json").read_text(encoding="utf-8"))
    return frozenset(word for line in listed.values() for word in line.split())


def common_words(texts: Sequence[str], languages: Sequence[str | None], share: float = 0.12) -> frozenset[str]:
    """Return the function words of each language, told by themselves: words that stand in many of its texts.

    A language needs 30 texts to be judged.
    """
    by_language: dict[str | None, list[set[str]]] = {}
    for text, language in zip(texts, languages, strict=True):
        by_language.setdefault(language, []).append(set(words(text)))
    common: set[str] = set()
    for documents in by_language.values():
        if len(documents) >= 30:
            seen = Counter(w for document in documents for w in document)
            common.update(w for w, n in seen.items() if n > share * len(documents))
    return frozenset(common)


def analyser(stop: frozenset[str]) -> Callable[[str], list[str]]:
    """Return what a vectoriser calls on each text: its words without the common ones."""
    return lambda text: [w for w in words(text) if w not in stop]


def prune(terms: Iterable[str], frequency: Mapping[str, int]) -> list[str]:
    """Drop terms that another one holds: pieces of a longer run as frequent, inflections of an earlier word."""
    kept: list[str] = []
    for term in terms:
        if is_unspaced(term):
            longer = [k for k in kept if term in k]
            shorter = [k for k in kept if k in term and frequency.get(term, 0) >= 0.7 * frequency.get(k, 0)]
            if longer or (not shorter and any(_overlap(term, k) for k in kept if is_unspaced(k))):
                continue
            for k in shorter:
                kept.remove(k)
        elif any(_kin(term, k) for k in kept):
            continue
        kept.append(term)
    return kept


def _kin(a: str, b: str) -> bool:
    """Whether two words are one word inflected: a shared beginning of at least five letters and most of the word."""
    shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a == b or (shared >= 5 and shared >= max(len(a), len(b)) - 3)


def _overlap(a: str, b: str) -> bool:
    """Whether two runs overlap in most of the shorter one, as windows that slide over one phrase do."""
    need = min(len(a), len(b)) - 1
    return need >= 1 and any(a.endswith(b[:i]) or b.endswith(a[:i]) for i in range(max(need, 1), min(len(a), len(b))))
