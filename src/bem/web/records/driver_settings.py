"""Read the JSON schema of a driver's settings as what a form shows. Pure.

A setting that is left empty is left out, so that the driver's own default holds.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["number", "integer", "text", "choice", "switch", "json"]
Schema = Mapping[str, Any]
_DEEPEST = 6
_KINDS: dict[str, Kind] = {
    "number": "number",
    "integer": "integer",
    "string": "text",
    "boolean": "switch",
}
_SUFFIXES = {
    "_j_per_k": "J/K",
    "_k_per_w": "K/W",
    "_degc": "°C",
    "_ohm": "Ω",
    "_ah": "Ah",
    "_ms": "ms",
    "_s": "s",
}
_UNIT = re.compile(r"\s*\((V|A|W|Ah|s|ms|Hz|°C|bit/s)\)")
_ABBREVIATIONS = {"soc": "State of charge", "id": "Id"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``path`` leads to it; ``default`` is the driver's own, if it has one."""

    path: tuple[str, ...]
    kind: Kind
    label: str
    unit: str = ""
    help: str = ""
    required: bool = False
    default: object = None
    choices: tuple[object, ...] = ()

    @property
    def name(self) -> str:
        """The name of its field, and of what is wrong with it."""
        return ".".join(("settings", *self.path))

    @property
    def default_text(self) -> str:
        """The default as a person would type it; empty if there is none."""
        if self.default is None:
            return ""
        return self.default if isinstance(self.default, str) else json.dumps(self.default)


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that belong together. ``required``: stated even when nothing of it is."""

    path: tuple[str, ...]
    title: str
    help: str
    required: bool
    settings: list[Setting] = field(default_factory=list)


def read_schema(schema: Schema) -> list[Group]:
    """Take a schema apart; what it nests becomes groups of their own, what is odd plain JSON."""
    groups: list[Group] = []
    _read_object(schema, schema, (), groups, required=True, title="Device")
    return [group for group in groups if group.settings or group.required]


def nested(groups: Iterable[Group], values: Mapping[str, object]) -> dict[str, Any]:
    """Put values by field name together as the driver takes them; ``None`` is left out."""
    settings: dict[str, Any] = {}
    for group in groups:
        if group.required:
            _at(settings, group.path)
        for one in group.settings:
            value = values.get(one.name)
            if value is not None:
                _at(settings, one.path[:-1])[one.path[-1]] = value
    return settings


def flat(groups: Iterable[Group], settings: Mapping[str, Any]) -> dict[str, object]:
    """Take settings apart into what each field shows."""
    shown: dict[str, object] = {}
    for group in groups:
        for one in group.settings:
            value: Any = settings
            for part in one.path:
                value = value.get(part) if isinstance(value, Mapping) else None
            if value is not None:
                shown[one.name] = _as_typed(one, value)
    return shown


def _as_typed(setting: Setting, value: object) -> object:
    if setting.kind == "switch":
        return "true" if value else "false"
    return json.dumps(value) if setting.kind == "json" else value


def _at(settings: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for part in path:
        settings = settings.setdefault(part, {})
    return settings


def _read_object(
    root: Schema,
    schema: Schema,
    path: tuple[str, ...],
    groups: list[Group],
    *,
    required: bool,
    title: str,
) -> None:
    group = Group(path, title, _plain(schema.get("description", "")), required)
    groups.append(group)
    needed = schema.get("required", ())
    for name, raw in schema.get("properties", {}).items():
        one, nullable = _resolved(root, raw)
        here = (*path, name)
        if one.get("type") == "object" and "properties" in one and len(here) < _DEEPEST:
            _read_object(
                root,
                one,
                here,
                groups,
                required=name in needed,
                title=_label(name, raw.get("title")),
            )
        else:
            group.settings.append(_read_setting(here, raw, one, name in needed and not nullable))


def _resolved(root: Schema, raw: Schema) -> tuple[Schema, bool]:
    """Follow references within the schema, and see through "this or nothing"."""
    nullable = False
    for _ in range(_DEEPEST):
        reference = raw.get("$ref", "")
        options = [one for one in raw.get("anyOf", ()) if one.get("type") != "null"]
        if reference.startswith("#/$defs/"):
            raw = root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
        elif len(options) == 1:
            nullable = nullable or len(raw["anyOf"]) > 1
            raw = options[0]
        else:
            break
    return raw, nullable


def _read_setting(path: tuple[str, ...], raw: Schema, one: Schema, required: bool) -> Setting:
    name = path[-1]
    said = _plain(raw.get("description") or (one.get("description", "") if raw is one else ""))
    unit, said = _unit(name, said)
    default = raw.get("default")
    choices = tuple(one.get("enum", ()))
    kind: Kind = "choice" if choices else _KINDS.get(str(one.get("type")), "json")
    helps = [said, _range(one)]
    if kind == "json":
        helps.append("as JSON")
    text = "; ".join(part for part in helps if part)
    return Setting(
        path=path,
        kind=kind,
        label=_label(name, raw.get("title") or one.get("title")),
        unit=unit,
        help=text[:1].upper() + text[1:],
        required=required and default is None,
        default=default,
        choices=choices,
    )


def _range(schema: Schema) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    bounds = (
        ("at least", low),
        ("above", above),
        ("at most", high),
        ("below", below),
    )
    return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


def _unit(name: str, said: str) -> tuple[str, str]:
    """Find the unit in a setting's name or description, and take it out of the latter."""
    found = _UNIT.search(said)
    if found is not None:
        return found[1], _UNIT.sub("", said, count=1)
    if said in {"bit/s", "Hz"}:
        return said, ""
    for suffix, unit in _SUFFIXES.items():
        if name.endswith(suffix):
            return unit, said
    return "", said


def _label(name: str, title: str | None) -> str:
    """What to call a setting: its title, unless that is but its name in capitals."""
    if title and title != name.replace("_", " ").title() and " " in title:
        return title
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    if name in _ABBREVIATIONS:
        return _ABBREVIATIONS[name]
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _plain(said: str) -> str:
    """Take the marks out that only documentation tools read."""
    return " ".join(said.replace("`", "").split())
