"""Judge the settings of a driver by what its node told of it: their JSON schema.

Some drivers are made of others, each named with its settings (``source: {driver, settings}``).
These are judged by their own schema.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from bem.lab.models import Node

Drivers = Mapping[str, Mapping[str, Any]]
SETTINGS = "settings"
"""Problems of a driver's settings are named so, followed by the path: ``settings.bus.channel``."""
DEVICE = {"driver", SETTINGS}
"""What an object of settings has that is itself a device."""
_DEEPEST = 4


def no_driver(node: Node, driver: str, drivers: Drivers) -> str:
    """Say that a node has no such driver, and which it has."""
    told = ", ".join(sorted(drivers)) or "none that it has told yet"
    return f"{node} has no driver {driver!r}; it has: {told}"


def device_problems(
    node: Node, drivers: Drivers, driver: str, settings: Mapping[str, Any], depth: int = 0
) -> Iterator[tuple[str, str]]:
    """Judge the settings of a driver that the node has, and of the drivers that they name."""
    schema = drivers[driver][SETTINGS]
    yield from settings_problems(schema, settings)
    for name, inner in settings.items():
        if depth >= _DEEPEST or not (_is_device(schema, name) and isinstance(inner, Mapping)):
            continue
        its_driver, its_settings = inner.get("driver"), inner.get(SETTINGS, {})
        if not isinstance(its_driver, str):
            continue
        if its_driver not in drivers:
            yield f"{name}.driver", no_driver(node, its_driver, drivers)
        elif isinstance(its_settings, Mapping):
            for path, reason in device_problems(node, drivers, its_driver, its_settings, depth + 1):
                yield ".".join(part for part in (name, SETTINGS, path) if part), reason


def settings_problems(
    schema: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Judge a driver's settings by their schema; path (``bus.channel``) and reason of each fault.

    A schema that is none finds nothing: the node judges then.
    """
    if not _is_schema(json.dumps(schema, sort_keys=True)):
        return []
    return [
        found for error in _VALIDATOR(schema).iter_errors(settings) for found in _explain(error)
    ]


# It takes many times as long as judging by it, and a node tells few of them.
@lru_cache(maxsize=64)
def _is_schema(text: str) -> bool:
    try:
        Draft202012Validator.check_schema(json.loads(text))
    except SchemaError:
        return False
    return True


def _is_device(schema: Mapping[str, Any], name: str) -> bool:
    one = _part(_part(schema, "properties"), name)
    reference = str(one.get("$ref", ""))
    if reference.startswith("#/$defs/"):
        one = _part(_part(schema, "$defs"), reference.removeprefix("#/$defs/"))
    return set(_part(one, "properties")) == DEVICE


def _part(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = schema.get(name)
    return part if isinstance(part, Mapping) else {}


def _one_of(
    validator: Validator, alternatives: object, instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Judge an object of one of several kinds by the kind that it says it is.

    Otherwise a person would be told what is wrong with it as each of the kinds.
    """
    told = schema.get("discriminator")
    told = told if isinstance(told, Mapping) else {}
    chooser, mapping = told.get("propertyName"), told.get("mapping")
    if not (isinstance(mapping, Mapping) and mapping and isinstance(instance, Mapping)):
        yield from Draft202012Validator.VALIDATORS["oneOf"](
            validator, alternatives, instance, schema
        )
    elif chooser not in instance:
        yield ValidationError(
            f"{chooser!r} is needed",
            validator="required",
            validator_value=[chooser],
            instance=instance,
        )
    elif (kind := str(instance[chooser])) not in mapping:
        yield ValidationError(f"{kind!r} is not one of {', '.join(mapping)}", path=[chooser])
    else:
        yield from validator.descend(instance, {"$ref": str(mapping[kind])})


_VALIDATOR = extend(Draft202012Validator, {"oneOf": _one_of})


def _explain(error: ValidationError) -> Iterator[tuple[str, str]]:
    path = [str(part) for part in error.absolute_path]
    if error.validator == "required":
        for missing in error.validator_value:
            if missing not in error.instance:
                yield ".".join([*path, missing]), "is needed"
        return
    causes = [one for one in error.context or () if one.validator_value != "null"]
    if not causes:
        yield ".".join(path), error.message
        return
    # A number or nothing: what is wrong with the number says more than that nothing fits.
    first = causes[0].schema_path[0]
    for cause in causes:
        if cause.schema_path[0] == first:
            yield from _explain(cause)
