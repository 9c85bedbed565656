"""Read source.yaml: variables expanded, and every fault of it in one sentence that names the key."""

import os
import re
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ValidationError

from gne_analytics.errors import DataError, did_you_mean

_UNION_TAGS = {"str", "Query"}
_WORDING = {"model_type": "must be a mapping", "dict_type": "must be a mapping", "string_type": "must be text"}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_yaml(text: str, shown: str, environment: Mapping[str, str] = os.environ) -> dict[object, object]:
    """Parse YAML 1.2 into a mapping, with ``${VAR}`` taken from the environment.

    Raises:
        DataError: the YAML is broken, is no mapping, or names a variable that is not set.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe").load(text)
    except YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        cause = str(getattr(problem, "problem", None) or problem).splitlines()[0]
        raise DataError(f"{shown}{line} is no valid YAML: {cause}.") from None
    if not isinstance(document, dict):
        raise DataError(f"{shown} must be a mapping with the key tables; see source.example.yaml.")
    expanded = _expanded(document, shown, environment)
    if not isinstance(expanded, dict):
        raise TypeError("a mapping expands to a mapping")
    return expanded


def _expanded(node: object, shown: str, environment: Mapping[str, str]) -> object:
    if isinstance(node, dict):
        return {key: _expanded(value, shown, environment) for key, value in node.items()}
    if isinstance(node, list):
        return [_expanded(value, shown, environment) for value in node]
    if not isinstance(node, str):
        return node
    for name in _VARIABLE.findall(node):
        if name not in environment:
            raise DataError(f"{shown} names the variable ${{{name}}}, which is not set; set it and try again.")
    return _VARIABLE.sub(lambda found: environment[found[1]], node)


def one_sentence(problem: ValidationError, shown: str, model_at: Callable[[list[str]], type[BaseModel]]) -> DataError:
    """The most telling fault of a document, as one sentence with the key and what would be right.

    Args:
        problem: what pydantic found.
        shown: the file's name.
        model_at: the model that holds a key, given as its path.
    """
    errors = sorted(problem.errors(), key=lambda e: (e["type"] == "string_type", e["type"] != "extra_forbidden"))
    error = errors[0]
    where = [str(part) for part in error["loc"] if str(part) not in _UNION_TAGS]
    key = ".".join(where)
    if error["type"] == "extra_forbidden":
        known = {field.alias or name for name, field in model_at(where).model_fields.items()}
        return DataError(f"{shown}, {key} is no known key{did_you_mean(where[-1], known)}.")
    if error["type"] == "missing":
        return DataError(f"{shown}, the key {key} is missing.")
    if error["type"] in _WORDING:
        return DataError(f"{shown}, {key} {_WORDING[error['type']]}.")
    message = error["msg"].removeprefix("Value error, ")
    return DataError(f"{shown}, {key}: {message[0].lower()}{message[1:].rstrip('.')}.")
