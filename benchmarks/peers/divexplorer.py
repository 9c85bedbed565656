"""divexplorer: subgroups whose outcome diverges from the whole, by its t statistic, redundant ones pruned or not."""

import sys
import warnings
from pathlib import Path

here = str(Path(__file__).parent)
sys.path = [p for p in sys.path if p != here]  # this file has the name of the package
import pandas as pd  # noqa: E402
from divexplorer import DivergenceExplorer  # noqa: E402

sys.path.insert(0, here)
from runner import DEPTH, RANKED, SUPPORT, Columns, Segments, distinct, main, target_of  # noqa: E402


def _formulation(kind: str):
    def prepare(table: Columns, causes: int):
        rows, target = target_of(table, kind)
        frame = pd.DataFrame({**rows, "target": target})

        def run():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return DivergenceExplorer(frame).get_pattern_divergence(
                    min_support=SUPPORT, attributes=list(rows), quantitative_outcomes=["target"]
                )

        def read(result) -> Segments:
            risen = result[(result["target_div"] > 0) & (result["length"] <= DEPTH)]
            best = risen.sort_values("target_t", ascending=False).head(RANKED)
            ranked = [dict(item.split("=", 1) for item in items) for items in best["itemset"]]
            return distinct([r for r in ranked if r], rows, causes)

        return run, read

    return prepare


if __name__ == "__main__":
    common = f"min_support={SUPPORT}, ranked by t, depth {DEPTH}, first distinct of {RANKED}"
    main(
        {"residual": _formulation("residual"), "difference": _formulation("difference")},
        {
            "residual": f"get_pattern_divergence of k - p of the focus rows, {common}",
            "difference": f"get_pattern_divergence of k - p of both windows, signed, {common}",
        },
        "divexplorer", "pandas", "numpy",
    )  # fmt: skip
