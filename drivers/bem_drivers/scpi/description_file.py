"""Descriptions in files: those of the package by name, a laboratory's own by path."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from bem_drivers.scpi.description import (
    LoadDescription,
    MeterDescription,
    SourceDescription,
)

_D = TypeVar("_D", SourceDescription, LoadDescription, MeterDescription)
_SUFFIX = ".yaml"
_LARGEST = 100_000
_SHOWN = 60
_REMEDIES = {
    "missing": "is missing; add it",
    "extra_forbidden": "is no key of a description here; correct its name or remove it",
    "invalid_key": "is no text; YAML takes on, off, yes and no for booleans, put it in quotes",
    "string_type": "must be text; put it in quotes",
}


_KINDS: dict[type, str] = {
    SourceDescription: "source",
    LoadDescription: "load",
    MeterDescription: "meter",
}


class DescriptionError(ValueError):
    """A description cannot be used. Each line names file, path, problem and what was found."""


def packaged_names() -> list[str]:
    """Get the names of the descriptions that come with the product."""
    folder = files("bem_drivers.scpi") / "examples"
    return sorted(
        one.name.removesuffix(_SUFFIX) for one in folder.iterdir() if one.name.endswith(_SUFFIX)
    )


def load_description(name: str, model: type[_D]) -> _D:
    """Read the packaged description ``name``, or the file at that path.

    A name with a ``/`` or the ending ``.yaml`` is a path, which must be absolute: a station has no
    folder that a person would know.

    Raises:
        DescriptionError: no such file, no YAML, or a wrong description.
    """
    if "/" not in name and not name.endswith(_SUFFIX):
        if name not in packaged_names():
            raise DescriptionError(
                f"no packaged description {name!r}; there are {', '.join(packaged_names())}; "
                "give a file of your own by its path, such as /etc/bem/instruments/supply.yaml"
            )
        text = (files("bem_drivers.scpi") / "examples" / f"{name}{_SUFFIX}").read_text("utf-8")
    else:
        text = _read(Path(name))
    try:
        raw = _parsed(text)
    except yaml.YAMLError as error:
        raise DescriptionError(f"{name}: no YAML: {' '.join(str(error).split())}") from error
    return check_description(raw, model, name)


# Settings are checked again and again on their way to a driver, and YAML is slow to read.
@lru_cache(maxsize=32)
def _parsed(text: str) -> object:
    return yaml.safe_load(text)


def check_description(raw: object, model: type[_D], where: str) -> _D:
    """Check a description that was read from ``where``.

    Raises:
        DescriptionError: all that is wrong, a line each.
    """
    if not isinstance(raw, Mapping):
        raise DescriptionError(f"{where}: must be a mapping that begins with 'kind'")
    wanted = _KINDS[model]
    if raw.get("kind") != wanted:
        raise DescriptionError(
            f"{where}: kind: must be {wanted!r} here (found {raw.get('kind')!r}); "
            "each kind has a driver: scpi-source, scpi-load, scpi-meter"
        )
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise DescriptionError("\n".join(_lines(error, where))) from error


def _read(path: Path) -> str:
    if not path.is_absolute():
        raise DescriptionError(
            f"{path}: must be an absolute path, such as /etc/bem/instruments/{path.name}"
        )
    try:
        if path.stat().st_size > _LARGEST:
            raise DescriptionError(f"{path}: larger than {_LARGEST} bytes, which no description is")
        return path.read_text("utf-8")
    except OSError as error:
        raise DescriptionError(
            f"{path}: cannot be read ({error.strerror}); put the description there, readable for "
            "the station's user"
        ) from error
    except UnicodeDecodeError as error:
        raise DescriptionError(f"{path}: is no UTF-8 text; save it as such") from error


def _lines(error: ValidationError, where: str) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False):
        message = _REMEDIES.get(problem["type"], problem["msg"].removeprefix("Value error, "))
        found = "" if problem["type"] == "missing" else f" (found {_shown(problem['input'])})"
        # The place of a wrong key would be the number that Python takes it for.
        odd_key = problem["type"] == "invalid_key"
        path = _path(problem["loc"][:-1] if odd_key else problem["loc"])
        yield f"{where}: {path}: {message}{found}" if path else f"{where}: {message}"


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if part == "[key]":
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
