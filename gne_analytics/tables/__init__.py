"""The data contract, sifting, and the sources that fill it: files, queries, frames, the DSA database.

``open_source("data/demo")`` reads a ``source.yaml`` (``source.example.yaml`` beside this file shows every key), maps
the files to the tables of ``contract.py``, sets apart the rows that break it with a reason each, derives calendar and
folds, and returns a ``Record``. ``record_from_frames`` takes frames in memory, ``appealed`` joins appeals to
their violations, ``dsa.read_dsa`` reads a dump of the EU transparency database.
"""

from gne_analytics.tables.capabilities import Capability
from gne_analytics.tables.contract import TABLES, Column, Grain, Kind, Role, Table
from gne_analytics.tables.record import Record, appealed, record_from_frames
from gne_analytics.tables.sift import Extract, Sifted, sift, validate
from gne_analytics.tables.source import load_source, open_source
from gne_analytics.tables.source_model import Source, source_schema

__all__ = [
    "TABLES",
    "Capability",
    "Column",
    "Extract",
    "Grain",
    "Kind",
    "Record",
    "Role",
    "Sifted",
    "Source",
    "Table",
    "appealed",
    "load_source",
    "open_source",
    "record_from_frames",
    "sift",
    "source_schema",
    "validate",
]
