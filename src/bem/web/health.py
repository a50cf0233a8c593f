"""Is this process able to work?"""

from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
@login_not_required
def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 if the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except Error:
        return JsonResponse({"database": "away"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return JsonResponse({"database": "ok"})
