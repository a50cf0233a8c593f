"""What a check opens is off, verified and closed in the end, whatever way that comes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bem_drivers.base import Clock, DeviceError, PowerDevice

_LOGGER = logging.getLogger(__name__)
OFF_ATTEMPTS = 5
OFF_PAUSE_S = 0.5


class OutputUnverified(Exception):
    """An output did not confirm that it is off. The message says what to do."""


class Words(NamedTuple):
    """What an output is called, and what a person does when it does not confirm that it is off."""

    title: str
    remedy: str


@contextmanager
def opened(
    device: PowerDevice, words: Words, clock: Clock, *, bounded: bool = True
) -> Iterator[None]:
    """Open a device, which makes it safe; switch it off and close it at the end.

    One that is ``bounded`` gives up the limits of the check then.

    Raises:
        OutputUnverified: it does not confirm; the message holds that of another one as well, that
            was to be off before.
    """
    try:
        device.open()
    except BaseException:
        device.close()
        raise
    before = ""
    try:
        yield
    except OutputUnverified as error:
        before = f"{error}. "
        raise
    finally:
        try:
            _switch_off(device, words, clock, before)
            if bounded:
                _release(device, words)
        finally:
            device.close()


def _release(device: PowerDevice, words: Words) -> None:
    try:
        device.release()
    except DeviceError as error:
        _LOGGER.warning("%s keeps the limits of the check: %s", words.title, error)


def _switch_off(device: PowerDevice, words: Words, clock: Clock, before: str) -> None:
    """Switch off, over a new connection if need be: opening makes safe.

    Raises:
        OutputUnverified: after some attempts.
    """
    said = ""
    interruption: BaseException | None = None
    for attempt in range(OFF_ATTEMPTS):
        try:
            if attempt:
                device.close()
                clock.sleep(OFF_PAUSE_S)
                device.open()
            device.make_safe()
        except BaseException as error:  # noqa: BLE001 - whatever comes, it is to be off first
            said = str(error) or type(error).__name__
            interruption = interruption if isinstance(error, Exception) else error
            _LOGGER.warning("%s is not off yet: %s", words.title, said)
        else:
            if interruption is not None:
                raise interruption
            return
    raise OutputUnverified(
        f"{before}{words.title} could not be verified off: {said}. {words.remedy}"
    )
