"""What every test shares: where the public tables lie, a browser, and skips that become failures in CI."""

import os
import shutil
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("GNE_REQUIRE_ALL") == "1"
NEEDS = {
    "realdata": ("GNE_REALDATA", "point GNE_REALDATA at the folder with the public tables to run it"),
    "textdata": ("GNE_TEXTDATA", "point GNE_TEXTDATA at the folder with the labelled texts to run it"),
}


def _skip(reason: str) -> None:
    if REQUIRE_ALL:
        pytest.fail(f"needed in CI: {reason}")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest) -> None:
    for marker, (variable, sentence) in NEEDS.items():
        if request.node.get_closest_marker(marker) and variable not in os.environ:
            _skip(sentence)
    if request.node.get_closest_marker("browser") and not chromium_path():
        _skip("install Chromium to run the browser tests")


@pytest.fixture(autouse=True)
def _no_model_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach a model: no endpoint is configured, whatever the environment says."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "GNE_MODEL")):
            monkeypatch.delenv(name)


@pytest.fixture
def realdata() -> Path:
    """The folder of public tables; use with the marker ``realdata``."""
    return Path(os.environ["GNE_REALDATA"])


@pytest.fixture
def textdata() -> Path:
    """The folder of labelled texts; use with the marker ``textdata``."""
    return Path(os.environ["GNE_TEXTDATA"])


def chromium_path() -> str | None:
    """Return the Chromium on the PATH."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The Chromium to drive; use with the marker ``browser``."""
    return str(chromium_path())
