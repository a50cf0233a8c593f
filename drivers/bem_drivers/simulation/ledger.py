"""The ledger of simulated devices: what truly happened, for tests to compare with."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from bem_drivers.simulation.spec import Record


class Ledger:
    """What truly happened, one JSON object a line, for tests to compare with what was recorded.

    ``t_ns`` is the monotonic clock, which all processes of a machine share; ``device`` the name of
    a device on a bench. The kinds of an EPC are ``answer`` (ls_mv, ls_ma,
    hs_mv), ``command`` (frame, accepted), ``limits`` (register, min, max, accepted), ``mode``
    (mode, reason), ``output`` (on, reason), ``internal`` (code), ``fault`` (order). A line is
    written whole before the frame it tells of leaves.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def of(self, device: str) -> Record:
        """Get the recorder of one unit."""

        def record(t_ns: int, kind: str, facts: Mapping[str, object]) -> None:
            line = json.dumps(
                {"t_ns": t_ns, "device": device, "kind": kind, **facts}, separators=(",", ":")
            )
            os.write(self._file, line.encode() + b"\n")

        return record

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
