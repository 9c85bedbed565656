"""From a record of violations and appeals to a policy config that its owner can sign.

The five lines that show the whole loop::

    import gne_analytics as gne

    ws = gne.open("data/demo")          # tables + policy set, validated
    shift = ws.shifts()[0]              # what moved beyond chance
    causes = ws.explain(shift).causes   # where and why, verified on held-out sellers
    proposals = ws.propose(causes)      # typed edits, each with its backtest
    print(ws.backtest(proposals[0]))    # truth accounting, intervals, guardrails

Names are imported when they are first used, so that ``import gne_analytics`` stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gne_analytics.errors import DataError, GneError, MissingExtra, ModelError, PolicyError
    from gne_analytics.evidence.claims import Claim, Finding
    from gne_analytics.evidence.proposals import Backtest, Proposal
    from gne_analytics.evidence.segment import Segment
    from gne_analytics.evidence.store import Evidence, EvidenceStore
    from gne_analytics.evidence.types import Cause, Edit, Period, Shift, Theme
    from gne_analytics.policy.files import PolicySet
    from gne_analytics.tables.record import Record, record_from_frames
    from gne_analytics.workspace import Run, Workspace, open, open_run  # noqa: A004

__version__ = "0.1.0"

_HOMES = {
    "errors": ("DataError", "GneError", "MissingExtra", "ModelError", "PolicyError"),
    "evidence.claims": ("Claim", "Finding"),
    "evidence.segment": ("Segment",),
    "evidence.store": ("Evidence", "EvidenceStore"),
    "evidence.proposals": ("Backtest", "Proposal"),
    "evidence.types": ("Cause", "Edit", "Period", "Shift", "Theme"),
    "policy.files": ("PolicySet",),
    "tables.record": ("Record", "record_from_frames"),
    "workspace": ("Run", "Workspace", "open", "open_run"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - the front door, in the order of use
    "open", "open_run", "record_from_frames", "Workspace", "Run", "Record", "PolicySet",
    "Segment", "Period", "Shift", "Cause", "Theme", "Finding", "Claim", "Evidence", "EvidenceStore",
    "Proposal", "Edit", "Backtest",
    "GneError", "DataError", "PolicyError", "ModelError", "MissingExtra",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
