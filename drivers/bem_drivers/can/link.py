"""One device's share of a CAN bus."""

import contextlib
import errno
import logging
import select
import socket
import termios
import time
from collections.abc import Iterator, Sequence

import can
from can.interfaces.virtual import VirtualBus

from bem_drivers.base import CommunicationLost, DeviceNotFound
from bem_drivers.can.frame import Frame
from bem_drivers.can.settings import CanSettings
from bem_drivers.can.trouble import BusTrouble, lasting_trouble

logger = logging.getLogger(__name__)

SEND_TIMEOUT_S = 0.1
FULL_QUEUE_PAUSE_S = 0.002
"""Two frames at 125 kbit/s. A full queue of the kernel says nothing when it has room again."""
GONE = (errno.ENODEV, errno.ENXIO)
"""The kernel says once to a listener that its interface is no more, and is silent from then on."""
MOST_OTHERS = 100
"""Frames that are no data, taken at a time: a flood of bus errors must not hold up the loop."""


class CanLink:
    """Frames whose id matches one of ``filters`` ((id, mask) pairs) on a python-can bus.

    With SocketCAN the kernel filters, so that a process does not wake for frames of others. Error
    frames, bus-off and a full queue are survived. Whoever uses a bus that has gone (adapter pulled,
    interface down) gets :class:`CommunicationLost` and opens the link again until it is back.
    Trouble is logged once when it begins and once when frames come again, however often the link
    is opened meanwhile.
    """

    def __init__(self, settings: CanSettings, filters: Sequence[tuple[int, int]]) -> None:
        self._settings = settings
        self._filters: list[can.typechecking.CanFilter] = [
            {"can_id": frame_id, "can_mask": mask, "extended": False} for frame_id, mask in filters
        ]
        self._bus: can.BusABC | None = None
        self._poll: select.poll | None = None
        self._trouble = BusTrouble(logger, self.name)

    @property
    def name(self) -> str:
        """The bus as a person knows it, such as ``slcan:/dev/ttyACM0``."""
        return f"{self._settings.interface}:{self._settings.channel}"

    def open(self) -> None:
        self.close()
        try:
            bus = self._connect()
        except (can.CanError, OSError, ValueError, termios.error) as error:
            raise DeviceNotFound(
                f"CAN bus {self.name} cannot be opened: {error.__cause__ or error}. "
                f"{self._advice()}"
            ) from error
        self._bus = bus
        self._poll = None
        if not isinstance(bus, VirtualBus):  # which has queues and no file descriptor
            self._poll = select.poll()
            self._poll.register(bus.fileno(), select.POLLIN)

    def send(self, frame: Frame) -> None:
        message = can.Message(
            arbitration_id=frame.frame_id, data=frame.data, is_extended_id=False, check=True
        )
        deadline = time.monotonic() + SEND_TIMEOUT_S
        with self._talking() as bus:
            while not self._sent(bus, message, deadline):
                time.sleep(FULL_QUEUE_PAUSE_S)

    def receive(self, timeout_s: float) -> Frame | None:
        deadline = time.monotonic() + timeout_s
        others = 0
        with self._talking() as bus:
            while True:
                left = deadline - time.monotonic()
                # First what is here already: an adapter may deliver several frames in one read.
                message = bus.recv(0 if self._poll is not None else max(left, 0))
                if message is not None:
                    if _is_data(message):
                        self._trouble.end()
                        return Frame(message.arbitration_id, bytes(message.data))
                    self._note_error(message)
                    others += 1
                    if left > 0 or others < MOST_OTHERS:
                        continue
                if left <= 0:
                    return None
                if self._poll is not None:
                    self._poll.poll(left * 1000)

    def close(self) -> None:
        bus, self._bus, self._poll = self._bus, None, None
        if bus is None:
            return
        try:
            bus.shutdown()
        except (can.CanError, OSError, termios.error) as error:
            # Expected of an adapter that was pulled out; whoever used it has been told.
            logger.debug("closing CAN bus %s: %s", self.name, error)
            self._close_port(bus)

    def _connect(self) -> can.BusABC:
        settings = self._settings
        if settings.interface == "slcan":
            from bem_drivers.can.slcan import BufferedSlcanBus, lock_port

            return BufferedSlcanBus(
                lock_port(settings.channel),
                settings.channel,
                settings.bitrate,
                settings.settle_s,
                can_filters=self._filters,
            )
        if settings.interface == "socketcan":
            # python-can would log each attempt, and leave its socket to the collector.
            socket.if_nametoindex(settings.channel)
        return can.Bus(
            interface=settings.interface,
            channel=settings.channel,
            bitrate=settings.bitrate,
            can_filters=self._filters,
            ignore_config=True,
        )

    @staticmethod
    def _sent(bus: can.BusABC, message: can.Message, deadline: float) -> bool:
        """Send; whether the kernel had room for it. After ``deadline`` a full queue is an error."""
        try:
            bus.send(message, SEND_TIMEOUT_S)
        except can.CanOperationError as error:
            if error.error_code == errno.ENOBUFS and time.monotonic() < deadline:
                return False
            raise
        return True

    def _note_error(self, message: can.Message) -> None:
        if message.is_error_frame:
            trouble = lasting_trouble(message.arbitration_id, bytes(message.data))
            if trouble:
                self._trouble.begin(trouble)
            else:
                logger.debug("CAN bus %s: %s", self.name, message)

    @staticmethod
    def _close_port(bus: can.BusABC) -> None:
        """Close the serial port below an SLCAN bus that failed to say goodbye."""
        port = getattr(bus, "serialPortOrig", None)
        if port is not None:
            with contextlib.suppress(OSError, termios.error):
                port.close()

    @contextlib.contextmanager
    def _talking(self) -> Iterator[can.BusABC]:
        if self._bus is None:
            raise CommunicationLost(f"CAN bus {self.name} is closed; open the device again")
        try:
            yield self._bus
        except (can.CanError, OSError, ValueError, termios.error) as error:
            reason = error.__cause__ or error
            self._trouble.begin(reason)
            if isinstance(error, can.CanError) and error.error_code in GONE:
                self.close()
            raise CommunicationLost(
                f"CAN bus {self.name} does not work any more: {reason}. {self._advice()}"
            ) from error

    def _advice(self) -> str:
        return {
            "slcan": "Is the adapter plugged in, is the port right, may this user open it "
            "(group dialout), and does no other process use it?",
            "socketcan": "Is the interface up with the right bit rate "
            "(ip -details link show), and is the cable plugged in and terminated?",
            "virtual": "The other end must live in the same process.",
        }[self._settings.interface]


def _is_data(message: can.Message) -> bool:
    return not (message.is_error_frame or message.is_remote_frame or message.is_extended_id)
