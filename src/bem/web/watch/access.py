"""Who may look."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from bem.lab.rights import Role
from bem.web.roles import require_on

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def viewers_only(view: View) -> View:
    """Let in whoever has a role; an account without any sees nothing of the laboratory."""

    @wraps(view)
    def checked(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        require_on(request, Role.VIEWER)
        return view(request, *args, **kwargs)

    return cast(View, checked)
