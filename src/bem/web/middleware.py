"""What every request and every answer passes through."""

import secrets
from collections.abc import Callable
from http import HTTPStatus

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)


class ContentSecurityPolicy:
    """Let pages load and run only what this server sends.

    ``request.csp_nonce`` is for scripts that must add a style sheet (the text editor).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with the policy."""
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce  # type: ignore[attr-defined]  # how Django hands on to templates
        response = self._get_response(request)
        response.headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
        return response


class SignInRequired(LoginRequiredMiddleware):
    """Every page needs a signed-in user; programs get 401 instead of a form."""

    def handle_no_permission(  # type: ignore[override]  # any answer will do, says Django's manual
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        """Send a person to the sign-in page, and tell anything else that it must sign in."""
        if request.path.startswith(("/api/", "/live/")):
            return JsonResponse({"detail": "sign in first"}, status=HTTPStatus.UNAUTHORIZED)
        if request.headers.get("HX-Request") == "true":
            # A redirect would put the sign-in form into the middle of the page.
            return HttpResponse(headers={"HX-Redirect": reverse("sign-in")})
        return super().handle_no_permission(request, view_func)
