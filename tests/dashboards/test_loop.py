"""The dashboard in a real browser: from the overview to a cause's rows in two clicks, every view with its address."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gne_analytics.simulate import simulate, write
from gne_analytics.testing.runs import write_a_run

pytestmark = pytest.mark.browser
APP = Path(__file__).parents[2] / "dashboards" / "loop.py"
PATIENCE = 60_000  # ms, on a busy machine


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dashboard")
    write(simulate("quiet", 0, violations=600), folder / "source")
    write_a_run(folder / "run", source=folder / "source")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", str(APP), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "GNE_RUN": str(folder / "run"), "MARIMO_SKIP_UPDATE_CHECK": "1"}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*command, "--headless"], env=environment, stdout=log, stderr=log)  # noqa: S603
        try:
            wait_for(f"http://127.0.0.1:{port}/")
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(timeout=20)


def wait_for(url):
    for _ in range(120):
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
        else:
            return
    pytest.fail(f"{url} did not answer within half a minute")


@pytest.fixture(scope="module")
def browser(chromium):
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1200, "height": 1600})
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


def test_a_click_in_the_figure_of_causes_opens_the_rows_of_one(page, address):
    page.goto(address)
    page.locator("svg a").filter(has_text="language: vi").last.click(force=True)  # its own background lies over it
    page.wait_for_url(re.compile("view=cause"))
    page.get_by_text("rows behind it").wait_for()
    assert "cause=S1-C3" in page.url


def test_the_overview_tells_in_cards_whose_figures_name_their_evidence(page, address):
    page.goto(address)
    page.locator(".gne-card").first.wait_for()
    assert page.locator(".gne-card .ev[title^='Evidence E']").count() > 0
    assert page.locator("pre").count() == 0


def test_from_the_overview_to_the_rows_of_a_cause_in_two_clicks(page, address):
    page.goto(address)
    page.get_by_text("Click a cause to see its rows.").wait_for()
    page.get_by_role("row").filter(has_text="language: vi").get_by_role("checkbox").first.click()
    page.wait_for_url(re.compile("view=cause"))
    page.get_by_text("rows behind it").wait_for()
    assert "cause=S1-C3" in page.url


def test_a_cause_shows_the_changes_that_fit_and_its_rows(page, address):
    page.goto(f"{address}?view=cause&cause=S1-C1")
    for shown in ("Changes that fit", "rows behind it"):
        page.get_by_text(shown).first.wait_for()


def test_a_shift_stands_in_numbers_too(page, address):
    page.goto(f"{address}?view=shift")
    page.get_by_text("How it adds up, in numbers").first.wait_for()


def test_a_link_is_a_view_and_hostile_texts_run_nothing_there(page, address):
    alerts = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(f"{address}?view=themes")
    page.get_by_text("refund me").locator("visible=true").first.wait_for()
    page.goto(f"{address}?view=proposals")
    page.get_by_text("cases would be released").first.wait_for()
    assert alerts == []


def test_a_proposal_that_moves_a_threshold_stands_beside_the_frontier_of_its_rule(page, address):
    page.goto(f"{address}?view=proposals")
    page.get_by_text("What if the threshold of logo-match were").first.wait_for()
    page.get_by_text("All points, and what limits them").first.click()
    page.get_by_text("What the thresholds of logo-match can trade").first.wait_for()
    page.get_by_text("Who reaches another milestone of the penalty ladder").first.wait_for()


def test_the_slider_of_themes_and_a_theme_have_their_address(page, address):
    page.goto(f"{address}?view=themes&of=seller_text&level=2")
    page.get_by_text("How many themes, coarse to fine").first.wait_for()
    page.get_by_text("The same as a table").first.click()
    page.get_by_role("link", name="part 1").first.wait_for()
    page.goto(f"{address}?view=themes&of=seller_text&theme=T1")
    page.get_by_text("Part of, and parts").first.wait_for()
    page.get_by_text("texts of this theme").first.wait_for()


def test_weeks_and_crossed_views_are_shown_and_a_pair_opens_its_cases(page, address):
    alerts = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(f"{address}?view=themes&of=seller_text")
    page.get_by_text("leads the week of").first.wait_for()
    page.get_by_text("pairs as a table").click()
    page.get_by_role("link", name="logo is our own brand").last.click()
    page.wait_for_url(re.compile("with=R2"))
    page.get_by_text("cases behind the pair").wait_for()
    assert alerts == []


def test_a_missing_run_is_said_in_plain_words(page, address):
    page.goto(f"{address}?run=/nowhere")
    page.get_by_text("give the folder of a finished run").first.wait_for()
