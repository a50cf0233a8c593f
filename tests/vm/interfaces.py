"""CAN interfaces of the machine on which tests run, switched on and off as a person does."""

import subprocess


def ip(*arguments: str) -> None:
    """Run ``ip``; a test that cannot do that has failed."""
    subprocess.run(["ip", *arguments], check=True)


class Interface:
    """A CAN interface ``name``, whatever is behind it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def bus(self) -> dict[str, object]:
        """The settings by which a driver finds it."""
        return {"interface": "socketcan", "channel": self.name}

    def up(self) -> None:
        ip("link", "set", "dev", self.name, "up")

    def down(self) -> None:
        ip("link", "set", "dev", self.name, "down")


class VirtualInterface(Interface):
    """A bus without wires that all processes of the machine may share; up when it is made."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.plug_in()

    def plug_in(self) -> None:
        """Let it be there, as when an adapter is plugged in."""
        ip("link", "add", "dev", self.name, "type", "vcan")
        self.up()

    def pull(self) -> None:
        """Let it be no more, as when an adapter is pulled out."""
        ip("link", "delete", "dev", self.name)


class Controller(Interface):
    """A CAN controller with a driver of the kernel; up at 125 kbit/s when it is made."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        kind = ("type", "can", "bitrate", "125000", "restart-ms", "100")
        ip("link", "set", "dev", name, *kind)
        self.up()
