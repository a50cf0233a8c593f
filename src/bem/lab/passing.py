"""Which errors of the database pass by themselves, so that the same work shall be tried again."""

from django.db import Error, OperationalError

_AGAIN = frozenset(
    {
        1205,  # waited too long for another's lock
        1213,  # deadlock; in a cluster also: another member committed first
        3572,  # the same, asked not to wait
    }
)
_AWAY = frozenset(
    {
        1040,  # too many connections
        1047,  # a cluster's member that has not joined, or has lost the others
        1053,  # the server is shutting down
        1927,  # connection killed
        2002,  # no socket
        2003,  # no server at that address
        2006,  # gone away
        2013,  # lost during a query
    }
)


def is_collision(error: Exception) -> bool:
    """Whether two did the same at once and this one lost: nothing was kept, and it may go again."""
    return isinstance(error, OperationalError) and _code(error) in _AGAIN


def is_away(error: Exception) -> bool:
    """Whether the database cannot be reached, or cannot work, for now."""
    return isinstance(error, OperationalError) and _code(error) in _AWAY


def _code(error: Error) -> object:
    return error.args[0] if error.args else None
