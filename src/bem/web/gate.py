"""Answer nothing while the tables of the database are not those of this release."""

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from bem.lab.schema import look
from bem.runtime.log import Condition

_LOGGER = logging.getLogger(__name__)
_LOOK_EVERY_S = 2.0
_RETRY_S = "5"


class Gate:
    """``problem`` is why this process cannot work with the database; empty if it can."""

    def __init__(self) -> None:
        self.problem = ""

    def watch(self) -> None:
        """Look until the tables fit, in a thread of its own; they are asked no more after that.

        An upgrade changes them under the old release's last requests, which it must survive.
        """
        threading.Thread(target=self._look, name="gate", daemon=True).start()

    def _look(self) -> None:
        unfit = Condition(_LOGGER, "the pages are closed")
        pause = threading.Event()
        while not self._fits(unfit):
            pause.wait(_LOOK_EVERY_S)
        unfit.end()

    def _fits(self, unfit: Condition) -> bool:
        try:
            tables = look()
        except Error:
            # Not known yet; requests find out by themselves that it is away.
            return False
        finally:
            connection.close()
        self.problem = tables.problem
        if self.problem:
            unfit.begin(self.problem)
        return tables.fit


GATE = Gate()


class Gatekeeper:
    """Says 503 to all but the health check while the gate is closed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, or ask to come again."""
        if not GATE.problem or request.path == "/healthz":
            return self._get_response(request)
        return HttpResponse(
            f"The laboratory is being brought up to date: {GATE.problem}\n",
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            content_type="text/plain; charset=utf-8",
            headers={"Retry-After": _RETRY_S},
        )
