"""Profiles as YAML, for machines: the model as it is, key by key.

JSON is the model's own ``model_dump_json`` and ``model_validate_json``.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

import yaml
from pydantic import ValidationError

from bem.domain.profile.model import MAX_DEPTH, EndNode, Profile, Then
from bem.domain.profile.parameters import Path, inconsistencies, nodes_of
from bem.domain.profile.problems import Problem, ProfileErrors, Span

_MOST_LEVELS = 2 * MAX_DEPTH + 10
"""Mappings and lists inside each other: two for each loop, and some for what a step holds."""

_START = Span(line=1, column=1, end_column=2)


def to_yaml(profile: Profile) -> str:
    """The YAML document of a profile; ``from_yaml`` gives the same profile again."""
    content = _without_empty(profile.model_dump(mode="json", exclude_none=True))
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def from_yaml(text: str) -> Profile:
    """Read a YAML document.

    Raises:
        ProfileErrors: with every key or value that is wrong, at its place in the document.
    """
    try:
        _refuse_traps(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProfileErrors([_syntax_problem(error)]) from error
    except ProfileErrors:
        raise
    except ValueError as error:  # a date that is none, a number with too many digits
        raise ProfileErrors(
            [Problem.at(_START, f"the document cannot be read: {error}")]
        ) from error
    try:
        profile = Profile.model_validate(content)
    except ValidationError as error:
        raise ProfileErrors(_problems(error, root)) from error
    troubles = [*inconsistencies(profile), *_lost_labels(profile)]
    if troubles:
        raise ProfileErrors(
            Problem.at(_place(root, path), f"{_shown(path)}: {message}")
            for path, message in troubles
        )
    return profile


_ALWAYS = ("body",)
"""Keys that stand there also with nothing in them."""


def _without_empty(content: object) -> object:
    """Leave out empty lists and that the next step follows, which go without saying."""
    if isinstance(content, dict):
        return {
            key: _without_empty(value)
            for key, value in content.items()
            if key in _ALWAYS or (value != [] and (key, value) != ("then", Then.NEXT.value))
        }
    if isinstance(content, list):
        return [_without_empty(one) for one in content]
    return content


def _lost_labels(profile: Profile) -> Iterator[tuple[Path, str]]:
    """Labels that stand there twice, and ends that go to one that is not there."""
    labels: set[str] = set()
    targets: list[tuple[Path, str]] = []
    for path, node in nodes_of(profile):
        label = getattr(node, "label", None)
        if label is None:
            continue
        if isinstance(node, EndNode):
            targets.append(((*path, "label"), label))
        elif label in labels:
            yield (*path, "label"), f"there is already a step or loop with the label '{label}'"
        else:
            labels.add(label)
    for path, label in targets:
        if label not in labels:
            yield path, f"no step or loop has the label '{label}'"


class _Mark(Protocol):
    """A place in a document, counted from 0."""

    line: int
    column: int


def _refuse_traps(text: str) -> None:
    """Refuse what a profile never needs and what grows or recurses without bound on loading."""
    level = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            message = "aliases (*) are not used in profiles: write it out"
            raise ProfileErrors([Problem.at(_point(event.start_mark), message)])
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
        if level > _MOST_LEVELS:
            message = f"loops nest at most {MAX_DEPTH} deep"
            raise ProfileErrors([Problem.at(_point(event.start_mark), message)])


def _point(mark: _Mark | None) -> Span:
    if mark is None:
        return _START
    return Span(line=mark.line + 1, column=mark.column + 1, end_column=mark.column + 2)


def _syntax_problem(error: yaml.YAMLError) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        return Problem.at(_point(error.problem_mark), error.problem or str(error))
    return Problem.at(_START, str(error))


def _problems(error: ValidationError, root: yaml.Node | None) -> Iterable[Problem]:
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        path = _shown(one["loc"])
        message = one["msg"].removeprefix("Value error, ")
        yield Problem.at(_place(root, one["loc"]), f"{path}: {message}" if path else message)


def _shown(path: Path) -> str:
    return ".".join(str(key) for key in path)


def _place(root: yaml.Node | None, path: tuple[str | int, ...]) -> Span:
    """Where a value stands, or the innermost thing around it that is there.

    The path also names the kinds of the union members it went through; those are no keys.
    """
    node = root
    for key in path:
        found = _child(node, key)
        node = found if found is not None else node
    if node is None:
        return _START
    start, end = node.start_mark, node.end_mark
    column = start.column + 1
    same_line = end.line == start.line and end.column > start.column
    return Span(
        line=start.line + 1,
        column=column,
        end_column=end.column + 1 if same_line else column + 1,
    )


def _child(node: yaml.Node | None, key: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        return node.value[key] if key < len(node.value) else None
    return None
