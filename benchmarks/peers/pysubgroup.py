"""pysubgroup, subgroup discovery with a numeric target: its exhaustive depth-first search over bit sets.

Its beam search evaluates every candidate on the data frame and costs more, for a search that sees less.
"""

import sys
from pathlib import Path

here = str(Path(__file__).parent)
sys.path = [p for p in sys.path if p != here]  # this file has the name of the package
import pandas as pd  # noqa: E402
import pysubgroup as ps  # noqa: E402

sys.path.insert(0, here)
from runner import DEPTH, RANKED, SUPPORT, Columns, Segments, distinct, main, target_of  # noqa: E402


def _formulation(kind: str):
    def prepare(table: Columns, causes: int):
        rows, target = target_of(table, kind)
        frame = pd.DataFrame({**{d: pd.Series(v, dtype=object) for d, v in rows.items()}, "target": target})

        def run():
            task = ps.SubgroupDiscoveryTask(
                frame,
                ps.NumericTarget("target"),
                ps.create_selectors(frame, ignore=["target"]),
                result_set_size=RANKED,
                depth=DEPTH,
                qf=ps.StandardQFNumeric(0.5),
                constraints=[ps.MinSupportConstraint(int(SUPPORT * len(frame)))],
            )
            return ps.DFS(ps.BitSetRepresentation).execute(task)

        def read(result) -> Segments:
            ranked = [
                {s.attribute_name: s.attribute_value for s in description.selectors}
                for _, description, *_ in result.to_descriptions()
            ]
            return distinct([r for r in ranked if r], rows, causes)

        return run, read

    return prepare


if __name__ == "__main__":
    common = f"StandardQFNumeric(0.5), depth {DEPTH}, min. support {SUPPORT}, first distinct of {RANKED}"
    main(
        {"residual": _formulation("residual"), "difference": _formulation("difference")},
        {
            "residual": f"DFS(BitSetRepresentation) on k - p of the focus rows, {common}",
            "difference": f"DFS(BitSetRepresentation) on k - p of both windows, signed, {common}",
        },
        "pysubgroup", "pandas", "numpy",
    )  # fmt: skip
