"""What a screen shows of a run: tiles, cards, badges, patches and tables, as escaped HTML."""

import re
from collections.abc import Collection, Mapping, Sequence
from html import escape
from math import isfinite
from urllib.parse import urlencode

import polars as pl

from gne_analytics.agents.narrate_whom import milestones_moved
from gne_analytics.evidence.claims import Claim, Finding
from gne_analytics.evidence.proposals import Backtest, Proposal, Recommendation
from gne_analytics.evidence.redact import redact
from gne_analytics.evidence.render import number, percent, render
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.evidence.types import Edit, Theme
from gne_analytics.release.view import (
    answers,
    arguments,
    closed,
    counted,
    diff_lines,
    flow_cell,
    interval,
    place,
    says,
    stories,
    value,
    verdict,
)
from gne_analytics.themes.crossed import Crossed, Pair
from gne_analytics.themes.hierarchy import Node
from gne_analytics.themes.outcomes import ThemeOutcome
from gne_analytics.workspace.run import Run

CELL = 160
"""Characters of a text from outside that a table shows."""
_FIGURE = re.compile(r'<span class="ev" data-ev="(E\d+)">')


def claim(template: str, store: EvidenceStore) -> str:
    """Render a claim template as HTML; each figure says in its title on what evidence it stands."""
    return _FIGURE.sub(
        lambda m: f'<span class="ev" data-ev="{m[1]}" title="{escape(_behind(m[1], store))}">',
        render(template, store, "html"),
    )


def _behind(identifier: str, store: EvidenceStore) -> str:
    evidence = store.get(identifier)
    parts = (counted(evidence), interval(evidence), evidence.filter, arguments(evidence))
    return "; ".join((f"Evidence {identifier}", *(p for p in parts if p)))


def address(**where: str) -> str:
    """Return the address of a view, its state in the query; what is empty is left out.

    Example:
        >>> address(view="cause", cause="C1", run="")
        '?view=cause&cause=C1'
    """
    return "?" + urlencode({name: value for name, value in where.items() if value}, safe="/")


def badge(kind: str, words: str = "") -> str:
    """Return a status as a badge, told by its mark as well as its colour."""
    return f'<span class="gne-badge {escape(kind)}">{escape(words or kind.replace("_", " "))}</span>'


def tiles(run: Run) -> str:
    """Return how much moved, how much of it is explained and what is proposed, as tiles."""
    confirmed = sum(c.status == "confirmed" for c in run.causes)
    recommended = sum(p.recommendation is Recommendation.RECOMMEND for p in run.proposals)
    texts = sum(t.folded for t in run.themes)
    shown = (
        (len(run.shifts), "shift", "beyond chance"),
        (len(run.causes), "cause", f"{number(confirmed)} confirmed on held-out sellers"),
        (len(run.themes), "theme", f"in {number(texts)} texts"),
        (len(run.proposals), "proposal", f"{number(recommended)} recommended; a person decides"),
    )
    boxes = (
        f"<li><strong>{number(n)}</strong> {name}{'' if n == 1 else 's'}<small>{said}</small></li>"
        for n, name, said in shown
    )
    return f'<ul class="gne-tiles">{"".join(boxes)}</ul>'


def cards(run: Run, links: Mapping[str, str]) -> str:
    """Return the top findings as cards: what moved, why, what is proposed and how sure that is.

    ``links`` maps a shift's id to the address of its view.
    """
    full, others = stories(run.findings)
    heads = {f.title.template: f.shift_id for f in run.findings}
    boxes = [
        f'<article class="gne-card"><h3>{claim(story.title.template, run.store)}</h3>'
        f"{_answers(story.answers, run.store)}{_more(links.get(heads.get(story.title.template, '')))}</article>"
        for story in full
    ]
    if others:
        listed = "".join(f"<li>{claim(closed(c.template), run.store)}</li>" for c in others)
        boxes.append(f'<article class="gne-card"><h3>Also found</h3><ul>{listed}</ul></article>')
    return "".join(boxes) or '<p class="gne-calm">Nothing moved beyond chance, so nothing is proposed.</p>'


def _more(link: str | None) -> str:
    return f'<p class="gne-more"><a href="{escape(link)}">Take it apart</a></p>' if link else ""


def _answers(told: Sequence[tuple[str, Sequence[Claim]]], store: EvidenceStore) -> str:
    rows = (
        f"<dt>{escape(question)}</dt><dd>{' '.join(claim(closed(c.template), store) for c in claims)}</dd>"
        for question, claims in told
    )
    return f"<dl>{''.join(rows)}</dl>"


def finding_claims(finding: Finding, store: EvidenceStore) -> str:
    """Return a finding's claims under the questions that they answer."""
    return _answers(answers(finding), store)


def finding_card(finding: Finding, store: EvidenceStore, mark: str = "") -> str:
    """Return one finding whole, its claims under the questions that they answer."""
    return (
        f'<article class="gne-card"><h3>{claim(finding.title.template, store)} {mark}</h3>'
        f"{finding_claims(finding, store)}</article>"
    )


