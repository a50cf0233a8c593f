"""What the frame around every page needs."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from bem import __version__
from bem.lab.rights import Role
from bem.web.alarms.counting import unacknowledged
from bem.web.navigation import NAVIGATION, current_entry
from bem.web.roles import role_on


def frame(request: HttpRequest) -> dict[str, Any]:
    """Get the menu and the rights of the user; rights cost a query only where they are asked for.

    ``can.operate`` and ``can.supervise`` tell which buttons to show; the operations check again.
    """
    match = request.resolver_match
    return {
        "navigation": NAVIGATION,
        "here": current_entry(match.view_name) if match else None,
        "can": SimpleLazyObject(lambda: _rights(request)),
        "alarm_count": SimpleLazyObject(lambda: _alarms(request)),
        "version": __version__,
        "csp_nonce": getattr(request, "csp_nonce", ""),
    }


def _rights(request: HttpRequest) -> dict[str, bool]:
    role = role_on(request)
    return {"operate": role >= Role.OPERATOR, "supervise": role >= Role.SUPERVISOR}


def _alarms(request: HttpRequest) -> str:
    """How many alarms nobody has acknowledged; nothing for none, and for people without a role."""
    if role_on(request) < Role.VIEWER:
        return ""
    count = unacknowledged()
    return str(count) if count else ""
