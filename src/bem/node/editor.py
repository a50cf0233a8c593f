"""Write and delete station definitions by order of the manager, whole or not at all.

The agent needs no rights beyond its own folder for it: systemd watches that folder and keeps the
units of the stations in step with it.
"""

import contextlib
import getpass
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bem.messages import CommandOrder
from bem.node.tools import ToolFailed, Tools
from bem.node.window import Clock
from bem.runtime.settings import Settings, SettingsError, StationDefinition, load_station

_LOGGER = logging.getLogger(__name__)
IN_FORCE_S = 15.0
"""How long an answer waits until the node works by the new definition."""
_LOOK_S = 0.2
_FILE_MODE = 0o640
_FOLDER_MODE = 0o750


class EditRefused(Exception):
    """A definition that is not changed. ``retry``: for a passing cause."""

    def __init__(self, reason: str, *, retry: bool = False) -> None:
        super().__init__(reason)
        self.retry = retry


class Bench(Protocol):
    """What the editor must know of the stations that run, and make them do."""

    def is_running(self, station: str) -> bool:
        """Whether an experiment runs there, as far as the agent knows."""
        ...

    def look_again(self) -> None:
        """Look at the definitions now."""
        ...

    def works_by(self, station: str, definition: StationDefinition | None) -> bool:
        """Whether the node works by this definition; ``None``: has no such station any more."""
        ...


class _Define(BaseModel):
    """Arguments of both orders; a removal has no ``definition``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    definition: StationDefinition | None = None
    before: StationDefinition | None = None


class StationEditor:
    """Carries out ``define`` and ``remove``, one at a time.

    An order that was carried out already, by an agent that ended before it could answer, is found
    done and not done again.
    """

    def __init__(
        self,
        settings: Settings,
        bench: Bench,
        tools: Tools,
        *,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings = settings
        self._bench = bench
        self._tools = tools
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()

    def carry_out(self, order: CommandOrder) -> str:
        """Put an order in force; returns what a person should know besides, mostly nothing.

        Raises:
            EditRefused: nothing was changed; the message says why and what to do.
        """
        asked = self._read(order)
        with self._lock:
            if self.is_done(order):
                return ""
            if self._bench.is_running(order.station):
                raise EditRefused(
                    f"an experiment runs at station {order.station!r}: wait for its end, or stop it"
                )
            try:
                if asked.definition is None:
                    self._remove(order, asked.before)
                else:
                    self._define(order, asked.definition, asked.before)
            except OSError as error:
                raise EditRefused(_advice(error, self._settings)) from error
            self._bench.look_again()
        return self._wait(order.station, asked.definition)

    def is_done(self, order: CommandOrder) -> bool:
        """Whether the file says already what the order wants."""
        path = self._settings.station_file(order.station)
        if order.action == "remove":
            return not path.exists()
        try:
            return load_station(path) == self._read(order).definition
        except (SettingsError, UnicodeDecodeError, EditRefused):
            return False

    def _read(self, order: CommandOrder) -> _Define:
        try:
            asked = _Define.model_validate(order.arguments)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            raise EditRefused(f"{path}: {first['msg']} (found {first['input']!r:.100})") from error
        wanted = order.action == "define"
        if wanted != (asked.definition is not None):
            raise EditRefused(
                "the order has no definition" if wanted else "a removal takes no definition"
            )
        if asked.definition is not None and asked.definition.id != order.station:
            raise EditRefused(
                f"definition.id is {asked.definition.id!r}; "
                f"the order is for station {order.station!r}"
            )
        return asked

    def _define(
        self, order: CommandOrder, definition: StationDefinition, before: StationDefinition | None
    ) -> None:
        self._check_unchanged(order.station, before)
        path = self._settings.station_file(order.station)
        # Beside the folder and not in it: nobody shall take a candidate for a station.
        candidate = self._settings.data_dir / "candidates" / path.name
        for folder in (candidate.parent, path.parent):
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        try:
            _write(candidate, _text(order, definition))
            try:
                objections = self._tools.objections(order.station, candidate)
            except ToolFailed as error:
                raise EditRefused(str(error), retry=True) from error
            if objections:
                raise EditRefused(objections)
            candidate.replace(path)
        finally:
            candidate.unlink(missing_ok=True)
        _sync(path.parent)
        _LOGGER.info("station %s is defined by %s (%s)", order.station, order.issued_by, order.id)

    def _remove(self, order: CommandOrder, before: StationDefinition | None) -> None:
        self._check_unchanged(order.station, before)
        path = self._settings.station_file(order.station)
        path.unlink()
        _sync(path.parent)
        _LOGGER.info("station %s is removed by %s (%s)", order.station, order.issued_by, order.id)

    def _check_unchanged(self, station: str, before: StationDefinition | None) -> None:
        """Refuse to overwrite what the person who gave the order has not seen."""
        path = self._settings.station_file(station)
        try:
            now: StationDefinition | None = load_station(path)
        except (SettingsError, UnicodeDecodeError):
            # None there, or one that no station can run by: nothing is lost with it.
            now = None
        if now is None or now == before:
            return
        if before is None:
            raise EditRefused(f"this node has a station {station!r} already: choose another id")
        raise EditRefused(
            f"the definition of {station!r} was changed on the node in the meantime: "
            "look at it as it is now, and change it again"
        )

    def _wait(self, station: str, definition: StationDefinition | None) -> str:
        """Wait until the node works by it, so that nothing starts by the old one afterwards."""
        deadline = self._clock() + IN_FORCE_S
        while not self._bench.works_by(station, definition):
            if self._clock() >= deadline:
                return "written down, but the station has not ended yet"
            self._sleep(_LOOK_S)
            self._bench.look_again()
        return ""


def _text(order: CommandOrder, definition: StationDefinition) -> str:
    said = yaml.safe_dump(definition.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    by = "".join(letter for letter in order.issued_by if letter.isprintable())
    return f"# Written by the node agent for {by}, {order.issued_at:%Y-%m-%d %H:%M:%S} UTC.\n{said}"


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # The umask may have taken more away than is wanted.
        os.fchmod(descriptor, _FILE_MODE)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    """Make a rename or a removal outlive a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _advice(error: OSError, settings: Settings) -> str:
    where = error.filename or settings.station_files
    what = f"cannot write {where}: {error.strerror}"
    if isinstance(error, PermissionError):
        return f"{what}; on the node: chown -R {getpass.getuser()} {settings.station_files}"
    return f"{what}; make room on the node's disk, or mend it"
