from collections.abc import Callable
from functools import lru_cache

import pytest

from gne_analytics.simulate import World, simulate


@lru_cache(maxsize=40)
def _world(name: str, seed: int, violations: int) -> World:
    return simulate(name, seed, violations=violations)


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    """A world by name, made once per session."""
    return lambda name, seed=1, violations=3_000: _world(name, seed, violations)
