"""Lines over a serial port that nobody else uses. The only module that imports pyserial."""

import errno
import fcntl
import os
import termios
from pathlib import Path

import serial

from bem_drivers.base import DeviceNotFound
from bem_drivers.line.holder import is_pseudo_terminal, port_holder
from bem_drivers.line.settings import SerialSettings
from bem_drivers.line.stream import READ_SIZE, SEND_TIMEOUT_S, StreamLine

_PARITY = {"none": serial.PARITY_NONE, "odd": serial.PARITY_ODD, "even": serial.PARITY_EVEN}
_TAKEN = (errno.EBUSY, errno.EAGAIN)


class SerialLine(StreamLine):
    """A serial port, taken for one process alone.

    ``flock`` keeps out everybody who asks for it, root included; ``TIOCEXCL`` keeps out the rest,
    such as a terminal program.
    """

    def __init__(self, settings: SerialSettings) -> None:
        super().__init__(settings.name)
        self._settings = settings

    def change(self, settings: SerialSettings) -> None:
        """Go on with other settings of the same port; closing it would restart some devices.

        Raises:
            CommunicationLost: the port has gone, or does not take them.
        """
        with self._talking() as stream:
            if isinstance(stream, _SerialStream):
                stream.change(settings)
        self._settings = settings

    def _connect(self) -> "_SerialStream":
        try:
            return _SerialStream(self._settings)
        except (OSError, ValueError, termios.error) as error:
            raise DeviceNotFound(
                f"{self.name} cannot be opened: {_why(self._settings.port, error)}"
            ) from error

    def _advice(self) -> str:
        return "Is the device switched on and its cable plugged in?"


class _SerialStream:
    def __init__(self, settings: SerialSettings) -> None:
        try:
            self._port = _opened(settings, settings.parity)
        except termios.error:
            # A pseudo-terminal has no parity; asked for one and for nothing that is new to it, it
            # refuses.
            if not is_pseudo_terminal(Path(settings.port).stat()):
                raise
            self._port = _opened(settings, "none")
        try:
            # The mark lasts until the last one closes the port. A simulator holds its port open,
            # so that the mark of a client that was killed would lock out the next one.
            if not is_pseudo_terminal(os.fstat(self._port.fileno())):
                fcntl.ioctl(self._port.fileno(), termios.TIOCEXCL)
            self._port.reset_input_buffer()
        except (OSError, termios.error):
            self._port.close()
            raise

    def change(self, settings: SerialSettings) -> None:
        parity = settings.parity
        if is_pseudo_terminal(os.fstat(self._port.fileno())):
            parity = "none"
        try:
            # Parity first: each of these asks for all that is set.
            self._port.parity = _PARITY[parity]
            self._port.stopbits = settings.stop_bits
            self._port.baudrate = settings.baudrate
        except (ValueError, termios.error) as error:
            raise OSError(f"it does not take {settings.baudrate} bit/s: {error}") from error

    def fileno(self) -> int:
        number: int = self._port.fileno()
        return number

    def read(self) -> bytes:
        data: bytes = self._port.read(READ_SIZE)
        return data

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def close(self) -> None:
        self._port.close()


def _opened(settings: SerialSettings, parity: str) -> serial.Serial:
    return serial.Serial(
        settings.port,
        baudrate=settings.baudrate,
        bytesize=settings.data_bits,
        parity=_PARITY[parity],
        stopbits=settings.stop_bits,
        timeout=0.0,
        write_timeout=SEND_TIMEOUT_S,
        exclusive=True,
    )


def _why(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return "there is no such port. Is the device plugged in and switched on, is the name right?"
    if number == errno.EACCES:
        return "this user may not use it. Add the user to the group that owns it (dialout)."
    if number in _TAKEN:
        holder = port_holder(port) or "another process, which cannot be told"
        return f"it is in use by {holder}. Stop that one, or take another port."
    return f"{error}. Is it a serial port, and does it know these settings?"
