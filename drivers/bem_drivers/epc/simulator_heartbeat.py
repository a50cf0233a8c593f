"""The supervision of a host's heartbeat in a simulated EPC (devices.md §2.6)."""

from bem_drivers.epc.simulator_registers import Periods

POLLS_A_SLOT = 2


class Heartbeat:
    """A counter of looks at the receive FIFO: two every 10 ms, supervised or not.

    A heartbeat sets it back. Enabling the supervision does not, so that it may trip at once.
    """

    def __init__(self) -> None:
        self.polls = 0

    def poll(self) -> None:
        """Count one look."""
        self.polls += 1

    def skip(self, slots: int) -> None:
        """Count the looks of slots in which nothing happens."""
        self.polls += POLLS_A_SLOT * slots

    def reset(self) -> None:
        """Begin anew."""
        self.polls = 0

    def has_tripped(self, periods: Periods) -> bool:
        """Whether the host has been silent for too long."""
        return periods.heartbeat is not None and self.polls >= periods.heartbeat

    def slots_to_trip(self, periods: Periods) -> int | None:
        """Get how many slots may pass before the one that trips; ``None``: no supervision."""
        if periods.heartbeat is None:
            return None
        return max((periods.heartbeat - self.polls - 1) // POLLS_A_SLOT, 0)
