"""A simulated marketplace with planted incidents, for demo, tests and benchmarks."""

from gne_analytics.simulate.incidents import Decoy, Incident, Planted, Severity
from gne_analytics.simulate.shipped import default_policies
from gne_analytics.simulate.world import Size, Truth, World
from gne_analytics.simulate.worlds import WORLDS, simulate
from gne_analytics.simulate.write import read_latent, write

__all__ = [
    "WORLDS",
    "Decoy",
    "Incident",
    "Planted",
    "Severity",
    "Size",
    "Truth",
    "World",
    "default_policies",
    "read_latent",
    "simulate",
    "write",
]
