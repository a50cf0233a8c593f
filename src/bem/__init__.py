"""The Battery Experiments Manager."""

__version__ = "0.1.0"
