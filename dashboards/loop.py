"""The loop on a screen: what moved, why, what people say, what is proposed. Every view has its own address."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="gne_analytics: the loop", css_file="loop.css")


@app.cell
def _():
    import json
    import os
    from html import escape

    import marimo as mo
    import polars as pl

    import gne_analytics as gne
    from gne_analytics import figures
    from gne_analytics.evidence.render import number, points
    from gne_analytics.evidence.types import Decomposition
    from gne_analytics.figures.causes import beside
    from gne_analytics.figures.wording import in_time, metric_title, named, shift_subtitle, shift_title
    from gne_analytics.release.view import about_cause
    from gne_analytics.workspace import screen
    from gne_analytics.workspace.glance import table_html
    from gne_analytics.workspace.handover import changes_near
    from gne_analytics.workspace.sheet import sheet
    from gne_analytics.workspace.told import decomposed, tables_of

    return (
        Decomposition, about_cause, beside, changes_near, decomposed, escape, figures, gne, in_time, json, metric_title,
        mo, named, number, os, pl, points, screen, sheet, shift_subtitle, shift_title, table_html, tables_of,
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
    def html(text):
        return mo.Html(f'<div class="gne">{text}</div>')

    _m = run.manifest
    html(
        "<h1>What moved, why, and what to do</h1>"
        f'<p class="quiet">Run {escape(run.path.name)}, record up to {escape(str(_m["as_of"])[:10])}, version '
        f"{escape(str(_m['inputs']['version']))}, seed {escape(str(_m['inputs']['seed']))}. Rest on a figure to see "
        "the evidence behind it.</p>"
    )
    return (html,)


@app.cell
def _(go, mo, params):
    mo.ui.tabs(
        {name: mo.md("") for name in ("overview", "shift", "cause", "themes", "proposals")},
        value=params.get("view", "overview"),
        on_change=lambda view: go(view=view),
    )
    return


@app.cell
def _(about_cause, figures, metric_title, mo, named, number, params, points, run, screen):
    shift_of = {s.id: s for s in run.shifts}
    cause_of = {c.id: c for c in run.causes}

    def link(**where):
        """The address of a view of this run."""
        return screen.address(run=params.get("run", ""), **where)

    def drawn(figure):
        """A figure in the theme of the page."""
        theme = "gne_dark" if mo.app_meta().theme == "dark" else "gne"
        return mo.ui.plotly(figure.update_layout(template=theme), config={"displayModeBar": False})

    def causes_figure(causes, shift=None):
        """The causes ranked; a click on one opens its view."""
        names = {c.id: f"{metric_title(shift_of[c.shift_id].metric)}, {named(c.segment)}" for c in causes}
        links = {c.id: link(view="cause", cause=c.id) for c in causes}
        return drawn(figures.causes_ranked(causes, shift=shift, names=names, links=links))

    def causes_table(causes, go):
        """Causes as rows; a click on one opens its rows."""
        rows = [
            {
                "cause": named(c.segment),
                "metric": metric_title(shift_of[c.shift_id].metric),
                "status": c.status,
                "why": about_cause(c, shift_of[c.shift_id]),
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
            show_download=False,
            label="Click a cause to see its rows.",
            on_change=lambda chosen: go(view="cause", cause=chosen[0]["id"]) if chosen else None,
        )

    return cause_of, causes_figure, causes_table, drawn, link, shift_of


@app.cell
def _(gne, mo, run):
    _source = run.manifest.get("source_path")
    source = None
    try:
        source = gne.open(_source, policies=run.manifest.get("policies_path")) if _source else None
    except gne.GneError:
        source = None
    mo.md("") if source else mo.md("The source of this run is not at hand, so rows and what-ifs are off.")
    return (source,)


@app.cell
def _(causes_figure, causes_table, drawn, figures, go, html, link, mo, params, pl, run, screen, source):
    mo.stop(params.get("view", "overview") != "overview")
    _shown = [
        html(screen.tiles(run)),
        html(screen.cards(run, {s.id: link(view="shift", shift=s.id) for s in run.shifts})),
    ]
    if run.causes:
        _shown += [causes_figure(run.causes), causes_table(run.causes, go)]
    _shown.append(
        html(screen.proposal_cards(run, {p.id: link(view="proposals", proposal=p.id) for p in run.proposals}))
    )
    if source is not None and source.record.has("appeals"):
        _stage = pl.when(pl.col("stage") == "violations").then(pl.col("stage"))
        _stage = _stage.otherwise(pl.concat_str("level", pl.lit(" level: "), "stage")).alias("stage")
        _shown.append(drawn(figures.appeals_funnel(source.funnel().select(_stage, "n", "of"))))
    mo.vstack(_shown, gap=1.5)
    return


@app.cell
def _(
    Decomposition, causes_figure, causes_table, changes_near, decomposed, drawn, figures, go, html, in_time, json, mo,
    named, params, run, screen, shift_of, shift_title, source, store, table_html,
):  # fmt: skip
    mo.stop(params.get("view") != "shift")
    mo.stop(not run.shifts, mo.Html(screen.cards(run, {})))
    _chosen = shift_of.get(params.get("shift", ""), run.shifts[0])
    _causes = [c for c in run.causes if c.shift_id == _chosen.id]
    _series = run.table("series")
    _series = _series.filter(_series["shift_id"] == _chosen.id)
    _splits = json.loads((run.path / "decompositions.json").read_text(encoding="utf-8"))
    _figures = []
    if _series.height and not in_time(_chosen):
        _figures.append(drawn(figures.sides_series(_series, _chosen)))
    elif _series.height:
        _first = next((c for c in _causes if c.onset), None)
        _onset = {"onset": _first.onset, "onset_interval": _first.onset_interval} if _first else {}
        _changes = changes_near(source.record, _chosen) if source is not None else ()
        _figures.append(drawn(figures.shift_series(_series, _chosen, changes=_changes, **_onset)))
    if _chosen.id in _splits:
        _split = Decomposition.model_validate(_splits[_chosen.id])
        _names = {c.id: named(c.segment) for c in _causes}
        _figures.append(drawn(figures.waterfall(_chosen, _split, names=_names)))
        _numbers = html(table_html(decomposed(_chosen, _split, _names)))
        _figures.append(mo.accordion({"How it adds up, in numbers": _numbers}))
    _figures += [causes_figure(_causes, _chosen)] if _causes else []
    mo.vstack(
        [
            mo.ui.dropdown(
                {f"{i}. {shift_title(s)}": s.id for i, s in enumerate(run.shifts, 1)},
                value=f"{run.shifts.index(_chosen) + 1}. {shift_title(_chosen)}",
                label="Shift",
                full_width=True,
                on_change=lambda shift: go(shift=shift),
            ),
            *(html(screen.finding_card(f, store)) for f in run.findings if f.shift_id == _chosen.id and not f.cause_id),
            *_figures,
            causes_table(_causes, go) if _causes else mo.md("No segment explains it."),
        ],
        gap=1.5,
    )
    return


@app.cell
def _(
    beside, cause_of, changes_near, drawn, escape, figures, go, html, link, mo, named, params, run, screen, sheet,
    shift_of, shift_subtitle, shift_title, source, store, table_html, tables_of,
):  # fmt: skip
    mo.stop(params.get("view") != "cause")
    mo.stop(not run.causes, mo.md("No cause was found."))
    _cause = cause_of.get(params.get("cause", ""), run.causes[0])
    _shift = shift_of[_cause.shift_id]
    _back = link(view="shift", shift=_shift.id)
    _rows, _figures, _tables = [], [], []
    if source is not None:
        from gne_analytics.metrics.observations import observe
        from gne_analytics.workspace.behind import cause_part, rows_of

        _obs = observe(source.record, _shift.metric, _shift.scope)
        _held = rows_of(_obs, _shift, _cause)
        _part = cause_part(source.record, _obs, _shift, _cause)
        _about = {"metric": _shift.metric, "segment": str(_cause.segment), "windows": shift_subtitle(_shift)}
        _changes = changes_near(source.record, _shift)
        if _part.series.height:
            _drawn = figures.inside_series(_part.series, _shift, _cause, changes=_changes, matched=_part.changes)
            _figures.append(drawn(_drawn))
        if _part.siblings is not None and _part.siblings.height:
            _figures.append(drawn(beside(_part.siblings, _shift, _cause)))
        _tables = [html(table_html(t)) for t in tables_of(_cause, _part, _shift)]
        _rows = [
            mo.ui.table(_held, selection=None, show_download=False, label=f"{_held.height:,} rows behind it"),
            mo.download(
                lambda: sheet(run, _held, _about).encode(), filename=f"{_cause.id}.csv", label="Rows as a spreadsheet"
            ),
        ]
    mo.vstack(
        [
            mo.ui.dropdown(
                {f"{i}. {named(c.segment)}": c.id for i, c in enumerate(run.causes, 1)},
                value=f"{run.causes.index(_cause) + 1}. {named(_cause.segment)}",
                label="Cause",
                full_width=True,
                on_change=lambda cause: go(cause=cause),
            ),
            html(f'<p>Of the shift <a href="{escape(_back)}">{escape(shift_title(_shift))}</a></p>'),
            *(
                html(screen.finding_card(f, store, screen.badge(_cause.status)))
                for f in run.findings
                if f.cause_id == _cause.id and not f.proposal_id
            ),
            *_figures,
            *_tables,
            *_rows,
        ],
        gap=1.5,
    )
    return


@app.cell
def _(params, run):
    # The themes' part of the address: which texts (of), how fine (level), which theme (theme).
    said = list(dict.fromkeys(t.view for t in run.themes))
    of = params.get("of") if params.get("of") in said else next(iter(said), "")
    tree = next((t for t in run.theme_trees if t.view == of), None)
    asked = params.get("level", "")
    level = int(asked) if tree and asked.isdigit() and int(asked) < len(tree.levels) else tree.fitted if tree else 0
    node = tree.by_id.get(params.get("theme", "")) if tree else None
    return level, node, of, said, tree


@app.cell
def _(drawn, figures, go, html, level, link, mo, node, of, params, run, said, screen, tree):
    mo.stop(params.get("view") != "themes")
    mo.stop(not run.themes, mo.md("No theme was found: the source holds no texts, or too few."))
    _shown = [
        mo.ui.dropdown(
            {name.replace("_", " "): name for name in said},
            value=of.replace("_", " "),
            label="Texts",
            on_change=lambda view: go(of=view, level="", theme=""),
        )
    ]
    if tree is not None:
        _nodes = tree.level(level)
        _links = {n.id: link(view="themes", of=of, level=str(level), theme=n.id) for n in _nodes}
        _shown += [
            mo.ui.slider(
                steps=list(tree.counts),
                value=tree.counts[level],
                debounce=True,
                show_value=True,
                full_width=True,
                label=f"How many themes, coarse to fine; {tree.counts[tree.fitted]} were fitted",
                on_change=lambda n: go(level=str(tree.counts.index(n)), theme=""),
            ),
            drawn(
                figures.themes_map(
                    run.table(f"map_{of}"),
                    _nodes,
                    chosen=node.id if node else "",
                    links=_links,
                )
            ),
            html(screen.nodes_table(_nodes, _links)),
        ]
    mo.vstack(_shown, gap=1.5)
    return


@app.cell
def _(params, run):
    # A pair of crossed views: a theme of these texts (theme), and of the other view (with).
    crossed = next(iter(run.theme_crossed), None)
    pair = next(
        (p for p in crossed.pairs if (p.one, p.other) == (params.get("theme"), params.get("with"))) if crossed else (),
        None,
    )
    return crossed, pair


@app.cell
def _(crossed, drawn, figures, html, link, mo, node, of, params, run, screen):
    mo.stop(params.get("view") != "themes" or not run.themes)
    _weeks = run.theme_weeks(of)
    _shown = []
    if _weeks is not None:
        _ids = node.themes if node else ()
        _shown.append(drawn(figures.themes_weekly(_weeks, ids=_ids, limit=6)))
    if crossed is not None and of in (crossed.one, crossed.other):
        _links = {
            (p.one, p.other): link(view="themes", of=crossed.one, theme=p.one, **{"with": p.other})
            for p in crossed.pairs
        }
        _shown += [drawn(figures.themes_crossed(crossed, links=_links))]
        _shown += [html(screen.crossed_table(crossed, _links))] if crossed.meeting else []
    mo.vstack(_shown, gap=1.5)
    return


@app.cell
def _(crossed, html, mo, pair, params, run, screen, sheet, source):
    mo.stop(params.get("view") != "themes" or pair is None or source is None)
    from gne_analytics.workspace.behind import texts_of_pair

    _held = (run.table(f"themes_{view}") for view in (crossed.one, crossed.other))
    _rows = texts_of_pair(source.record, crossed, pair, *_held)
    _said = screen.pair_said(crossed, pair)
    mo.vstack(
        [
            html(_said),
            mo.ui.table(_rows, selection=None, show_download=False, label=f"{_rows.height:,} cases behind the pair"),
            mo.download(
                lambda: sheet(run, _rows, {"theme": pair.one, "where": pair.other}).encode(),
                filename=f"{pair.one}_{pair.other}.csv",
                label="Cases as a spreadsheet",
            ),
        ],
        gap=1.5,
    )
    return


@app.cell
def _(html, level, link, mo, named, node, number, of, pair, params, run, screen, sheet, source, tree):
    mo.stop(params.get("view") != "themes" or node is None or pair is not None)
    from gne_analytics.workspace.behind import causes_of_node, texts_of_node

    _cards = {c.theme.id: c for c in run.theme_cards}
    _ended = next((o for o in run.theme_outcomes if o.view == of), None)
    _card = _cards[node.id]._repr_html_() if node.id in _cards else screen.node_card(node)
    _parts = {
        f"{n.shown}, {number(n.folded)} texts": link(view="themes", of=of, level=str(level), theme=n.id)
        for n in (*((tree.by_id[node.parent],) if node.parent else ()), *tree.children(node.id))
    }
    _causes = {named(c.segment): link(view="cause", cause=c.id) for c in causes_of_node(run.causes, node)}
    _shown = [
        html(_card),
        html(screen.outcome_card(_ended.of(node.id) if _ended else None)),
        html(screen.links_list("Part of, and parts", _parts)),
        html(screen.links_list("Causes in whose segment it is said more since the onset", _causes)),
    ]
    if source is not None:
        _rows = texts_of_node(source.record, of, run.table(f"themes_{of}"), node)
        _about = {"texts": of, "theme": node.label}
        _shown += [
            mo.ui.table(_rows, selection=None, show_download=False, label=f"{_rows.height:,} texts of this theme"),
            mo.download(
                lambda: sheet(run, _rows, _about).encode(), filename=f"{node.id}.csv", label="Texts as a spreadsheet"
            ),
        ]
    mo.vstack(_shown, gap=1.5)
    return


@app.cell
def _(drawn, figures, html, mo, of, params, run, screen, store):
    mo.stop(params.get("view") != "themes" or not run.themes)
    _themes = [t for t in run.themes if t.view == of]
    _told = [f for f in run.findings if f.kind == "theme"]
    _shown = [
        drawn(figures.themes_bar(_themes)),
        html(screen.themes_table(_themes, of)),
        *(html(screen.finding_card(f, store)) for f in _told),
    ]
    mo.vstack(_shown, gap=1.5)
    return


@app.cell
def _(params, run):
    proposal = next((p for p in run.proposals if p.id == params.get("proposal")), None)
    proposal = proposal or (run.proposals[0] if run.proposals else None)
    test = run.backtest(proposal.id) if proposal else None
    return proposal, test


@app.cell
def _(drawn, figures, go, html, mo, params, proposal, run, screen, source, store, test):
    mo.stop(params.get("view") != "proposals")
    mo.stop(proposal is None, mo.md("No change of the policy config is proposed."))
    _patch = ""
    if source is not None and source.policies is not None:
        from gne_analytics.release.export import patch_of

        _patch = screen.patch(patch_of(source.policies, proposal))
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
                full_width=True,
                on_change=lambda chosen: go(proposal=chosen, value=""),
            ),
            *(
                html(screen.finding_card(f, store, screen.verdict_badge(proposal)))
                for f in run.findings
                if f.proposal_id == proposal.id
            ),
            html(_patch or screen.edits_table(proposal.edits)),
            *(drawn(f) for f in _figures),
            html(screen.on_whom(test, source.losing_sellers(proposal, limit=5) if source and test else None)),
        ],
        gap=1.5,
    )
    return


@app.cell
def _(html, mo, params, proposal, screen, source, test):
    mo.stop(params.get("view") != "proposals" or source is None or test is None)
    mo.vstack(
        [
            html(screen.audits_table(source.audit_plan(proposal).strata)),
            html(screen.cases_table(source.counterexamples(proposal, limit=5))),
        ]
    )
    return


@app.cell
def _(proposal):
    from gne_analytics.strategy.moved import first_moved, threshold_set

    movable = first_moved(proposal.edits) if proposal else None
    return movable, threshold_set


@app.cell
def _(go, mo, movable, params, source, threshold_set):
    mo.stop(params.get("view") != "proposals" or movable is None or source is None)
    mo.ui.slider(
        start=0.0,
        stop=1.0,
        step=0.01,
        value=float(params.get("value") or threshold_set(movable)),
        debounce=True,
        show_value=True,
        full_width=True,
        label=f"What if the threshold of {movable.rule} were",
        on_change=lambda value: go(value=f"{value:.2f}"),
    )
    return


@app.cell
def _(drawn, figures, html, mo, movable, params, proposal, screen, source):
    mo.stop(params.get("view") != "proposals" or movable is None or source is None or not params.get("value"))
    _value = float(params.get("value"))
    with mo.status.spinner(f"Replaying the record with a threshold of {_value:.2f}"):
        _test = source.backtest([screen.with_threshold(e, _value) if e is movable else e for e in proposal.edits])
    mo.vstack(
        [
            html(f"<p>{screen.claim(_test.why, source.store)}</p>"),
            drawn(figures.backtest_differences(_test, title=f"What if it were {_value:.2f}")),
            drawn(figures.identification_bar(_test.identification)),
        ]
    )
    return


@app.cell
def _(drawn, gne, html, mo, movable, params, proposal, source):
    mo.stop(params.get("view") != "proposals" or movable is None or source is None)
    with mo.status.spinner(f"Trading the thresholds of {movable.rule}: every point is replayed on the record"):
        try:
            _traded = source.frontier_beside(proposal)
        except gne.GneError as fault:
            mo.stop(True, mo.plain_text(f"What the thresholds of {movable.rule} can trade is not drawn: {fault}"))
    mo.vstack([drawn(_traded.figure()), html(_traded.in_words())], gap=1.5)
    return


if __name__ == "__main__":
    app.run()
