"""Is this process able to work?"""

from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bem import __version__
from bem.web.gate import GATE


@require_safe
@never_cache
@login_not_required
def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database answers and has the right tables, else 503; and the release."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except Error:
        state = "away"
    else:
        state = "does not fit" if GATE.problem else "ok"
    status = HTTPStatus.OK if state == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse({"database": state, "version": __version__}, status=status)
