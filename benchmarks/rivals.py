"""The peers: what each is asked, the environment each has to itself, and the table that it reads."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from gne_analytics.causes.cells import LEAST_SHARE
from gne_analytics.evidence.segment import Segment

HERE = Path(__file__).parent / "peers"
CACHE = Path.home() / ".cache" / "gne_analytics" / "peers"
SAME_SUPPORT = LEAST_SHARE
"""The least share of the focus that our own search looks at."""
COARSE = 0.005
"""The least share that a planted cause has, which only who made the table knows."""


@dataclass(frozen=True)
class Peer:
    """A peer's name, its runner, and two formulations of the question, of which the better by F1 is kept."""

    name: str
    formulations: tuple[str, str]
    support: float | None = SAME_SUPPORT
    """The least share of the rows that it is asked to look at; None for one that knows no such thing."""
    by_pip: bool = False
    """Installed by pip though uv is at hand: it alone finds a build of torch without CUDA where one lies about."""

    @property
    def key(self) -> str:
        """The name as in the keys of the JSON object."""
        return self.name.replace("-", "_")

    @property
    def runner(self) -> Path:
        """The script that its environment runs."""
        return HERE / f"{self.key}.py"


PEERS = (
    Peer("pysubgroup", ("residual", "difference")),
    Peer("sliceline", ("true_number", "distinct"), COARSE),  # with ours it does not end within ten minutes
    Peer("wise-pizza", ("changes", "levels"), None),
    Peer("divexplorer", ("residual", "difference")),
)

CLUSTERERS = Peer("clusterers", ("umap_hdbscan", "evoc"), None)
"""Those of themes."""


def install(peer: Peer, folder: Path) -> tuple[Path | None, str]:
    """Make a peer's environment, unless it is there, and return its Python; or None and why it could not be made."""
    wanted = (HERE / f"{peer.name}.txt").read_text(encoding="utf-8")
    home, stamp = folder / peer.name, folder / peer.name / "requirements.txt"
    python = home / "bin" / "python"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python, ""
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    requirements = str(HERE / f"{peer.name}.txt")
    uv = None if peer.by_pip else shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    # --no-config: the overrides of our own pyproject.toml would leave numba without its compiler
    make = [sys.executable, "-m", "venv", *(["--without-pip"] if uv else []), str(home)]
    fill = [uv, "pip", "install", "--no-config", "--quiet", "--python"] if uv else []
    fill = [*fill, str(python)] if uv else [str(python), "-m", "pip", "install", "--quiet"]
    for command in (make, [*fill, "-r", requirements]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            return None, f"could not be installed: {last[0][:160]}"
    stamp.write_text(wanted, encoding="utf-8")
    return python, ""


def write_rows(frame: pl.DataFrame, dims: tuple[str, ...], paths: frozenset[str], split: object, to: Path) -> None:
    """Write what a peer reads: dimensions (a path also by its top), side, k, and p, the rate the baseline expects.

    p comes from scikit-learn's additive logistic regression on the baseline rows, and costs the peer nothing.
    """
    tops = [pl.col(d).str.split("/").list.first().alias(f"{d}_top") for d in dims if d in paths]
    rows = frame.select(
        *dims, *tops, side=(pl.col("event_date") >= split).cast(pl.Int8), k=pl.col("k").cast(pl.Float64)
    )
    names = [c for c in rows.columns if c not in ("side", "k")]
    encoder = OneHotEncoder(handle_unknown="ignore").fit(rows.select(names).to_numpy())
    early = rows.filter(pl.col("side") == 0)
    model = LogisticRegression(max_iter=300).fit(encoder.transform(early.select(names).to_numpy()), early["k"])
    p = model.predict_proba(encoder.transform(rows.select(names).to_numpy()))[:, 1]
    rows.with_columns(p=pl.Series(p)).write_parquet(to)


def segment_of(found: dict[str, str], paths: frozenset[str]) -> Segment:
    """A peer's segment in our words: the top of a path is a value of the path, unless a leaf is named besides."""
    plain = {d: v for d, v in found.items() if not (d.endswith("_top") and d.removesuffix("_top") in paths)}
    tops = {d.removesuffix("_top"): v for d, v in found.items() if d not in plain}
    return Segment.of({**tops, **plain})
