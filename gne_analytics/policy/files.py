"""A policy set on disk: load, check, hash, save; every error names file and key.

<set>/policies/*.yaml   notices/<template>.<language>.md   ladder.yaml   objectives.yaml
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Annotated, Final, NoReturn, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gne_analytics.errors import PolicyError, did_you_mean
from gne_analytics.policy._yaml import read
from gne_analytics.policy.model import Ladder, Notice, Objectives, Policy, Rule

POLICIES, NOTICES, LADDER, OBJECTIVES = "policies", "notices", "ladder.yaml", "objectives.yaml"
PLACEHOLDER: Final = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")
NOTICE_NAME: Final = re.compile(r"(?P<template>[A-Za-z0-9_\-.]+)\.(?P<language>[a-z]{2,3}(?:-[A-Za-z0-9]+)*)\.md")

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Expired:
    """An exemption that no longer holds on the day it was asked for."""

    policy: str
    rule: str
    exemption: str
    expires: date


@dataclass(frozen=True)
class PolicySet:
    """A policy set, read and cross-checked; ``files`` keeps the exact text by which edits splice."""

    path: Path | None
    policies: Mapping[str, Policy]
    ladder: Ladder | None
    objectives: Objectives
    notices: Mapping[str, Notice]
    files: Mapping[str, str] = field(repr=False)
    """Relative path -> text, bytes decoded as UTF-8 and nothing else."""
    sources: Mapping[str, str] = field(repr=False)
    """Policy id -> the relative path that holds it."""
    hash: str
    """SHA-256 over names and bytes of all files."""

    def rules(self) -> Iterator[tuple[Policy, Rule]]:
        """All rules with their policies, in the files' order."""
        for policy in self.policies.values():
            for rule in policy.rules:
                yield policy, rule

    def policy(self, policy_id: str) -> Policy:
        """Return a policy by its id, or raise PolicyError with the nearest one."""
        if policy_id not in self.policies:
            raise PolicyError(f"there is no policy {policy_id!r}{did_you_mean(policy_id, self.policies)}.")
        return self.policies[policy_id]

    def expired(self, at: date) -> tuple[Expired, ...]:
        """Return the exemptions whose last day is before ``at``; they are reported, not an error."""
        return tuple(
            Expired(policy.id, rule.id, item.id, item.expires)
            for policy, rule in self.rules()
            for item in rule.exemptions
            if item.expires is not None and item.expires < at
        )

    def save(self, path: str | Path) -> None:
        """Write every file byte for byte into a folder."""
        for name, text in self.files.items():
            target = Path(path) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode())


def load(path: str | Path) -> PolicySet:
    """Read a policy set from its folder, or raise PolicyError that names file and key.

    Example:
        >>> load("data/demo/policies").policy("counterfeit").rule("logo-match").threshold.default  # doctest: +SKIP
        0.7
    """
    folder = Path(path)
    if not folder.is_dir():
        raise PolicyError(f"{folder} is not a folder; a policy set is a folder with {POLICIES}/*.yaml in it.")
    misnamed = sorted(folder.glob(f"{POLICIES}/*.yml"))
    if misnamed:
        raise PolicyError(f"{POLICIES}/{misnamed[0].name} ends in .yml; rename it to {misnamed[0].stem}.yaml.")
    wanted = [*folder.glob(f"{POLICIES}/*.yaml"), *folder.glob(f"{NOTICES}/*.md"), folder / LADDER, folder / OBJECTIVES]
    files = {p.relative_to(folder).as_posix(): _text(p, folder) for p in sorted(wanted) if p.is_file()}
    return from_files(files, folder)


def from_files(files: Mapping[str, str], path: Path | None = None) -> PolicySet:
    """Build a policy set from texts by relative path: the same checks as ``load``, for edited sets in memory."""
    ordered = {name: files[name] for name in sorted(files)}
    policies: dict[str, Policy] = {}
    sources: dict[str, str] = {}
    for name, text in ordered.items():
        if not name.startswith(f"{POLICIES}/"):
            continue
        policy = parse(Policy, text, name)
        if policy.id in sources:
            raise PolicyError.at(name, "id", f"is {policy.id!r}, which {sources[policy.id]} has already.")
        policies[policy.id], sources[policy.id] = policy, name
    if not policies:
        raise PolicyError(
            f"{path or 'the policy set'} holds no {POLICIES}/*.yaml; a policy set needs at least one policy."
        )
    notices = dict(_notice(name, text) for name, text in ordered.items() if name.startswith(f"{NOTICES}/"))
    found = PolicySet(
        path=path,
        policies=policies,
        ladder=parse(Ladder, ordered[LADDER], LADDER) if LADDER in ordered else None,
        objectives=parse(Objectives, ordered[OBJECTIVES], OBJECTIVES) if OBJECTIVES in ordered else Objectives(),
        notices=notices,
        files=ordered,
        sources=sources,
        hash=_hash(ordered),
    )
    _cross_check(found)
    return found


