"""wise-pizza: explain_changes_in_average, made for this question, and explain_levels on what exceeds the expected."""

import contextlib
import io
import sys
import warnings
from pathlib import Path

here = str(Path(__file__).parent)
sys.path = [p for p in sys.path if p != here]  # this file has the name of the package
import pandas as pd  # noqa: E402
from wise_pizza import explain_changes_in_average, explain_levels  # noqa: E402

sys.path.insert(0, here)
from runner import Columns, Segments, dims_of, main, target_of  # noqa: E402

DEEPEST = 2
"""Its default: its candidate columns are dense, so that memory grows with every depth."""


def _read(result) -> Segments:
    return [{d: str(v) for d, v in s["segment"].items()} for s in result.segments if s["segment"]]


def _quiet(run):
    def quietly():
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run()

    return quietly


def _changes(table: Columns, causes: int):
    dims = dims_of(table)
    frame = pd.DataFrame({**{d: table[d] for d in dims}, "side": table["side"], "k": table["k"], "n": 1.0})
    before, after = (frame[frame["side"] == side].drop(columns="side") for side in (0, 1))

    def run():
        return explain_changes_in_average(
            before, after, dims=dims, total_name="k", size_name="n",
            max_segments=causes, max_depth=DEEPEST, solver="lasso", how="totals",
        )  # fmt: skip

    return _quiet(run), _read


def _levels(table: Columns, causes: int):
    rows, target = target_of(table, "residual")
    frame = pd.DataFrame({**rows, "total": target, "n": 1.0})

    def run():
        return explain_levels(
            frame, dims=list(rows), total_name="total", size_name="n",
            max_segments=causes, max_depth=DEEPEST, solver="lasso",
        )  # fmt: skip

    return _quiet(run), _read


if __name__ == "__main__":
    common = f"lasso, max_depth={DEEPEST}, max_segments = the true number"
    main(
        {"changes": _changes, "levels": _levels},
        {
            "changes": f"explain_changes_in_average of k per row between the windows, how=totals, {common}",
            "levels": f"explain_levels of k - p of the focus rows, {common}",
        },
        "wise-pizza", "pandas", "numpy", "scikit-learn",
    )  # fmt: skip
