"""Frames in the text protocol of LAWICEL that SLCAN adapters speak: ``tIIILDD..``."""

import re

from bem_drivers.can.frame import Frame

_FRAME = re.compile(rb"t([0-7][0-9A-Fa-f]{2})([0-8])((?:[0-9A-Fa-f]{2})*)")
_TIMESTAMP_DIGITS = (0, 4, 8)
"""An adapter may be set, for good, to put the time behind each frame."""


def parse(line: bytes) -> Frame | None:
    """Turn a line without its end into a standard data frame; ``None`` for anything else.

    A frame mutilated on the serial line is lost, as it is on a disturbed bus: who waits for it asks
    again.
    """
    matched = _FRAME.fullmatch(line)
    if matched is None:
        return None
    frame_id, length, digits = matched.groups()
    end = 2 * int(length)
    if len(digits) - end not in _TIMESTAMP_DIGITS:
        return None
    return Frame(int(frame_id, 16), bytes.fromhex(digits[:end].decode("ascii")))


def text(frame: Frame) -> bytes:
    """Turn a standard data frame into its line, with its end."""
    return f"t{frame.frame_id:03X}{len(frame.data)}{frame.data.hex().upper()}\r".encode("ascii")
