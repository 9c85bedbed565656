"""The proof that a report holds no number of its own: a walk over its HTML that finds every digit nobody can trace."""

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

from gne_analytics.evidence.claims import FORMATS
from gne_analytics.evidence.render import show
from gne_analytics.evidence.store import Evidence, EvidenceStore
from gne_analytics.release.pen import SOURCES

_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_UNSEEN = frozenset({"script", "style"})
_SPOKEN = ("alt", "aria-label", "title", "summary", "placeholder")


@dataclass(frozen=True)
class Untraced:
    """A digit that a reader meets without evidence: the text, where it stands, and what is wrong."""

    text: str
    path: str
    fault: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text!r}: {self.fault}"


def untraced(html: str, store: EvidenceStore) -> tuple[Untraced, ...]:
    """Return every digit of a report that is not bound; an empty tuple is the proof.

    A digit in a text node, or in an attribute that is read aloud, must lie in an element with ``data-ev``, whose text
    is one of the forms of that record and whose record has a row in the appendix, or in a region with ``data-source``
    that says from where the text was taken as it stands.
    """
    walk = _Walk(store)
    walk.feed(html)
    walk.close()
    dangling = {e for e in walk.cited if e not in walk.ids}
    missing = [Untraced(e, "appendix", "cited, but the appendix has no such row") for e in sorted(dangling)]
    return (*walk.faults, *missing)


@dataclass(frozen=True)
class _Element:
    tag: str
    evidence: str | None
    source: str | None


class _Walk(HTMLParser):
    """Keeps the open elements, and judges each text node by the nearest of them that is bound."""

    def __init__(self, store: EvidenceStore) -> None:
        super().__init__(convert_charrefs=True)
        self.store = store
        self.open: list[_Element] = []
        self.faults: list[Untraced] = []
        self.cited: set[str] = set()
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        element = _Element(tag, given.get("data-ev"), given.get("data-source"))
        self.open.append(element)
        if given.get("id"):
            self.ids.add(str(given["id"]))
        if element.evidence:
            self.cited.add(element.evidence)
        if element.source is not None and element.source not in SOURCES:
            self._fault(element.source, "is no known source of verbatim text")
        for spoken in _SPOKEN:
            if _has_digit(given.get(spoken) or "") and self._binding() is None:
                self._fault(str(given[spoken]), f"attribute {spoken} holds a digit and is not bound")
        if tag in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if not self.open or self.open[-1].tag != tag:
            self._fault(f"</{tag}>", "closes an element that is not open")
            return
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not _has_digit(data) or any(e.tag in _UNSEEN for e in self.open):
            return
        binding = self._binding()
        if binding is None:
            self._fault(data.strip(), "holds a digit without evidence")
        elif binding.evidence is not None:
            self._judge(data, binding.evidence)

    def _binding(self) -> _Element | None:
        return next((e for e in reversed(self.open) if e.evidence is not None or e.source is not None), None)

    def _judge(self, data: str, identifier: str) -> None:
        if identifier not in self.store:
            self._fault(data, f"cites {identifier}, which is not in the store")
        elif data not in set(_forms(self.store.get(identifier))):
            self._fault(data, f"is no form of {identifier}")

    def _fault(self, text: str, fault: str) -> None:
        self.faults.append(Untraced(text, " > ".join(e.tag for e in self.open[-4:]), fault))


def _forms(evidence: Evidence) -> Iterator[str]:
    yield from (show(evidence, form) for form, units in FORMATS.items() if evidence.unit in units)


def _has_digit(text: str) -> bool:
    return any(character.isnumeric() for character in text)
