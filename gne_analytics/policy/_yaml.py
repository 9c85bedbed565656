"""YAML as hostile input: one plain document to nodes with positions and to plain values.

Anchors, aliases, merge keys, tags, directives, duplicate keys and further documents are refused, so what a reviewer
reads in a patch is what the machine reads. Positions are kept for ``edits``, which splice text and never dump.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gne_analytics.errors import PolicyError

MAX_CHARACTERS: Final = 1_000_000
MAX_BRACKETS: Final = 64
"""Open brackets at once: beyond, the parser would take seconds to give up."""
PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
)


@dataclass(frozen=True)
class Document:
    """A parsed file: its text, the root node (None when it holds nothing) and its plain values."""

    text: str
    root: Node | None
    data: object


@lru_cache(maxsize=512)
def read(text: str, file: str) -> Document:
    """Parse one YAML 1.2 document, or raise PolicyError that names file and line."""
    if len(text) > MAX_CHARACTERS:
        raise PolicyError(f"{file} has {len(text)} characters; {MAX_CHARACTERS} is the limit.")
    if max(accumulate({"[": 1, "{": 1, "]": -1, "}": -1}.get(c, 0) for c in text), default=0) > MAX_BRACKETS:
        raise PolicyError(f"{file} is nested too deep to be a config.")
    directive = re.search(r"^%", text, re.MULTILINE)
    if directive:
        line = text.count("\n", 0, directive.start()) + 1
        raise PolicyError.at(file, f"line {line}", "begins with '%'; directives are not allowed.")
    loader = YAML(typ="safe", pure=True)
    loader.version = (1, 2)
    try:
        root = loader.compose(text)
        check(root, file)
        data = loader.constructor.construct_document(root) if root is not None else None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        problem = str(error.problem or error.context or "cannot be read").splitlines()[0]
        raise PolicyError.at(file, f"line {line}:", f"{problem}; mend the YAML.") from None
    except YAMLError as error:
        raise PolicyError(f"{file} is not YAML: {str(error).splitlines()[0]}.") from None
    except ValueError as error:  # e.g. the date 2026-02-31
        raise PolicyError(f"{file} holds a value that cannot be read: {error}.") from None
    except RecursionError:
        raise PolicyError(f"{file} is nested too deep to be a config.") from None
    return Document(text, root, data)


def check(root: Node | None, file: str) -> None:
    """Refuse anchors (and so aliases), tags, merge keys and keys that are not plain text."""
    stack = [root] if root is not None else []
    while stack:
        node = stack.pop()
        place = f"line {node.start_mark.line + 1}"
        if node.anchor is not None:
            raise PolicyError.at(
                file, place, f"has the anchor {node.anchor!r}; anchors and aliases are not allowed, write it out."
            )
        if str(node.tag) not in PLAIN_TAGS:
            raise PolicyError.at(file, place, f"has the tag {str(node.tag)[:60]!r}; tags are not allowed.")
        if isinstance(node, MappingNode):
            for key, value in node.value:
                if not isinstance(key, ScalarNode) or str(key.tag) != "tag:yaml.org,2002:str":
                    raise PolicyError.at(
                        file, f"line {key.start_mark.line + 1}", "has a key that is not a word; put it in quotes."
                    )
                stack += [key, value]
        elif isinstance(node, SequenceNode):
            stack += node.value
