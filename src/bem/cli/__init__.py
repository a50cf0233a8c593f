"""The ``bem`` command."""


def main() -> None:
    """Run the command line."""