def proposal_cards(run: Run, links: Mapping[str, str]) -> str:
    """Return every proposal with its recommendation and the reason for it; ``links`` by id."""
    boxes = []
    for proposal in run.proposals:
        test = run.backtest(proposal.id)
        why = test.why if test else next(iter(proposal.rationale), "")
        boxes.append(
            f"<li>{verdict_badge(proposal)} <a href='{escape(links[proposal.id])}'>{escape(proposal.title)}</a>"
            f"<small>{claim(why, run.store) if why else ''}</small></li>"
        )
    if not boxes:
        return '<p class="gne-calm">No change of the policy config is proposed.</p>'
    return f'<article class="gne-card"><h3>What is proposed</h3><ul class="gne-list">{"".join(boxes)}</ul></article>'


def verdict_badge(proposal: Proposal) -> str:
    """Return what the software says of a proposal; a person decides."""
    return badge(proposal.recommendation.value, verdict(proposal.recommendation))


def patch(text: str) -> str:
    """Return a unified patch with its added and removed lines marked."""
    lines = "".join(f'<span class="{line.kind}">{escape(line.text) or " "}</span>' for line in diff_lines(text))
    return f'<pre class="gne-diff">{lines}</pre>' if lines else '<p class="gne-calm">No line of a file changes.</p>'


