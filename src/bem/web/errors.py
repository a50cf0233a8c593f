"""Error pages in the style of the others."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

_WORDS = {
    HTTPStatus.BAD_REQUEST: (
        "This request makes no sense here",
        "The address or what was sent with it is not in order.",
    ),
    HTTPStatus.FORBIDDEN: (
        "Not allowed",
        "Your account may not do this. An administrator can give you another role.",
    ),
    HTTPStatus.NOT_FOUND: (
        "Nothing here",
        "There is no page at this address, or what it showed has been removed.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "Something went wrong on the server",
        "The error has been logged. Running experiments are not touched by it.",
    ),
}


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400."""
    del exception  # says too much to whoever tries hosts
    return _error(request, HTTPStatus.BAD_REQUEST)


def forbidden(
    request: HttpRequest, exception: Exception | None = None, reason: str = ""
) -> HttpResponse:
    """Answer 403, for missing rights and for forms that come from elsewhere or are too old."""
    if reason:
        detail = "The form is too old or came from another site. Go back, reload, and try again."
    else:
        detail = str(exception or "")
    return _error(request, HTTPStatus.FORBIDDEN, detail)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    del exception  # lists addresses, of no use to a person
    return _error(request, HTTPStatus.NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, without touching the database."""
    return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def _error(request: HttpRequest, status: HTTPStatus, detail: str = "") -> HttpResponse:
    title, text = _WORDS[status]
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": detail or title}, status=status)
    context = {"status": int(status), "title": title, "text": text, "detail": detail}
    # Without the request no context processor runs, and so no query that could fail again.
    return render(None, "error.html", context, status=status)
