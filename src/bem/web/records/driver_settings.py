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
SETTINGS = "settings"
"""What the names of the fields of a device begin with."""
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
_ABBREVIATIONS = {"soc": "State of charge", "id": "Id", "tcp": "TCP", "can": "CAN"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``path`` leads to it; ``default`` is the driver's own, if it has one.

    ``name`` is that of its field. It is the path, with what was chosen in between where settings
    depend on a choice: two kinds of address may both have a ``port``.
    """

    name: str
    path: tuple[str, ...]
    kind: Kind
    label: str
    unit: str = ""
    help: str = ""
    required: bool = False
    default: object = None
    choices: tuple[object, ...] = ()
    decides: bool = False

    @property
    def default_text(self) -> str:
        """The default as a person would type it; empty if there is none."""
        if self.default is None:
            return ""
        return self.default if isinstance(self.default, str) else json.dumps(self.default)


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that belong together. ``required``: stated even when nothing of it is.

    ``when``: what must be chosen, field by field, for the group to count. Such a group comes after
    the one with the choice.
    """

    path: tuple[str, ...]
    title: str
    help: str
    required: bool
    when: tuple[tuple[str, str], ...] = ()
    settings: list[Setting] = field(default_factory=list)

    def counts(self, values: Mapping[str, object]) -> bool:
        """Whether what was chosen is what this group is for."""
        return all(values.get(name) == chosen for name, chosen in self.when)


def read_schema(schema: Schema, prefix: str = SETTINGS) -> list[Group]:
    """Take a schema apart; what it nests becomes groups of their own, what is odd plain JSON.

    An object of one of several kinds becomes a choice, and a group for each kind.

    Args:
        schema: JSON schema of a driver's settings.
        prefix: What the names of all fields begin with.
    """
    reader = _Reader(schema)
    reader.read_object(schema, _Place((prefix,)), required=True, title="Device")
    return [group for group in reader.groups if group.settings or group.required]


def nested(groups: Iterable[Group], values: Mapping[str, object]) -> dict[str, Any]:
    """Put values by field name together as the driver takes them; ``None`` is left out."""
    settings: dict[str, Any] = {}
    for group in groups:
        if not group.counts(values):
            continue
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
        if not group.counts(shown):
            continue
        for one in group.settings:
            value: Any = settings
            for part in one.path:
                value = value.get(part) if isinstance(value, Mapping) else None
            if value is not None:
                shown[one.name] = _as_typed(one, value)
    return shown


def field_of(
    groups: Iterable[Group], values: Mapping[str, object], path: tuple[str, ...]
) -> tuple[str, tuple[str, ...]] | None:
    """Find the field that shows a setting, and the rest of the path inside of what it holds."""
    found: tuple[str, tuple[str, ...]] | None = None
    longest = 0
    for group in groups:
        if not group.counts(values):
            continue
        for one in group.settings:
            length = len(one.path)
            if length > longest and path[:length] == one.path:
                found, longest = (one.name, path[length:]), length
            elif found is None and one.path[: len(path)] == path:
                # All of an object is wrong, such as missing: its first field stands for it.
                found = (one.name, ())
    return found


def _as_typed(setting: Setting, value: object) -> object:
    if setting.kind == "switch":
        return "true" if value else "false"
    if setting.kind == "json":
        return json.dumps(value, indent=2 if value and isinstance(value, Mapping) else None)
    return value


def _at(settings: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for part in path:
        settings = settings.setdefault(part, {})
    return settings


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one is: in the names of fields, in the settings, and behind which choices."""

    key: tuple[str, ...]
    path: tuple[str, ...] = ()
    when: tuple[tuple[str, str], ...] = ()

    def at(self, name: str) -> "_Place":
        """Go into a part."""
        return _Place((*self.key, name), (*self.path, name), self.when)

    def chosen(self, chooser: str, kind: str) -> "_Place":
        """Stay, and count for one kind only."""
        return _Place((*self.key, kind), self.path, (*self.when, (chooser, kind)))

    @property
    def name(self) -> str:
        """The name of a field here."""
        return ".".join(self.key)


class _Reader:
    """Reads one schema, whose references it follows."""

    def __init__(self, root: Schema) -> None:
        self.groups: list[Group] = []
        self._root = root

    def read_object(
        self,
        schema: Schema,
        place: _Place,
        *,
        title: str,
        required: bool,
        decided: str | None = None,
    ) -> None:
        """Read an object; ``decided`` is the property that the choice of its kind has settled."""
        group = Group(
            place.path, title, _summary(schema.get("description", "")), required, place.when
        )
        self.groups.append(group)
        needed = schema.get("required", ())
        # What may be left out altogether demands nothing until something of it is stated.
        demands = required or decided is not None
        for name, raw in schema.get("properties", {}).items():
            one, nullable = _resolved(self._root, raw)
            here = place.at(name)
            is_needed = demands and name in needed and not nullable
            kinds = self._kinds(one)
            is_deep = len(here.path) >= _DEEPEST
            if name == decided or ("const" in one and "default" in one):
                # There is nothing to say.
                continue
            if kinds and not is_deep:
                self._read_kinds(raw, one, kinds, here, required=is_needed)
            elif one.get("type") == "object" and "properties" in one and not is_deep:
                label = _label(name, raw.get("title"))
                self.read_object(one, here, title=label, required=name in needed and not nullable)
            else:
                group.settings.append(_read_setting(here, raw, one, required=is_needed))

    def _kinds(self, schema: Schema) -> dict[str, Schema]:
        """Get the kinds of an object, if a property of it tells which it is."""
        mapping = schema.get("discriminator", {}).get("mapping", {})
        found = {
            kind: _resolved(self._root, {"$ref": reference})[0]
            for kind, reference in mapping.items()
        }
        return found if all("properties" in one for one in found.values()) else {}

    def _read_kinds(
        self,
        raw: Schema,
        one: Schema,
        kinds: Mapping[str, Schema],
        place: _Place,
        *,
        required: bool,
    ) -> None:
        chooser = one["discriminator"]["propertyName"]
        default = raw.get("default")
        choice = Setting(
            name=place.at(chooser).name,
            path=place.at(chooser).path,
            kind="choice",
            label=_label(chooser, None),
            required=required and default is None,
            default=default.get(chooser) if isinstance(default, Mapping) else None,
            choices=tuple(kinds),
            decides=True,
        )
        title = _label(place.path[-1], raw.get("title"))
        said = _plain(raw.get("description", ""))
        said = said[:1].upper() + said[1:]
        self.groups.append(Group(place.path, title, said, False, place.when, [choice]))
        for kind, its in kinds.items():
            self.read_object(
                its,
                place.chosen(choice.name, kind),
                title=kind_label(kind),
                required=False,
                decided=chooser,
            )


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


def _read_setting(place: _Place, raw: Schema, one: Schema, *, required: bool) -> Setting:
    name = place.path[-1]
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
        name=place.name,
        path=place.path,
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


def kind_label(kind: str) -> str:
    """What to call one of several kinds."""
    return _ABBREVIATIONS.get(kind) or kind[:1].upper() + kind[1:].replace("_", " ")


def _label(name: str, title: str | None) -> str:
    """What to call a setting: its title, unless that is but its name in capitals."""
    if title and title != name.replace("_", " ").title() and " " in title:
        return _UNIT.sub("", title)
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    if name in _ABBREVIATIONS:
        return _ABBREVIATIONS[name]
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _summary(said: str) -> str:
    """Take the first paragraph: the rest is for who writes drivers, or stands beside a setting."""
    return _plain(said.split("\n\n", maxsplit=1)[0])


def _plain(said: str) -> str:
    """Take the marks out that only documentation tools read."""
    return " ".join(said.replace("`", "").split())
