"""A run with a language model: its words stand where they pass the checks, and any failure leaves the narrator's."""

import polars as pl
import pytest

from gne_analytics.errors import ModelError
from gne_analytics.evidence.claims import check_template
from gne_analytics.release.traceable import untraced
from gne_analytics.tables.record import record_from_frames
from gne_analytics.testing.frames import record
from gne_analytics.testing.models import FunctionModel, rewriting_model
from gne_analytics.themes.embedders import Ngrams
from gne_analytics.workspace import Workspace


@pytest.fixture
def run_with(tmp_path, monkeypatch):
    monkeypatch.setenv("GNE_CACHE", str(tmp_path / "cache"))

    def go(model):
        ws = Workspace(record(400), model=model)
        return ws.run(tmp_path / "runs", baseline="market=TH", focus="market=ID")

    return go


def unreachable(*_args):
    raise ModelError("the endpoint does not answer")


def test_a_model_that_fails_leaves_the_narrators_words_and_a_note(run_with):
    plain = run_with(None)
    failed = run_with(FunctionModel(unreachable))
    assert [f.title for f in failed.findings] == [f.title for f in plain.findings]
    assert "had a part in the words" in failed.report.read_text(encoding="utf-8")


def test_a_model_rewords_claims_and_every_number_keeps_its_evidence(run_with):
    run = run_with(rewriting_model(lambda text: text.replace("overturn rate", "rate of overturned appeals")))
    claims = [c.template for f in run.findings for c in (f.title, *f.claims)]
    assert any("rate of overturned appeals" in c for c in claims)
    assert not [f for c in claims for f in check_template(c, run.store, words=False)]
    assert untraced(run.report.read_text(encoding="utf-8"), run.store) == ()


def test_a_model_that_invents_a_number_is_not_believed(run_with):
    run = run_with(rewriting_model(lambda text: text + " That is 73 % of all cases."))
    assert not [c for f in run.findings for c in f.claims if "73" in c.template]


def test_an_embeddings_endpoint_that_fails_half_way_costs_the_themes_and_keeps_what_it_read(tmp_path, monkeypatch):
    monkeypatch.setenv("GNE_CACHE", str(tmp_path / "cache"))

    class Flaky:
        id, block = "openai:flaky", 1

        def __init__(self, answers):
            self.answers = answers

        def encode(self, texts):
            if not self.answers:
                raise ModelError("openai:flaky: the endpoint failed")
            self.answers -= len(texts)
            return Ngrams().encode(texts)

    made = record(400)
    ws = Workspace(made, embedder=Flaky(2))
    failed = ws.run(tmp_path / "runs", baseline="market=TH", focus="market=ID")
    assert failed.findings
    assert "endpoint failed" in failed.report.read_text(encoding="utf-8")
    again = Flaky(3)
    Workspace(made, embedder=again).themes("appeals")
    assert again.answers == 2  # of three wordings one was left to read


def test_a_reader_of_another_language_gets_a_run_of_their_own(run_with, monkeypatch):
    english = run_with(FunctionModel(unreachable))
    monkeypatch.setenv("GNE_LANGUAGE", "id")
    assert run_with(FunctionModel(unreachable)).path != english.path
    assert run_with(None).path == run_with(None).path


def test_a_run_crosses_what_sellers_say_with_reviewers_reasons_and_keeps_the_weeks(tmp_path, monkeypatch):
    monkeypatch.setenv("GNE_CACHE", str(tmp_path / "cache"))
    made = record(400)
    said, meant = ("no logo on this shirt", "which rule did I break"), ("image misread", "clause not named")
    seq = range(made.appeals.height)
    texts = {
        "reason_text": [f"{said[i % 2]} {chr(97 + i % 23) * 3} {chr(97 + i % 19) * 4}" for i in seq],
        "outcome_reason": [f"{meant[i % 2]} {chr(97 + i % 17) * 3}" for i in seq],
    }
    appeals = made.appeals.with_columns(pl.Series(name, values) for name, values in texts.items())
    held = record_from_frames({"violations": made.violations, "appeals": appeals})
    run = Workspace(held, embedder="ngrams").run(tmp_path / "runs", baseline="market=TH", focus="market=ID")
    (crossed,) = run.theme_crossed
    assert crossed.meeting
    assert run.table("crossed").height == crossed.tested
    assert run.theme_weeks("seller_text").weeks["n"].sum() > 0
    page = run.report.read_text(encoding="utf-8")
    assert "chance alone would give" in page
    assert "Themes over weeks" in page
    assert untraced(page, run.store) == ()
