"""One fixture per engine: it takes a Polars frame and gives the same rows as that engine's own kind of frame."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import polars as pl
import pytest

SPARK = pytest.param("spark", marks=(pytest.mark.spark, pytest.mark.xdist_group("spark")))  # one worker, one session
SIGNED = {pl.UInt8: pl.Int16, pl.UInt16: pl.Int32, pl.UInt32: pl.Int64}
"""Spark has no unsigned integers: who loads such a column has the next wider signed one."""

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # small queries end before C2 pays
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
SET_BY_THE_USER = ("SPARK_HOME", "SPARK_CONF_DIR", "SPARK_REMOTE", "PYSPARK_SUBMIT_ARGS", "PYSPARK_DRIVER_PYTHON")

Bring = Callable[[pl.DataFrame], Any]


@pytest.fixture(scope="session")
def spark_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A local Spark on two threads that opens no page, reaches no network and writes nothing beside the tests."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as environment:
        for name in SET_BY_THE_USER:
            environment.delenv(name, raising=False)
        environment.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        environment.setenv("PYSPARK_PYTHON", sys.executable)  # what runs on a worker finds the package there
        builder = SparkSession.builder.master("local[2]").appName("gne tests")
        for key, value in SETTINGS.items():
            builder = builder.config(key, value)
        folder = tmp_path_factory.mktemp("spark")
        builder = builder.config("spark.sql.warehouse.dir", str(folder)).config("spark.local.dir", str(folder))
        session = builder.getOrCreate()
        yield session
        gateway = session.sparkContext._gateway
        session.stop()
        gateway.shutdown()


def to_polars(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame itself."""
    return frame


def to_lazy_polars(frame: pl.DataFrame) -> pl.LazyFrame:
    """A plan over the frame."""
    return frame.lazy()


@pytest.fixture(scope="session")
def to_duckdb() -> Iterator[Bring]:
    """Make a relation of a frame."""
    with duckdb.connect() as connection:
        yield lambda frame: connection.from_arrow(frame.to_arrow())


@pytest.fixture(scope="session")
def to_spark(request: pytest.FixtureRequest) -> Bring:
    """Make a Spark frame; Spark starts with the first one, when it is known that it can."""

    def bring(frame: pl.DataFrame) -> Any:
        signed = frame.cast({c: SIGNED[t] for c, t in frame.schema.items() if t in SIGNED})
        return request.getfixturevalue("spark_session").createDataFrame(signed.to_arrow())

    return bring


IN_PROCESS = {"polars": to_polars, "lazy polars": to_lazy_polars}


@pytest.fixture(scope="session", params=[*IN_PROCESS, "duckdb", SPARK])
def engine(request: pytest.FixtureRequest) -> Bring:
    """Bring a frame to each engine in turn."""
    return IN_PROCESS.get(request.param) or request.getfixturevalue(f"to_{request.param}")


@pytest.fixture(scope="session", params=[*IN_PROCESS, "duckdb"])
def near_engine(request: pytest.FixtureRequest) -> Bring:
    """Bring a frame to each engine that answers in a millisecond."""
    return IN_PROCESS.get(request.param) or request.getfixturevalue(f"to_{request.param}")
