"""The role of whoever asks, looked up once for each request however many parts want to know."""

from django.http import HttpRequest

from bem.lab.rights import Role, require, role_of

_KEPT = "bem_role"


def role_on(request: HttpRequest) -> Role:
    """Get the role of the user of a request."""
    kept = getattr(request, _KEPT, None)
    if isinstance(kept, Role):
        return kept
    role = role_of(request.user)
    setattr(request, _KEPT, role)
    return role


def require_on(request: HttpRequest, role: Role) -> None:
    """Make sure that the user of a request has at least a role.

    Raises:
        PermissionDenied: the user has not; the message names the role that is needed.
    """
    if role_on(request) < role:
        require(request.user, role)
