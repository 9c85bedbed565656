"""What every test shares: where the public tables lie, a browser, and skips that become failures in CI."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("GNE_REQUIRE_ALL") == "1"
NEEDS = {
    "realdata": ("GNE_REALDATA", "point GNE_REALDATA at the folder with the public tables to run it"),
    "textdata": ("GNE_TEXTDATA", "point GNE_TEXTDATA at the folder with the labelled texts to run it"),
}


JAVA = 17
"""The oldest Java that Spark 4 runs on."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn every skip into a failure where nothing may be missing."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"needed in CI: {reason}"
    return report


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest) -> None:
    for marker, (variable, sentence) in NEEDS.items():
        if request.node.get_closest_marker(marker) and variable not in os.environ:
            pytest.skip(sentence)
    if request.node.get_closest_marker("browser") and not chromium_path():
        pytest.skip("install Chromium to run the browser tests")
    if request.node.get_closest_marker("spark") and (sentence := without_spark()):
        pytest.skip(sentence)


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


@cache
def without_spark() -> str:
    """Say what a machine lacks to run Spark; nothing when it lacks nothing."""
    if importlib.util.find_spec("pyspark") is None:
        return "install PySpark (make setup-dev does) to run the tests on Spark"
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else "java"
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        said = ""
    version = re.search(r'version "(\d+)', said)
    if version and int(version[1]) >= JAVA:
        return ""
    return f"install Java {JAVA} or newer, and let JAVA_HOME name it or nothing, to run the tests on Spark"
