"""Scripted language models: they answer from a list or by a function, and keep what they were asked."""

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import BaseModel

from gne_analytics.agents.model import Question, Reply

T = TypeVar("T", bound=BaseModel)
Scripted = object | Exception
"""What a script holds: a JSON-like answer, a JSON text, or an exception to raise."""


class ScriptedModel:
    """Answers from a list, one entry a question; an exception in the list is raised, an end of the list too.

    Example:
        >>> from gne_analytics.agents.model import Ready
        >>> ScriptedModel([{"word": "ready"}]).ask(Question(rules="", material=""), Ready).value.word
        'ready'
    """

    def __init__(self, answers: Iterable[Scripted], name: str = "scripted", tokens: int = 100) -> None:
        self._answers = list(answers)
        self._tokens = tokens
        self.name = name
        self.endpoint = ""
        self.asked: list[Question] = []

    def ask(self, question: Question, schema: type[T]) -> Reply[T]:
        """Give the next answer, validated by the schema as a real one would be."""
        self.asked.append(question)
        if not self._answers:
            raise AssertionError("the script has no more answers")
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        value = schema.model_validate_json(answer) if isinstance(answer, str) else schema.model_validate(answer)
        return Reply(value, self._tokens)


class FunctionModel:
    """Answers by a function of the material, read as JSON."""

    def __init__(
        self, answer: Callable[[dict[str, object]], Scripted], name: str = "function", tokens: int = 100
    ) -> None:
        self._answer = answer
        self._tokens = tokens
        self.name = name
        self.endpoint = ""
        self.asked: list[Question] = []

    def ask(self, question: Question, schema: type[T]) -> Reply[T]:
        """Give the function's answer, validated by the schema."""
        self.asked.append(question)
        answer = self._answer(json.loads(question.material))
        if isinstance(answer, Exception):
            raise answer
        return Reply(schema.model_validate(answer), self._tokens)


def rewriting_model(rewrite: Callable[[str], str], name: str = "rewriter") -> FunctionModel:
    """Return a model that rewrites each sentence it is shown by a function."""

    def answer(material: dict[str, object]) -> Scripted:
        shown = material["sentences"]
        assert isinstance(shown, list)  # noqa: S101 - the wording's own material
        return {"sentences": [{"id": s["id"], "template": rewrite(s["template"])} for s in shown]}

    return FunctionModel(answer, name)
