"""The data contract, sifting, and the sources that fill it: files, queries, frames, the DSA database."""

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
