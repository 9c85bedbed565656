"""The policy set that ships with the package: what every world starts from, before any incident touched it."""

from functools import lru_cache
from importlib.resources import as_file, files

from gne_analytics.policy.files import PolicySet, load


@lru_cache(maxsize=1)
def default_policies() -> PolicySet:
    """Load the shipped policy set."""
    with as_file(files("gne_analytics.simulate") / "policy") as folder:
        return load(folder)
