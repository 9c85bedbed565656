"""The language model behind a thin protocol: one typed question, one typed answer, within a budget.

``openai`` carries the requests (Chat Completions, any compatible server), pydantic-ai is the agent layer. Whatever goes
wrong becomes a ModelError, so that a caller has one thing to catch before it falls back to the narrator.

GNE_MODEL names the model, GNE_MODEL_BASE_URL (or OPENAI_BASE_URL) its server, OPENAI_API_KEY the key.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from gne_analytics.errors import ModelError
from gne_analytics.evidence.segment import Frozen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from pydantic_ai.models import Model as AgentLayerModel

TIMEOUT = 60.0
"""Seconds for one request; openai's own default is 600."""
T = TypeVar("T", bound=BaseModel)


class Question(Frozen):
    """What is asked: the task's rules, and the material, kept apart."""

    rules: str
    material: str


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A typed answer and what it cost."""

    value: T
    tokens: int


class Model(Protocol):
    """Anything that answers a question in a schema; fakes live in ``gne_analytics.testing.models``."""

    @property
    def name(self) -> str:
        """The model's id, for provenance."""

    @property
    def endpoint(self) -> str:
        """The host that serves it; empty for a fake."""

    def ask(self, question: Question, schema: type[T]) -> Reply[T]:
        """Answer in the schema, or raise."""


class ModelUnreachable(ModelError):
    """The endpoint does not answer, refuses the key or does not know the model: asking again is of no use."""


class AgentModel:
    """A pydantic-ai model behind our protocol: no tools, no history, one retry when the answer misses its schema."""

    def __init__(
        self, name: str, connect: "Callable[[], AbstractAsyncContextManager[AgentLayerModel]]", endpoint: str = ""
    ) -> None:
        self._name = name
        self._connect = connect
        self.endpoint = endpoint

    @property
    def name(self) -> str:
        """The model's id, for provenance."""
        return self._name

    def ask(self, question: Question, schema: type[T]) -> Reply[T]:
        """Answer in the schema; a failure is a ModelError in one sentence, with what to do."""
        try:
            return _run(self._ask(question, schema))
        except Exception as error:  # the border: pydantic-ai, openai, httpx and the server each have their own
            raise explain_failure(error, self._name, self.endpoint) from error

    async def _ask(self, question: Question, schema: type[T]) -> Reply[T]:
        from pydantic_ai import Agent, PromptedOutput
        from pydantic_ai.usage import UsageLimits

        async with self._connect() as model:
            agent = Agent(model, output_type=PromptedOutput(schema), instructions=question.rules, retries=1)
            run = agent.run(question.material, usage_limits=UsageLimits(request_limit=2))
            result = await asyncio.wait_for(run, timeout=2 * TIMEOUT)
            return Reply(result.output, result.usage.total_tokens)


def model_from_env(env: Mapping[str, str] = os.environ) -> AgentModel | None:
    """The model that GNE_MODEL names on the configured server; None when it is not set."""
    name = env.get("GNE_MODEL", "").strip()
    if not name:
        return None
    base = env.get("GNE_MODEL_BASE_URL") or env.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    return openai_model(name, base_url=base, api_key=env.get("OPENAI_API_KEY", ""))


def openai_model(name: str, *, base_url: str, api_key: str = "", timeout: float = TIMEOUT) -> AgentModel:
    """A model on any server that speaks Chat Completions; one that needs no key gets a placeholder."""

    @asynccontextmanager
    async def connect() -> "AsyncIterator[AgentLayerModel]":
        from openai import AsyncOpenAI
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        async with AsyncOpenAI(base_url=base_url, api_key=api_key or "none", timeout=timeout, max_retries=1) as client:
            yield OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client))

    return AgentModel(name, connect, endpoint=urlsplit(base_url).netloc)


class Ready(Frozen):
    """The answer that ``llm_check`` asks for."""

    word: str


def llm_check(env: Mapping[str, str] = os.environ, model: Model | None = None) -> str:
    """Send one tiny request and say in a sentence that the model can be used; ModelError says why not."""
    asked = model or model_from_env(env)
    if asked is None:
        need = "set GNE_MODEL, and GNE_MODEL_BASE_URL and OPENAI_API_KEY as its server needs"
        raise ModelError(f"No language model is configured; {need}.")
    question = Question(rules="You answer in the schema you are given.", material="Answer with the word: ready")
    asked.ask(question, Ready)
    where = f" at {asked.endpoint}" if asked.endpoint else ""
    return f"The model {asked.name}{where} answers in its schema; it can be used."


def explain_failure(error: Exception, name: str, endpoint: str) -> ModelError:
    """Turn any failure of the agent layer, the client or the server into one sentence that says what to do."""
    from pydantic_ai import exceptions as fault

    where = endpoint or "the model's server"
    if isinstance(error, ModelError):
        return error
    if isinstance(error, fault.ModelTimeoutError | fault.ModelRequestTimeout | TimeoutError):
        return ModelUnreachable(f"{where} did not answer within {TIMEOUT:g} seconds; try a smaller model or later.")
    if isinstance(error, fault.ModelAuthenticationError):
        return ModelUnreachable(f"{where} refuses the key; set OPENAI_API_KEY.")
    if isinstance(error, fault.ModelNotFoundError):
        return ModelUnreachable(f"{where} does not know the model {name!r}; set GNE_MODEL to one that it serves.")
    if isinstance(error, fault.ModelQuotaExceededError | fault.ModelRateLimitError):
        return ModelUnreachable(f"{where} turns requests away for their number or cost; wait, or raise the quota.")
    if isinstance(error, fault.ModelConnectionError):
        return ModelUnreachable(f"{where} cannot be reached; check GNE_MODEL_BASE_URL.")
    if isinstance(error, fault.UnexpectedModelBehavior | fault.UsageLimitExceeded):
        return ModelError(f"The model {name} answered out of its schema.")
    if isinstance(error, fault.ModelAPIError):
        return ModelUnreachable(f"{where} failed: {first_line(error)}")
    return ModelError(f"The model {name} failed: {first_line(error)}")


def _run(question: "Coroutine[object, object, Reply[T]]") -> Reply[T]:
    """Run a coroutine from plain code, also below a notebook's running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(question)
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, question).result()


def first_line(error: Exception) -> str:
    """The first line of an exception's message, or its kind."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
