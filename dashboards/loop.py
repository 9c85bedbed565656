"""The loop on a screen: what moved, why, what people say, what is proposed. Every view has its own address."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="gne_analytics: the loop")


@app.cell
def _():
    import json
    import os
    from html import escape

    import marimo as mo

    import gne_analytics as gne
    from gne_analytics import figures
    from gne_analytics.evidence.render import number, points, render
    from gne_analytics.evidence.types import Decomposition, EditKind
    from gne_analytics.figures.causes import sibling_title
    from gne_analytics.figures.wording import metric_title, named, shift_subtitle, shift_title

    return (
        Decomposition, EditKind, escape, figures, gne, json, metric_title, mo, named, number, os, points, render,
        shift_subtitle, shift_title, sibling_title,
    )  # fmt: skip


@app.cell
def _(mo):
    # The whole state of the screen: run, view, shift, cause, proposal, value. A link is a view.
    params = mo.query_params()

    def go(**where):
        for name, value in where.items():
            params.set(name, value)

    return go, params


@app.cell
def _(gne, mo, os):
    folder = mo.query_params().get("run") or os.environ.get("GNE_RUN")
    mo.stop(not folder, mo.md("Name the folder of a run: `gne serve RUN`, or `?run=` in the address."))
    try:
        run = gne.open_run(folder)
    except gne.GneError as fault:
        mo.stop(True, mo.plain_text(str(fault)))  # marimo shows no reader what an error says
    store = run.store
    return run, store


@app.cell
def _(escape, mo, run):
    _m = run.manifest
    mo.vstack(
        [
            mo.md("# What moved, why, and what to do"),
            mo.Html(
                f"<p>Run {escape(run.path.name)}, record up to {escape(str(_m['as_of'])[:10])}, version "
                f"{escape(str(_m['inputs']['version']))}, seed {escape(str(_m['inputs']['seed']))}.</p>"
            ),
        ]
    )
    return


@app.cell
def _(go, mo, params):
    mo.ui.tabs(
        {name: mo.md("") for name in ("overview", "shift", "cause", "themes", "proposals")},
        value=params.get("view", "overview"),
        on_change=lambda view: go(view=view),
    )
    return


@app.cell
def _(mo, render, store):
    def told(findings):
        """Findings as HTML; the renderer escapes and puts the numbers in."""
        parts = [
            f'<p style="font-weight: 600; font-size: 1.1rem">{render(f.title.template, store, "html")}</p>'
            f"<p>{' '.join(render(c.template, store, 'html') for c in f.claims)}</p>"
            for f in findings
        ]
        return mo.Html("".join(parts))

    def drawn(figure):
        """A figure in the theme of the page."""
        return figure.update_layout(template="gne_dark" if mo.app_meta().theme == "dark" else "gne")

    return drawn, told


@app.cell
def _(metric_title, mo, named, number, points, run):
    shift_of = {s.id: s for s in run.shifts}
    cause_of = {c.id: c for c in run.causes}

    def causes_table(causes, go):
        """Causes as rows; a click on one opens its rows."""
        rows = [
            {
                "cause": named(c.segment),
                "metric": metric_title(shift_of[c.shift_id].metric),
                "where": named(shift_of[c.shift_id].scope),
                "status": c.status,
                "mechanism": c.mechanism.value.replace("_", " "),
                "owner": c.owner,
                "leave-out": points(c.leave_out),
                "change inside": points(c.effect.value),
                "n": number(c.after.n),
                "id": c.id,
            }
            for c in causes
        ]
        return mo.ui.table(
            rows,
            selection="single",
            label="Click a cause to see its rows.",
            on_change=lambda chosen: go(view="cause", cause=chosen[0]["id"]) if chosen else None,
        )

    return cause_of, causes_table, shift_of


@app.cell
def _(causes_table, go, mo, params, points, run, shift_title):
    mo.stop(params.get("view", "overview") != "overview")
    _shifts = [
        {"what moved": shift_title(s), "by": points(s.delta.value), "label": s.label_source.value, "id": s.id}
        for s in run.shifts
    ]
    mo.vstack(
        [
            mo.hstack(
                [
                    mo.stat(len(run.shifts), label="shifts"),
                    mo.stat(sum(c.status == "confirmed" for c in run.causes), label="confirmed causes"),
                    mo.stat(len(run.causes), label="causes in all"),
                    mo.stat(len(run.proposals), label="proposals"),
                ],
                justify="start",
            ),
            mo.plain_text(run.summary()),
            causes_table(run.causes, go) if run.causes else mo.md("No cause was found."),
            mo.ui.table(
                _shifts,
                selection="single",
                label="Click a shift to take it apart.",
                on_change=lambda chosen: go(view="shift", shift=chosen[0]["id"]) if chosen else None,
            )
            if _shifts
            else mo.md("Nothing moved beyond chance."),
        ]
    )
    return


@app.cell
def _(Decomposition, causes_table, drawn, figures, go, json, mo, named, params, run, shift_of, shift_title, told):
    mo.stop(params.get("view") != "shift")
    mo.stop(not run.shifts, mo.md("Nothing moved beyond chance."))
    _chosen = shift_of.get(params.get("shift", ""), run.shifts[0])
    _causes = [c for c in run.causes if c.shift_id == _chosen.id]
    _series = run.table("series")
    _series = _series.filter(_series["shift_id"] == _chosen.id)
    _splits = json.loads((run.path / "decompositions.json").read_text(encoding="utf-8"))
    _figures = [figures.shift_series(_series, _chosen)] if _series.height else []
    if _chosen.id in _splits:
        _split = Decomposition.model_validate(_splits[_chosen.id])
        _figures.append(figures.waterfall(_chosen, _split, names={c.id: named(c.segment) for c in _causes}))
    _figures += [figures.causes_ranked(_causes)] if _causes else []
    mo.vstack(
        [
            mo.ui.dropdown(
                {f"{i}. {shift_title(s)}": s.id for i, s in enumerate(run.shifts, 1)},
                value=f"{run.shifts.index(_chosen) + 1}. {shift_title(_chosen)}",
                label="Shift",
                on_change=lambda shift: go(shift=shift),
            ),
            told([f for f in run.findings if f.shift_id == _chosen.id and not f.cause_id]),
            *(mo.ui.plotly(drawn(f)) for f in _figures),
            causes_table(_causes, go) if _causes else mo.md("No segment explains it."),
        ]
    )
    return


@app.cell
def _(gne, mo, run):
    _source = run.manifest.get("source_path")
    source = gne.open(_source, policies=run.manifest.get("policies_path")) if _source else None
    mo.md("") if source else mo.md("The source of this run is not at hand, so rows and what-ifs are off.")
    return (source,)


@app.cell
def _(cause_of, drawn, figures, mo, named, params, run, shift_of, shift_subtitle, sibling_title, source, told, go):
    mo.stop(params.get("view") != "cause")
    mo.stop(not run.causes, mo.md("No cause was found."))
    _cause = cause_of.get(params.get("cause", ""), run.causes[0])
    _shift = shift_of[_cause.shift_id]
    _rows, _siblings = [], []
    if source is not None:
        from gne_analytics.metrics.observations import observe
        from gne_analytics.metrics.windows import segment_mask
        from gne_analytics.workspace.handover import siblings_of

        _obs = observe(source.record, _shift.metric, _shift.scope)
        _sided = _obs.frame.with_columns(focus=_obs.sides(_shift.baseline, _shift.focus) == 1).drop_nulls("focus")
        _held = _sided.filter(segment_mask(_cause.segment, _obs.paths))
        _held = _held.select("id", "event_date", "focus", "k", "n", "unit", "matured", *_obs.dims)
        _rows = [mo.ui.table(_held, selection=None, label=f"{_held.height:,} rows behind it")]
        if _cause.segment.depth:
            _frame = siblings_of(_obs, _shift, _cause)
            _figure = figures.siblings(_frame, title=sibling_title(_frame), subtitle=shift_subtitle(_shift))
            _siblings = [mo.ui.plotly(drawn(_figure))]
    mo.vstack(
        [
            mo.ui.dropdown(
                {f"{i}. {named(c.segment)}": c.id for i, c in enumerate(run.causes, 1)},
                value=f"{run.causes.index(_cause) + 1}. {named(_cause.segment)}",
                label="Cause",
                on_change=lambda cause: go(cause=cause),
            ),
            told([f for f in run.findings if f.cause_id == _cause.id and not f.proposal_id]),
            *_rows,
            *_siblings,
        ]
    )
    return


@app.cell
def _(drawn, figures, mo, number, params, run):
    mo.stop(params.get("view") != "themes")
    mo.stop(not run.themes, mo.md("No theme was found: the source holds no texts, or too few."))
    _views = sorted({t.view for t in run.themes})
    mo.vstack(
        [
            item
            for view in _views
            for item in (
                mo.ui.plotly(drawn(figures.themes_bar([t for t in run.themes if t.view == view]))),
                mo.ui.table(
                    [
                        {
                            "theme": t.label,
                            "texts": number(t.size),
                            "folded": number(t.folded),
                            "terms": ", ".join(t.terms),
                            "examples": " / ".join(t.exemplars),
                        }
                        for t in run.themes
                        if t.view == view
                    ],
                    selection=None,
                    label=view.replace("_", " "),
                ),
            )
        ]
    )
    return


@app.cell
def _(params, run):
    proposal = next((p for p in run.proposals if p.id == params.get("proposal")), None)
    proposal = proposal or (run.proposals[0] if run.proposals else None)
    test = run.backtest(proposal.id) if proposal else None
    return proposal, test


@app.cell
def _(drawn, escape, figures, go, mo, params, proposal, run, test, told):
    mo.stop(params.get("view") != "proposals")
    mo.stop(proposal is None, mo.md("No change of the policy config is proposed."))
    _edits = [
        {"edit": e.kind.value, "rule": e.rule or e.clause or e.policy, "now": str(e.old), "proposed": str(e.new)}
        for e in proposal.edits
    ]
    _figures = []
    if test is not None:
        _figures += [figures.backtest_differences(test)] if test.outcomes else []
        _figures += [figures.identification_bar(test.identification), figures.flow_bar(test.flow)]
        _figures += [figures.guardrails_plot(test.guardrails)] if test.guardrails else []
    mo.vstack(
        [
            mo.ui.dropdown(
                {f"{i}. {p.title}": p.id for i, p in enumerate(run.proposals, 1)},
                value=f"{run.proposals.index(proposal) + 1}. {proposal.title}",
                label="Proposal",
                on_change=lambda chosen: go(proposal=chosen, value=""),
            ),
            mo.Html(f"<p><strong>{escape(proposal.recommendation.value.replace('_', ' '))}</strong></p>"),
            told([f for f in run.findings if f.proposal_id == proposal.id]),
            mo.ui.table(_edits, selection=None, label="Edits"),
            *(mo.ui.plotly(drawn(f)) for f in _figures),
        ]
    )
    return


@app.cell
def _(EditKind, proposal):
    def threshold_of(edit):
        """The threshold that an edit sets, if it sets one."""
        new = edit.new.get("value") if isinstance(edit.new, dict) else edit.new
        kinds = {EditKind.SET_THRESHOLD, EditKind.ADD_OVERRIDE, EditKind.SET_OVERRIDE}
        return float(new) if edit.kind in kinds and isinstance(new, int | float) else None

    def with_threshold(edit, value):
        """The same edit with another threshold."""
        new = {**edit.new, "value": value} if isinstance(edit.new, dict) else value
        return edit.model_copy(update={"new": new})

    movable = next((e for e in proposal.edits if threshold_of(e) is not None), None) if proposal else None
    return movable, threshold_of, with_threshold


@app.cell
def _(go, mo, movable, params, source, threshold_of):
    mo.stop(params.get("view") != "proposals" or movable is None or source is None)
    mo.ui.slider(
        start=0.0,
        stop=1.0,
        step=0.01,
        value=float(params.get("value") or threshold_of(movable)),
        debounce=True,
        show_value=True,
        full_width=True,
        label=f"What if the threshold of {movable.rule} were",
        on_change=lambda value: go(value=f"{value:.2f}"),
    )
    return


@app.cell
def _(drawn, figures, mo, movable, params, proposal, render, source, with_threshold):
    mo.stop(params.get("view") != "proposals" or movable is None or source is None or not params.get("value"))
    _value = float(params.get("value"))
    with mo.status.spinner(f"Replaying the record with a threshold of {_value:.2f}"):
        _test = source.backtest([with_threshold(e, _value) if e is movable else e for e in proposal.edits])
    mo.vstack(
        [
            mo.Html(f"<p>{render(_test.why, source.store, 'html')}</p>"),
            mo.ui.plotly(drawn(figures.backtest_differences(_test, title=f"What if it were {_value:.2f}"))),
            mo.ui.plotly(drawn(figures.identification_bar(_test.identification))),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
