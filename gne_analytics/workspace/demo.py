"""The demo: a working copy of the demo source, and a policy owner who signs what is recommended."""

import shutil
from pathlib import Path

from gne_analytics.evidence.proposals import Recommendation
from gne_analytics.workspace.run import Run

OWNERS = ("demo-policy-owner", "demo-second-owner")
"""The two people of the demo; a protected or critical policy needs both."""
WHY = "the demo signs what the backtest recommends"


def working_copy(out: Path) -> Path:
    """Copy the demo source below ``out``, so that its ledger is a fresh one; simulated where it is not at hand."""
    target = out / "source"
    shutil.rmtree(target, ignore_errors=True)
    shutil.rmtree(out / "release", ignore_errors=True)
    shipped = Path(__file__).parents[2] / "data" / "demo"
    if (shipped / "source.yaml").exists():
        shutil.copytree(shipped, target)
        return target
    from gne_analytics.simulate import simulate, write

    write(simulate("demo", 0), target, out / "truth")
    return target


def sign_and_release(run: Run, to: Path) -> tuple[list[str], Path | None]:
    """Approve what is recommended by as many owners as it needs, and release; returns what was said, and where."""
    said: list[str] = []
    for proposal in run.proposals:
        if proposal.recommendation is Recommendation.RECOMMEND:
            owners = OWNERS[: proposal.approvals_needed]
            said += [f"- {proposal.title}: {run.approve(proposal.id, by=owner, why=WHY)}" for owner in owners]
    return said, run.release(to=to, by=OWNERS[0]) if said else None
