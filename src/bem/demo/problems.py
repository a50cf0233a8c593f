"""How the demo says that it cannot go on."""


class DemoError(Exception):
    """The demo cannot start or go on. The message says why and what to do about it."""