def table(rows: Sequence[Mapping[str, object]], caption: str, ids: Collection[str] = ()) -> str:
    """Return rows as a table; texts come from outside, so they are redacted, cut and escaped.

    Columns named in ``ids`` hold ids of the record, which are escaped and stay whole: redaction would hide their
    digits.
    """
    if not rows:
        return f'<p class="gne-calm">{escape(caption)}: none.</p>'
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(v, whole=name in ids)}</td>' for name, v in row.items())}</tr>" for row in rows
    )
    return (
        f'<div class="gne-scroll"><table class="gne-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def edits_table(edits: Sequence[Edit]) -> str:
    """Return typed edits as a table: what, where, and the value now and then."""
    rows = [
        {"edit": e.kind.value.replace("_", " "), "place": place(e), "now": value(e.old), "proposed": value(e.new)}
        for e in edits
    ]
    return table(rows, "Edits")


def audits_table(strata: pl.DataFrame) -> str:
    """Return the strata of an audit plan as a table, each named by its policy and what would happen to its cases."""
    rows = [{"stratum": flow_cell(row.pop("cell")), **row} for row in strata.to_dicts()]
    return table(rows, "The audits that would settle it")


def cases_table(examples: pl.DataFrame) -> str:
    """Return real cases in their buckets (`Workspace.counterexamples`) as a table, ids whole."""
    rows = [
        {
            "bucket": row["bucket"].replace("_", " "),
            "case": row["case_id"],
            "truth": "a violation" if row["violating"] else "legitimate",
            "label": row["label_source"].replace("_", " "),
            "score": row["score"],
            "today": row["state_today"].replace("_", " "),
            "proposed": row["state_proposed"].replace("_", " "),
        }
        for row in examples.iter_rows(named=True)
    ]
    return table(rows, "Real cases that it fixes, breaks or leaves wrong", ids=("case",))


def themes_table(themes: Sequence[Theme], view: str) -> str:
    """Return the themes of one view as a table, the largest first, with two of their texts."""
    rows = [
        {
            "theme": t.shown,
            "texts": t.folded,
            "sellers": t.units,
            "terms": ", ".join(t.terms),
            "example": next(iter(t.exemplars), None),
            "another": next(iter(t.exemplars[1:]), None),
        }
        for t in sorted(themes, key=lambda t: -t.folded)
    ]
    return table(rows, f"Themes of {view.replace('_', ' ')}, texts redacted and quoted as they came")


def nodes_table(nodes: Sequence[Node], links: Mapping[str, str]) -> str:
    """Return the themes of one level as a table, each name a link to its card and rows."""
    body = "".join(
        f'<tr><td><a href="{escape(links[n.id])}"><bdi>{escape(n.shown)}</bdi></a></td><td>{number(n.folded)}</td>'
        f"<td>{number(n.units)}</td><td><bdi>{escape(', '.join(n.terms))}</bdi></td></tr>"
        for n in nodes
    )
    return (
        '<details><summary>The same as a table; a name opens its card and its texts</summary><div class="gne-scroll">'
        '<table class="gne-table"><thead><tr><th>theme</th><th>texts</th><th>sellers</th><th>terms</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div></details>"
    )


def crossed_table(crossed: Crossed, links: Mapping[tuple[str, str], str]) -> str:
    """Return the pairs of two views that meet more often than by chance as a table, each a link to its rows.

    ``links`` maps a pair's two ids to the address of its rows.
    """
    where, who = says(crossed.other), says(crossed.one)
    body = "".join(
        f"<tr><td><bdi>{escape(p.other_label)}</bdi></td>"
        f'<td><a href="{escape(links[p.one, p.other])}"><bdi>{escape(p.one_label)}</bdi></a></td>'
        f"<td>{number(p.k)}</td><td>{p.by_chance}</td><td>{_lift(p)}</td>"
        f"<td>{percent(p.share, p.n_other)}</td><td>{percent(p.elsewhere, p.n - p.n_other)}</td></tr>"
        for p in crossed.meeting
    )
    heads = (f"where {where}", who, "both", "by chance", "times as often", "of all said there", "elsewhere")
    return (
        f"<details><summary>All {number(len(crossed.meeting))} pairs as a table; a name opens its cases</summary>"
        f'<div class="gne-scroll"><table class="gne-table"><thead><tr>'
        f"{''.join(f'<th>{escape(h)}</th>' for h in heads)}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def pair_said(crossed: Crossed, pair: Pair) -> str:
    """Return a pair of crossed views in one sentence, its labels as they came."""
    return (
        f'<article class="gne-card"><h3><bdi>{escape(pair.one_label)}</bdi> where {escape(says(crossed.other))} '
        f"<bdi>{escape(pair.other_label)}</bdi></h3><p>{number(pair.k)} times, one for each seller; chance alone would "
        f"give {pair.by_chance}. It is {percent(pair.share, pair.n_other)} of all that is said there, and "
        f"{percent(pair.elsewhere, pair.n - pair.n_other)} elsewhere.</p></article>"
    )


def _lift(pair: Pair) -> str:
    span = pair.lift.interval
    return f"{pair.lift.value:.1f}" + (f" ({span.lo:.1f} to {span.hi:.1f})" if span else "")


def node_card(node: Node) -> str:
    """Return what is known of a theme above or below the fitted ones."""
    return (
        f'<article class="gne-card"><h3><bdi>{escape(node.shown)}</bdi> <small>{escape(node.id)}</small></h3>'
        f"<p><bdi>{escape(', '.join(node.terms))}</bdi></p><p>{number(node.folded)} texts of {number(node.units)} "
        f"sellers; {number(node.size - node.folded)} near-identical texts of the same seller are folded.</p></article>"
    )


def outcome_card(outcome: ThemeOutcome | None) -> str:
    """Return how a theme's appeals end and what tells overturned from upheld in it; empty where too few are decided."""
    if outcome is None:
        return ""
    signs = "".join(f"<li><bdi>{escape(str(sign))}</bdi></li>" for sign in outcome.signs)
    told = signs or "<li>Nothing tells overturned from upheld inside it on held-out sellers.</li>"
    return (
        f'<article class="gne-card"><h3>How it ends</h3><p><bdi>{escape(str(outcome))}</bdi></p><ul>{told}</ul>'
        "</article>"
    )


def links_list(title: str, links: Mapping[str, str]) -> str:
    """Return named addresses as a list under a title; empty where there are none."""
    items = "".join(f'<li><a href="{escape(to)}"><bdi>{escape(name)}</bdi></a></li>' for name, to in links.items())
    return f'<article class="gne-card"><h3>{escape(title)}</h3><ul>{items}</ul></article>' if items else ""


def _cell(value: object, *, whole: bool = False) -> str:
    if value is None:
        return '<span class="quiet">not known</span>'
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value) if isfinite(value) else '<span class="quiet">not known</span>'
    if not isinstance(value, str):
        return escape(str(value))
    if whole:
        return ", ".join(f'<bdi class="short">{escape(part)}</bdi>' for part in value.split(", "))
    return f"<bdi>{escape(redact(value, CELL))}</bdi>"


def with_threshold(edit: Edit, value: float) -> Edit:
    """Return the same edit with another threshold."""
    new = {**edit.new, "value": value} if isinstance(edit.new, Mapping) else value
    return edit.model_copy(update={"new": new})


def on_whom(test: Backtest | None, losing: pl.DataFrame | None = None) -> str:
    """Return on whom a proposal falls as tables: milestones of the penalty ladder, and the sellers who lose by it.

    ``losing`` is what `Workspace.losing_sellers` returns; without it that table is left out. How few sellers bear the
    change, and that there is no ladder, the proposal's card says.
    """
    parts = []
    if test is not None and test.ladder is not None and (moved := milestones_moved(test.ladder)):
        heads = ("milestone", "newly reach it", "perhaps, if reviewers enforce", "no longer reach it")
        title = f"Who reaches another milestone of the penalty ladder, of {number(test.ladder.sellers)} sellers"
        parts.append(table([dict(zip(heads, row, strict=True)) for row in moved], title))
    if losing is not None and losing.is_empty():
        parts.append('<p class="gne-calm">No seller of the record has a case that fares worse.</p>')
    elif losing is not None:
        rows = [
            {
                "seller": row["unit"],
                "all their cases": row["cases"],
                "worse off": row["worse"],
                "newly enforced": row["new"],
                "sent to a person, or from one": row["rerouted"],
                "released": row["released"],
                "worse off though known to be legitimate": row["known_legitimate"],
                "cases": ", ".join(row["rows"]),
            }
            for row in losing.iter_rows(named=True)
        ]
        title = "The sellers who lose the most by it, of all sellers of the record"
        parts.append(table(rows, title, ids=("seller", "cases")))
    return "".join(parts)
