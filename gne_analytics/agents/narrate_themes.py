"""Themes in words: what the texts of each view are about."""

from collections.abc import Sequence

from gne_analytics.agents.cite import cite_theme
from gne_analytics.agents.phrases import VIEWS, counted
from gne_analytics.evidence.claims import Claim, ClaimKind, Finding, FindingKind
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Theme

SHOWN = 3
"""Themes told of per view; the report lists them all."""


def theme_findings(themes: Sequence[Theme], store: EvidenceStore) -> list[Finding]:
    """Write one finding per view: its largest themes after near-duplicates of one seller are folded."""
    views = dict.fromkeys(t.view for t in themes)
    return [_of_view(view, [t for t in themes if t.view == view], store) for view in views]


def _of_view(view: str, themes: Sequence[Theme], store: EvidenceStore) -> Finding:
    largest = sorted(themes, key=lambda t: (-t.folded, t.id))[:SHOWN]
    about = VIEWS.get(view) or f"the texts of the view {store.add(view.replace('_', ' '), 'name').ref()}"
    first = cite_theme(store, largest[0])
    return Finding(
        id=f"themes-{view}",
        kind=FindingKind.THEME,
        title=Claim(template=f"First among {about}: {first.label.ref()}"),
        subject=first.label.ref(),
        claims=(
            _about(largest[0], store, named=False),  # the title names it
            *(_about(t, store) for t in largest[1:]),
            Claim(template="Near-identical texts of one seller count once.", kind=ClaimKind.LIMIT),
        ),
    )


def _about(theme: Theme, store: EvidenceStore, *, named: bool = True) -> Claim:
    cited = cite_theme(store, theme)
    by = "on" if theme.view in {"reviewer_rationale", "facts"} else "of"
    who = f" {by} {cited.units.ref()} {counted(theme.units, 'seller')}" if theme.units else ""
    text = f"{cited.folded.ref()} {counted(theme.folded, 'text')}{who}{f': {cited.label.ref()}' if named else ''}"
    if cited.overturn and cited.overturn.denominator:
        text += f"; {cited.overturn.ref('pct')} of {cited.overturn.ref('n')} decided appeals were overturned"
    return Claim(template=f"{text}.", kind=ClaimKind.WHAT)
