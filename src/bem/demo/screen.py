"""What the demo shows on the terminal."""

import os
import sys
from pathlib import Path
from typing import TextIO

_BOLD = "\x1b[1m"
_DIM = "\x1b[2m"
_GREEN = "\x1b[32m"
_RED = "\x1b[31m"
_PLAIN = "\x1b[0m"
_LABEL_WIDTH = 10


class Screen:
    """Lines for a person, in colour on a terminal that has it."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._colour = out.isatty() and "NO_COLOR" not in os.environ

    def title(self, text: str) -> None:
        """Begin with what this is."""
        self._write(f"{self._in(_BOLD, text)}\n\n")

    def done(self, what: str, detail: str = "") -> None:
        """Note a stage that went well."""
        self._write(f"  {self._in(_GREEN, '✓')} {what:<22} {self._in(_DIM, detail)}".rstrip())
        self._write("\n")

    def failed(self, what: str, detail: str) -> None:
        """Note a stage that failed."""
        self._write(f"  {self._in(_RED, '✗')} {what:<22} {detail}\n")

    def fact(self, label: str, value: str | Path) -> None:
        """Show one thing that a person wants to know."""
        self._write(
            f"  {self._in(_DIM, f'{label:<{_LABEL_WIDTH}}')}{self._in(_BOLD, str(value))}\n"
        )

    def line(self, text: str = "") -> None:
        """Show a plain line."""
        self._write(f"  {text}".rstrip() + "\n")

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._colour and text else text

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
