"""What a machine lacks is said in a sentence, and is a failure where nothing may be lacking."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SPARK = "import pytest\n\n@pytest.mark.spark\ndef test_on_spark():\n    pass\n"
BROWSER = SPARK.replace("spark", "browser")
IMPORT = "import pytest\n\ndef test_of_more():\n    pytest.importorskip('no_such_module')\n"


@pytest.fixture
def run(tmp_path):
    """Run one test beside our conftest, on a machine whose PATH and JAVA_HOME hold nothing."""

    def outcome(test, java=tmp_path, **environment):
        shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
        (tmp_path / "test_it.py").write_text(test, encoding="utf-8")
        command = ["-m", "pytest", "-rs", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path)]
        bare = {k: v for k, v in os.environ.items() if not k.startswith(("GNE_", "JAVA_", "PYTEST_"))}
        done = subprocess.run(  # noqa: S603
            [sys.executable, *command, str(tmp_path)],
            env={
                **bare,
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PATH": str(tmp_path),
                "JAVA_HOME": str(java),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, re.sub(r"\s+", " ", done.stdout)

    return outcome


def java_that_says(folder, words):
    program = folder / "jdk" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{words}' >&2\n", encoding="utf-8")
    program.chmod(0o755)
    return folder / "jdk"


def test_without_java_a_test_on_spark_is_skipped_with_a_sentence(run):
    code, said = run(SPARK)
    assert code == 0
    assert "1 skipped" in said
    assert "install Java 17 or newer" in said


def test_a_java_that_is_too_old_is_none(run, tmp_path):
    code, said = run(SPARK, java_that_says(tmp_path, 'java version "1.8.0_391"'))
    assert (code, "install Java 17 or newer" in said) == (0, True)


def test_with_a_java_that_is_new_enough_it_runs(run, tmp_path):
    code, said = run(SPARK, java_that_says(tmp_path, 'openjdk version "21" 2023-09-19'))
    assert (code, "1 passed" in said) == (0, True)


@pytest.mark.parametrize("test", [SPARK, BROWSER, IMPORT], ids=["spark", "browser", "import"])
def test_where_nothing_may_be_lacking_a_skip_is_a_failure(run, test):
    assert run(test)[0] == 0
    code, said = run(test, GNE_REQUIRE_ALL="1")
    assert code == 1
    assert "needed in CI: " in said
