"""The evidence pack of a release: what its signers saw, in plain words and as data."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

import polars as pl

from gne_analytics.agents.phrases import VERDICTS
from gne_analytics.agents.quote import quoted
from gne_analytics.atomic import write_json, write_whole
from gne_analytics.evidence.claims import Finding
from gne_analytics.evidence.proposals import Backtest, Proposal, Recommendation
from gne_analytics.evidence.render import render, show
from gne_analytics.evidence.segment import Frozen
from gne_analytics.evidence.store import EvidenceStore
from gne_analytics.release.ledger import Entry
from gne_analytics.release.spreadsheet import write_csv

FOLDER = "evidence"


class Papers(Frozen):
    """Everything that a release is accompanied by."""

    run: str
    base: str
    proposals: tuple[Proposal, ...]
    approved_by: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]
    backtests: tuple[Backtest, ...]
    findings: tuple[Finding, ...]
    decisions: tuple[Entry, ...]


def write_pack(folder: Path, papers: Papers, store: EvidenceStore) -> None:
    """Write README.md and ``evidence/``: the records as JSON, findings as text, the evidence also as a table."""
    target = folder / FOLDER
    for name in ("proposals", "backtests", "findings", "decisions"):
        write_json(target / f"{name}.json", [item.model_dump(mode="json") for item in getattr(papers, name)])
    write_whole(target / "findings.md", _findings(papers, store))
    write_whole(folder / "README.md", _readme(papers, store))
    write_whole(target / "evidence.json", store.to_json())
    write_csv(target / "evidence.csv", evidence_table(store))


def evidence_table(store: EvidenceStore) -> pl.DataFrame:
    """Return the evidence as a table for a spreadsheet: what is shown, what stands behind it."""
    columns = {
        "id": pl.String,
        "shown": pl.String,
        "unit": pl.String,
        "numerator": pl.Float64,
        "denominator": pl.Float64,
    }
    columns |= {"interval_low": pl.Float64, "interval_high": pl.Float64, "filter": pl.String, "tool": pl.String}
    columns |= {"label_source": pl.String}
    rows = [
        (
            e.id,
            show(e),
            e.unit.value,
            e.numerator,
            e.denominator,
            e.interval.lo if e.interval else None,
            e.interval.hi if e.interval else None,
            e.filter,
            e.tool,
            e.label_source.value if e.label_source else None,
        )
        for e in store.items()
    ]
    return pl.DataFrame(rows, schema=columns, orient="row")


def markdown(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line: no markup, link or table may come out of it.

    Example:
        >>> markdown("a *bold* [link](http://x) <b>")
        'a \\\\*bold\\\\* \\\\[link\\\\]\\\\(http://x\\\\) &lt;b&gt;'
    """
    flat = " ".join(escape(text, quote=False).split())
    return "".join(f"\\{c}" if c in "\\`*_[]()#|!~" else c for c in flat)


def _readme(papers: Papers, store: EvidenceStore) -> str:
    lines = ["# Release of policy changes", ""]
    lines += ["Named people approved these changes; nothing here was changed by software alone.", ""]
    for proposal in papers.proposals:
        signed = markdown(", ".join(papers.approved_by.get(proposal.id, ())))
        lines += [f"- **{markdown(_shown(proposal.title, store))}** ({proposal.id}), approved by {signed}"]
        if proposal.recommendation is not Recommendation.RECOMMEND:
            lines += [f"  - **Signed against the backtest**, by which it is {VERDICTS[proposal.recommendation]}."]
        lines += [f"  - {markdown(_shown(e.reason, store))}" for e in proposal.edits if e.reason]
    lines += [f"- Left out: {i}, since {markdown(why)}" for i, why in papers.left_out.items()]
    lines += [
        "",
        "## What is here",
        "",
        "- `configs/`: the whole policy set as it is to be; comments, ids and order are as they were.",
        "- `release.patch`: the same as a patch; in the folder of the policy set, `git apply release.patch`.",
        "- `evidence/findings.md`: what moved, why, what was proposed and how sure that is.",
        "- `evidence/evidence.json` and `.csv`: every number cited, with counts, interval, filter and label source.",
        "- `evidence/backtests.json`, `proposals.json`, `decisions.json`: the replay, the edits and who signed.",
        "- `manifest.json`: hashes of all files, of the policy set before and after, and the head of the ledger.",
        "",
        "## How to undo it",
        "",
        "`gne rollback <this folder> --to <new folder> --by <you> --why <reason>` writes the configs without this "
        "release, with the patch that leads there.",
        "",
        f"Made from run {markdown(papers.run)}, on the policy set {papers.base}.",
    ]
    return "\n".join(lines) + "\n"


def _findings(papers: Papers, store: EvidenceStore) -> str:
    blocks = ["# Findings\n"]
    for finding in papers.findings:
        claims = "\n".join(f"- {markdown(render(c.template, store))}" for c in finding.claims)
        cited = ", ".join(finding.evidence)
        blocks.append(f"## {markdown(render(finding.title.template, store))}\n\n{claims}\n\nEvidence: {cited}\n")
    return "\n".join(blocks)


def _shown(template: str, store: EvidenceStore) -> str:
    return render(quoted(template, store, "propose"), store)
