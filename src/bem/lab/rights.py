"""Who may do what. Each role may do all that the roles before it may."""

from enum import IntEnum

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.core.exceptions import PermissionDenied

User = AbstractUser | AnonymousUser


class Role(IntEnum):
    """The groups of a laboratory, weakest first; a group's name is the member in lower case."""

    NOBODY = 0
    VIEWER = 1
    """Sees everything."""
    OPERATOR = 2
    """Describes batteries and profiles, queues and stops experiments."""
    SUPERVISOR = 3
    """Acknowledges faults; makes, changes and removes stations."""
    ADMIN = 4
    """Manages users and settings."""


def role_of(user: User) -> Role:
    """Get the strongest role of a user; a superuser is an admin."""
    if not user.is_authenticated or not user.is_active:
        return Role.NOBODY
    if user.is_superuser:
        return Role.ADMIN
    known = {role.name.lower(): role for role in Role}
    names = user.groups.values_list("name", flat=True)
    return max((known[name] for name in names if name in known), default=Role.NOBODY)


def require(user: User, role: Role) -> None:
    """Make sure that a user has at least a role.

    Raises:
        PermissionDenied: the user has not; the message names the role that is needed.
    """
    if role_of(user) < role:
        raise PermissionDenied(f"this needs the role {role.name.lower()}")
