"""The few lines at the end of a run: what moved, why, what it proposes, how sure it is."""

from collections.abc import Iterable, Sequence
from textwrap import fill

from gne_analytics.agents.narrate_proposals import KNOWN
from gne_analytics.agents.phrases import RESTS_ON, sentence, short_source
from gne_analytics.evidence.claims import Claim, ClaimKind, Finding, FindingKind
from gne_analytics.evidence.render import render
from gne_analytics.evidence.store import EvidenceStore

WIDTH = 100
NO_PROPOSAL = "Nothing is proposed."


def summary(findings: Sequence[Finding], store: EvidenceStore, *, shown: int = 3, width: int = WIDTH) -> str:
    """Write the findings as plain text under the headings a strategy lead asks for; the report holds the rest.

    At most ``shown`` findings under each heading, in the order given; what is left out is counted.
    """
    by_kind = {kind: [f for f in findings if f.kind is kind] for kind in FindingKind}
    moved = by_kind[FindingKind.SHIFT] + by_kind[FindingKind.QUIET]
    themes, proposals = by_kind[FindingKind.THEME], by_kind[FindingKind.PROPOSAL]
    causes = [f for f in findings if f not in [*moved, *themes, *proposals]]
    blocks = [
        _section("What moved", [_moved(f) for f in moved], store, shown, width),
        _section("Why", [_why(f) for f in causes], store, shown, width),
        _section("What people say", [_themes(f) for f in themes], store, shown, width),
        _section("What it proposes", [_proposed(f) for f in proposals] or [NO_PROPOSAL], store, shown, width),
        _section("How sure it is", [_sure(f) for f in causes[:shown] + proposals[:shown]], store, 2 * shown, width),
    ]
    return "\n\n".join(b for b in blocks if b)


def full_text(findings: Sequence[Finding], store: EvidenceStore, *, width: int = WIDTH) -> str:
    """Write findings out whole: each title, then every claim on a line of its own."""
    blocks = []
    for finding in findings:
        title = render(finding.title.template, store)
        lines = [
            fill(title, width),
            *(
                fill(render(c.template, store), width, initial_indent="- ", subsequent_indent="  ")
                for c in finding.claims
            ),
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _section(heading: str, paragraphs: Sequence[str], store: EvidenceStore, shown: int, width: int) -> str:
    if not paragraphs:
        return ""
    lines = [heading]
    lines += [
        fill(render(p, store), width, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)
        for p in paragraphs[:shown]
    ]
    if len(paragraphs) > shown:
        lines.append(f"    and {len(paragraphs) - shown} more in the report")
    return "\n".join(lines)


def _moved(finding: Finding) -> str:
    if finding.kind is FindingKind.QUIET:
        return _joined(finding.of_kind(ClaimKind.WHAT))
    said = _joined(finding.of_kind(ClaimKind.WHAT)[:1])
    limits = (c.template for c in finding.of_kind(ClaimKind.LIMIT))
    source = next((t.removeprefix(RESTS_ON) for t in limits if t.startswith(RESTS_ON)), "")
    return f"{said.removesuffix('.')}, by {short_source(source)}." if source else said


def _why(finding: Finding) -> str:
    return _joined([finding.title, *finding.of_kind(ClaimKind.WHERE)[1:2], *finding.of_kind(ClaimKind.WHY)[:2]])


def _themes(finding: Finding) -> str:
    return _joined([finding.title, *finding.of_kind(ClaimKind.WHAT)[:1]])


def _proposed(finding: Finding) -> str:
    return _joined([finding.title, *finding.of_kind(ClaimKind.PROPOSAL)[:4]])


def _sure(finding: Finding) -> str:
    said = finding.of_kind(ClaimKind.CERTAINTY)
    known = [c for c in finding.of_kind(ClaimKind.LIMIT) if c.template.startswith(KNOWN)]
    return f"{finding.subject or finding.title.template}: {_joined([*said, *known])}"


def _joined(claims: Iterable[Claim]) -> str:
    return " ".join(sentence(c.template) for c in claims)
