"""A model within one run: its budget, its cache, its provenance; every failure is a ModelError."""

import json
import os
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gne_analytics.agents.model import Model, ModelUnreachable, Question, first_line, model_from_env
from gne_analytics.errors import ModelError
from gne_analytics.evidence.segment import Frozen

CHARACTERS_PER_TOKEN = 3
"""A cautious guess before a request; afterwards the server's own count is used."""

T = TypeVar("T", bound=BaseModel)


class BudgetSpent(ModelError):
    """The run's requests, tokens or seconds for the model are used up."""


class Budget(Frozen):
    """What a run may spend on a model."""

    requests: int = 60
    tokens: int = 200_000
    seconds: float = 300.0


DEFAULT_BUDGET = Budget()


class Provenance(Frozen):
    """Which model had a part in a narrative, and how much of it."""

    model: str
    endpoint: str = ""
    requests: int = 0
    cached: int = 0
    tokens: int = 0
    failures: tuple[str, ...] = ()


class ModelSession:
    """A model within one run: its budget, its cache and what became of each request.

    After the endpoint failed once it is not asked again. Answers are kept by a hash of model, question and schema; with
    ``cache_dir`` they outlive the process, so that the same run asks nothing twice.
    """

    def __init__(
        self,
        model: Model,
        budget: Budget = DEFAULT_BUDGET,
        cache_dir: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self._budget = budget
        self._cache_dir = cache_dir
        self._cache: dict[str, str] = {}
        self._clock = clock
        self._began = clock()
        self._requests = self._cached = self._tokens = 0
        self._failures: list[str] = []
        self._closed = ""

    @classmethod
    def from_env(
        cls,
        env: Mapping[str, str] = os.environ,
        budget: Budget = DEFAULT_BUDGET,
        cache_dir: Path | None = None,
    ) -> "ModelSession | None":
        """The session that the environment configures, or None when GNE_MODEL is not set."""
        model = model_from_env(env)
        return cls(model, budget, cache_dir) if model else None

    def ask(self, question: Question, schema: type[T]) -> T:
        """Answer in the schema, from the cache or the model; every failure is a ModelError."""
        key = _key(self.model.name, question, schema)
        known = self._recall(key, schema)
        if known is not None:
            self._cached += 1
            return known
        try:
            self._afford(question)
            self._requests += 1
            reply = self.model.ask(question, schema)
        except Exception as error:  # the border: a fake, a client or a server may fail in any way
            raise self._failed(error) from error
        self._tokens += reply.tokens
        self._remember(key, reply.value)
        return reply.value

    @property
    def provenance(self) -> Provenance:
        """What was asked so far, and what failed."""
        return Provenance(
            model=self.model.name,
            endpoint=self.model.endpoint,
            requests=self._requests,
            cached=self._cached,
            tokens=self._tokens,
            failures=tuple(self._failures),
        )

    def _afford(self, question: Question) -> None:
        if self._closed:
            raise ModelUnreachable(self._closed)
        guess = (len(question.rules) + len(question.material)) // CHARACTERS_PER_TOKEN
        if self._requests >= self._budget.requests:
            raise BudgetSpent(f"The run's {self._budget.requests} model requests are used up.")
        if self._tokens + guess > self._budget.tokens:
            raise BudgetSpent(f"The run's {self._budget.tokens:,} model tokens are used up.")
        if self._clock() - self._began > self._budget.seconds:
            raise BudgetSpent(f"The run's {self._budget.seconds:g} seconds for the model are used up.")

    def _failed(self, error: Exception) -> ModelError:
        told = error if isinstance(error, ModelError) else ModelError(first_line(error))
        if isinstance(told, ModelUnreachable):
            self._closed = str(told)
        if str(told) not in self._failures:
            self._failures.append(str(told))
        return told

    def _recall(self, key: str, schema: type[T]) -> T | None:
        path = self._cache_dir / f"{key}.json" if self._cache_dir else None
        text = self._cache.get(key) or (path.read_text(encoding="utf-8") if path and path.exists() else None)
        if text is None:
            return None
        try:
            return schema.model_validate_json(text)
        except ValidationError:  # a broken file in the cache is asked again
            return None

    def _remember(self, key: str, value: BaseModel) -> None:
        self._cache[key] = value.model_dump_json()
        if self._cache_dir:
            self._cache_dir.mkdir(parents=True, exist_ok=True)
            part = self._cache_dir / f"{key}.{os.getpid()}.part"
            part.write_text(self._cache[key], encoding="utf-8")
            part.replace(self._cache_dir / f"{key}.json")


def _key(name: str, question: Question, schema: type[BaseModel]) -> str:
    content = [name, question.rules, question.material, schema.model_json_schema()]
    return blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()
