"""sliceline, slice finding for model errors: the error is what a focus row exceeds its expected rate by."""

import sys
from pathlib import Path

here = str(Path(__file__).parent)
sys.path = [p for p in sys.path if p != here]  # this file has the name of the package
import numpy as np  # noqa: E402
from sliceline.slicefinder import Slicefinder  # noqa: E402

sys.path.insert(0, here)
from runner import DEPTH, RANKED, SUPPORT, Columns, Segments, dims_of, distinct, main, target_of  # noqa: E402

ALPHA = 0.95


def _formulation(*, ranked: bool):
    def prepare(table: Columns, causes: int):
        rows, target = target_of(table, "residual")
        names = dims_of(table)
        values = np.column_stack([rows[d].astype(object) for d in names])
        errors = np.maximum(target, 0)
        wanted = RANKED if ranked else causes

        def run():
            return Slicefinder(alpha=ALPHA, k=wanted, max_l=DEPTH, min_sup=SUPPORT, verbose=False).fit(values, errors)

        def read(result) -> Segments:
            told = [{d: str(v) for d, v in zip(names, one, strict=True) if v is not None} for one in result.top_slices_]
            return distinct([t for t in told if t], rows, causes) if ranked else told[:causes]

        return run, read

    return prepare


if __name__ == "__main__":
    common = f"Slicefinder(alpha={ALPHA}, max_l={DEPTH}, min_sup={SUPPORT}) on max(k - p, 0) of the focus rows"
    main(
        {"true_number": _formulation(ranked=False), "distinct": _formulation(ranked=True)},
        {
            "true_number": f"{common}, k = the true number; numba on",
            "distinct": f"{common}, first distinct of k={RANKED}; numba on",
        },
        "sliceline", "numpy", "scikit-learn", "numba",
    )  # fmt: skip
