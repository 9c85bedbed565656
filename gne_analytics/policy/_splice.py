"""Change one place of a YAML text and leave every other byte alone.

ruamel parses and says where each node stands; the text is then cut there. Nothing is dumped, so comments, quoting,
indentation and line ends stay whatever they were. A place is a path of keys and ``Item`` ids, never a position.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gne_analytics.errors import PolicyError
from gne_analytics.policy._emit import Plain, flow, lines, scalar
from gne_analytics.policy._yaml import Document, read


@dataclass(frozen=True)
class Item:
    """The element of a list that has this id."""

    id: str


Step = str | Item
Path = tuple[Step, ...]


def set_value(text: str, file: str, path: Path, value: Plain, order: Sequence[str] = ()) -> str:
    """Set a key, adding it after those that precede it in ``order``; None removes it."""
    document = read(text, file)
    *above, key = path
    if not isinstance(key, str):
        raise TypeError("a value is set under a key")
    parent = _find(document, tuple(above))
    if parent is None:  # the mapping itself is absent: set it with this one key
        return set_value(text, file, tuple(above), {key: value}, order) if value is not None else text
    if not isinstance(parent, MappingNode):
        raise PolicyError.at(file, address(path), "cannot be set, since what holds it is not a mapping.")
    index = _index(parent, key)
    if index is None:
        return text if value is None else _insert_entry(document, parent, key, f"{flow(key)}: {flow(value)}", order)
    if value is None:
        return _remove_key(document, parent, index)
    name, node = parent.value[index]
    return _replace(document, name, node, value)


def add_item(text: str, file: str, path: Path, item: Plain, order: Sequence[str] = ()) -> str:
    """Append an item to a list, creating the list where there is none."""
    document = read(text, file)
    node = _find(document, path)
    if not isinstance(node, SequenceNode):
        return _first_item(document, path, item, order)
    if node.flow_style:
        return _add_to_flow(document, node, flow(item))
    last = node.value[-1]
    indent, eol = node.start_mark.column, _eol(text)
    written = " " * indent + "- " + flow(item)
    if isinstance(item, Mapping) and isinstance(last, MappingNode) and not last.flow_style:
        written = lines(item, indent, eol)
    return _insert_line(text, _end(document, last), written)


def remove_item(text: str, file: str, path: Path, which: Step) -> str:
    """Remove the item with an id (or, of a list of texts, the text) and its lines; an emptied block list goes too."""
    document = read(text, file)
    node = _find(document, path)
    if not isinstance(node, SequenceNode):
        raise PolicyError.at(file, address(path), "is not a list.")
    position = next(i for i, item in enumerate(node.value) if _is(item, which))
    if node.flow_style:
        spans = [(item.start_mark.index, _end(document, item)) for item in node.value]
        return _remove_span(text, spans, position, node.start_mark.index + 1, node.end_mark.index - 1)
    if len(node.value) == 1:
        return set_value(text, file, path, None)
    start = _dash(text, node, node.value[position])
    return _cut(text, start, _line_end(text, _end(document, node.value[position])), "")


def address(path: Path) -> str:
    """Write a path as errors do: ``rules[logo-match].threshold.default``."""
    written = ""
    for step in path:
        written += f"[{step.id}]" if isinstance(step, Item) else f".{step}" if written else step
    return written


def _find(document: Document, path: Path) -> Node | None:
    node = document.root
    for step in path:
        if isinstance(step, Item):
            items = node.value if isinstance(node, SequenceNode) else []
            node = next((item for item in items if _is(item, step)), None)
        else:
            index = _index(node, step) if isinstance(node, MappingNode) else None
            node = node.value[index][1] if node is not None and index is not None else None
    return node


def _index(mapping: MappingNode, key: str) -> int | None:
    return next((i for i, (name, _) in enumerate(mapping.value) if name.value == key), None)


def _is(item: Node, which: Step) -> bool:
    if isinstance(which, str):
        return isinstance(item, ScalarNode) and item.value == which
    return isinstance(item, MappingNode) and any(k.value == "id" and v.value == which.id for k, v in item.value)


def _replace(document: Document, key: Node, node: Node, value: Plain) -> str:
    text = document.text
    if isinstance(node, SequenceNode) and isinstance(value, list) and node.value and value:
        if not node.flow_style:
            dash = " " * node.start_mark.column + "- "
            rows = _eol(text).join(dash + flow(item) for item in value)
            return _cut(text, _dash(text, node, node.value[0]), _end(document, node), rows)
        return _cut(text, node.start_mark.index, node.end_mark.index, flow(value))
    if _is_empty(node):
        colon = _colon(text, key)
        return _cut(text, colon, colon, " " + flow(value))
    written = scalar(value, node, key.start_mark.column, _eol(text)) if isinstance(node, ScalarNode) else flow(value)
    start = node.start_mark.index
    if isinstance(node, SequenceNode | MappingNode) and not node.flow_style:
        colon = _colon(text, key)
        return _cut(text, colon, _end(document, node), " " + written)
    return _cut(text, start, _end(document, node), written)


def _insert_entry(document: Document, parent: MappingNode, key: str, entry: str, order: Sequence[str]) -> str:
    """Insert a written entry behind those that precede its key in ``order``."""
    text = document.text
    names = [name.value for name, _ in parent.value]
    before = [names.index(name) for name in order[: order.index(key)] if name in names] if key in order else []
    if not parent.value:
        inside = parent.start_mark.index + 1
        return _cut(text, inside, inside, entry)
    name, value = parent.value[max(before) if before else -1]
    end = max(_end(document, value), _colon(text, name))
    if parent.flow_style:
        return _cut(text, end, end, f", {entry}")
    return _insert_line(text, end, " " * parent.value[0][0].start_mark.column + entry)


def _first_item(document: Document, path: Path, item: Plain, order: Sequence[str]) -> str:
    """Write the first item of a list that is absent or has no value."""
    *above, key = path
    parent = _find(document, tuple(above))
    if not isinstance(key, str) or not isinstance(parent, MappingNode):
        raise PolicyError(f"{address(path)} has no mapping to stand in.")
    if parent.flow_style or _index(parent, key) is not None:
        return set_value(document.text, "", path, [item], order)
    indent, eol = parent.value[0][0].start_mark.column + 2, _eol(document.text)
    row = lines(item, indent, eol) if key == "rules" and isinstance(item, Mapping) else " " * indent + "- " + flow(item)
    return _insert_entry(document, parent, key, f"{flow(key)}:{eol}{row}", order)


def _remove_key(document: Document, parent: MappingNode, index: int) -> str:
    text = document.text
    key, value = parent.value[index]
    if parent.flow_style:
        spans = [(k.start_mark.index, max(_end(document, v), _colon(text, k))) for k, v in parent.value]
        return _remove_span(text, spans, index, parent.start_mark.index + 1, parent.end_mark.index - 1)
    start = key.start_mark.index
    line = text.rfind("\n", 0, start) + 1
    if text[line:start].strip() and index + 1 < len(parent.value):  # the key stands beside a dash
        return _cut(text, start, parent.value[index + 1][0].start_mark.index, "")
    return _cut(text, line, _line_end(text, max(_end(document, value), _colon(text, key))), "")


def _add_to_flow(document: Document, node: SequenceNode, written: str) -> str:
    """Add to ``[...]``: on a line of its own where the last item has one."""
    text = document.text
    if not node.value:
        return _cut(text, node.start_mark.index + 1, node.start_mark.index + 1, written)
    last, end = node.value[-1], _end(document, node.value[-1])
    if not _alone(text, last.start_mark.index, end):
        return _cut(text, end, end, f", {written}")
    if not text[end:].lstrip(" \t").startswith(","):
        return _cut(_insert_line(text, end, " " * last.start_mark.column + written), end, end, ",")
    return _insert_line(text, end, " " * last.start_mark.column + written + ",")


def _alone(text: str, start: int, end: int) -> bool:
    """Return whether a span has its lines for itself, a comma and a comment aside."""
    before, after = text[text.rfind("\n", 0, start) + 1 : start], text[end : _line_end(text, end)]
    return not before.strip() and re.fullmatch(r"[ \t]*,?[ \t]*(#.*)?\r?\n", after) is not None


def _remove_span(text: str, spans: list[tuple[int, int]], index: int, inside: int, close: int) -> str:
    """Cut one of the comma-separated spans, with one comma."""
    if len(spans) == 1:
        return _cut(text, inside, close, "")
    start, end = spans[index]
    if _alone(text, start, end):
        return _cut(text, text.rfind("\n", 0, start) + 1, _line_end(text, end), "")
    if index:
        return _cut(text, spans[index - 1][1], spans[index][1], "")
    return _cut(text, spans[0][0], spans[1][0], "")


def _end(document: Document, node: Node) -> int:
    """Return the index behind the last character of a node's content; ruamel's mark may lie behind later comments."""
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        return _block_end(document.text, node)
    if isinstance(node, MappingNode) and not node.flow_style:
        key, value = node.value[-1]
        return _colon(document.text, key) if _is_empty(value) else _end(document, value)
    if isinstance(node, SequenceNode) and not node.flow_style:
        return _end(document, node.value[-1])
    return int(node.end_mark.index)


def _block_end(text: str, node: ScalarNode) -> int:
    """Return the end of a block scalar without the blank lines behind it, unless ``+`` keeps them."""
    start = int(node.start_mark.index)
    body = text[start : node.end_mark.index]
    if "+" in body.split("\n", 1)[0]:
        return start + len(body.removesuffix("\n").removesuffix("\r"))
    return start + len(body.rstrip())


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index


def _colon(text: str, key: Node) -> int:
    """Return the index behind the colon of a key."""
    return text.index(":", key.end_mark.index) + 1


def _dash(text: str, sequence: SequenceNode, item: Node) -> int:
    """Return the start of the line on which an item's dash stands."""
    column, line = sequence.start_mark.column, text.rfind("\n", 0, item.start_mark.index) + 1
    while text[line + column : line + column + 1] != "-" or text[line : line + column].strip():
        line = text.rfind("\n", 0, line - 1) + 1
    return line


def _line_end(text: str, index: int) -> int:
    """Return the index behind the newline of the line on which an index lies."""
    newline = text.find("\n", index)
    return len(text) if newline < 0 else newline + 1


def _insert_line(text: str, after: int, line: str) -> str:
    """Insert a line below the line on which an index lies."""
    where, eol = _line_end(text, after), _eol(text)
    written = line + eol if text[:where].endswith("\n") else eol + line
    return _cut(text, where, where, written)


def _eol(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _cut(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]
