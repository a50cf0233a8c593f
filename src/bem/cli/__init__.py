"""The ``bem`` command."""

from bem.cli.command import main

__all__ = ["main"]
