"""Who may open which page: everybody with a role looks, operators write, supervisors set up.

That there is a user at all is the business of the middleware.
"""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views import View

from bem.lab.rights import Role
from bem.web.roles import require_on, role_on

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class RolePage(View):
    """A page that needs a role.

    ``reads`` for looking, ``writes`` for everything else. A page that only serves to write, such
    as a form, needs the same for both.
    """

    reads = Role.VIEWER
    writes = Role.OPERATOR

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Check the role before anything else happens.

        Raises:
            PermissionDenied: the user's role is too weak.
        """
        require_on(request, self.reads if request.method in READING else self.writes)
        return super().dispatch(request, *args, **kwargs)

    @property
    def may_write(self) -> bool:
        """Whether to offer what changes records."""
        return role_on(self.request) >= self.writes


class WritePage(RolePage):
    """A page of no use to those who may not write."""

    reads = Role.OPERATOR


class SetUpPage(RolePage):
    """A page for those who set up stations."""

    reads = Role.SUPERVISOR
    writes = Role.SUPERVISOR