def parse(model: type[Model], text: str, file: str) -> Model:
    """Read one YAML file into its model."""
    data = read(text, file).data
    if not isinstance(data, dict):
        raise PolicyError(f"{file} must hold keys and values, like 'id: counterfeit'.")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        _explain(error.errors(), data, model, file)


def _cross_check(found: PolicySet) -> None:
    owners: dict[str, str] = {}
    templates = {notice.template for notice in found.notices.values()}
    for policy, rule in found.rules():
        if rule.id in owners:
            file = found.sources[policy.id]
            raise PolicyError.at(
                file,
                f"rules[{rule.id}].id",
                f"is also a rule of policy {owners[rule.id]!r}; ids are unique in the set.",
            )
        owners[rule.id] = policy.id
    for policy in found.policies.values():
        if policy.notice and policy.notice.template not in templates:
            problem = (
                f"is {policy.notice.template!r}, but notices/{policy.notice.template}.<language>.md does not exist"
            )
            raise PolicyError.at(
                found.sources[policy.id],
                "notice.template",
                f"{problem}{did_you_mean(policy.notice.template, templates)}.",
            )
    for policy_id in found.objectives.policies:
        if policy_id not in found.policies:
            raise PolicyError.at(
                OBJECTIVES, f"policies.{policy_id}", f"names no policy{did_you_mean(policy_id, found.policies)}."
            )


def _notice(name: str, text: str) -> tuple[str, Notice]:
    match = NOTICE_NAME.fullmatch(name.removeprefix(f"{NOTICES}/"))
    if match is None:
        raise PolicyError(f"{name} is not named <template>.<language>.md, e.g. counterfeit.en.md.")
    stray = re.search(r"\{\{|\}\}", PLACEHOLDER.sub("", text))
    if stray:
        raise PolicyError(
            f"{name} has a stray {stray.group()!r}; a placeholder is written {{{{name}}}}, in lower case."
        )
    notice = Notice(**match.groupdict(), text=text, placeholders=tuple(dict.fromkeys(PLACEHOLDER.findall(text))))
    return notice.id, notice


def _text(path: Path, folder: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        name = path.relative_to(folder).as_posix()
        raise PolicyError(f"{name} is not UTF-8 (byte {error.start}); save it as UTF-8.") from None


def _hash(files: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name, text in files.items():
        body = text.encode()
        digest.update(f"{name}\0{len(body)}\0".encode() + body)
    return digest.hexdigest()


def _explain(errors: Sequence[ErrorDetails], data: object, model: type[BaseModel], file: str) -> NoReturn:
    """Say the first fault in the words of the file; ids stand for positions."""
    error = min(
        errors, key=lambda e: e["type"] != "extra_forbidden"
    )  # a misspelt key also looks missing: say the spelling
    place, value = _place(error["loc"], data)
    kind, rest = error["type"], f" (Faults after this one: {len(errors) - 1}.)" if len(errors) > 1 else ""
    message = str(error["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        raise PolicyError.at(file, place, f"is missing; add it.{rest}")
    if kind == "extra_forbidden":
        known = _fields(model, error["loc"][:-1])
        raise PolicyError.at(file, place, f"is not a known key{did_you_mean(str(error['loc'][-1]), known)}.{rest}")
    if kind == "value_error" and isinstance(value, dict):  # a fault between keys names its own place
        below = f"{place}." if place and not message.startswith(("rules[", "tests[", "clauses ", "appeal.")) else ""
        raise PolicyError(f"{file}, {below}{message}.{rest}")
    if kind == "string_type" and not isinstance(value, dict | list):
        raise PolicyError.at(file, place, f"is {value!r}, not a text; put it in quotes.{rest}")
    raise PolicyError.at(file, place, f"is {_shown(value)}; {message[:1].lower()}{message[1:].rstrip('.')}.{rest}")


def _place(loc: Sequence[int | str], data: object) -> tuple[str, object]:
    """Return a readable address, e.g. ``rules[logo-match].threshold.default``, and the value there."""
    place, here = "", data
    for step in loc:
        if isinstance(step, int):
            here = here[step] if isinstance(here, list) and step < len(here) else None
            label = (here.get("id") or here.get("name")) if isinstance(here, dict) else None
            place += f"[{label if isinstance(label, str) else step}]"
        elif isinstance(here, dict) or here is None:
            here = here.get(step) if isinstance(here, dict) else None
            place += f".{step}" if place else str(step)
    return place, here


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _fields(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Return the keys that the model at an address knows."""
    here: type[BaseModel] | None = model
    for step in loc:
        if here is None:
            return []
        if isinstance(step, str) and step in here.model_fields:
            here = _inner(here.model_fields[step].annotation)
    return list(here.model_fields) if here is not None else []


def _inner(annotation: object) -> type[BaseModel] | None:
    """Find the model inside a container, union or Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple) or get_args(annotation):
        return next((m for m in map(_inner, get_args(annotation)) if m is not None), None)
    return None
