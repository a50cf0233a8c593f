"""Server-sent events: what the pages live on."""

import json
import time
from collections.abc import Iterator
from http import HTTPStatus

from django.db import connection
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from bem.lab.models import Station
from bem.lab.rights import Role, require
from bem.web.watch.hub import HubFull, LiveHub, News, Subscription, describe
from bem.web.watch.process_hub import HUB

KEEPALIVE_S = 10.0
LIFE_S = 600.0
"""The browser then opens a new stream, and so shows again that its session is still good."""
_MOST_ASKED = 1000


class EventStream(Iterator[bytes]):
    """The body of one stream. Ends with its life, or when the process is on its way out."""

    def __init__(self, hub: LiveHub, subscription: Subscription, life_s: float = LIFE_S) -> None:
        self._hub = hub
        self._subscription = subscription
        self._ends_at = time.monotonic() + life_s
        self._begun = False

    def __next__(self) -> bytes:
        """Wait for the next event; a comment when there was none for a while."""
        if self._hub.closed or time.monotonic() >= self._ends_at:
            self.close()
            raise StopIteration
        if not self._begun:
            self._begun = True
            return b"retry: 1000\n\n"
        news = self._hub.wait(self._subscription, KEEPALIVE_S)
        return b": still here\n\n" if news is None else self._write(news)

    def close(self) -> None:
        """Stop watching; called when the browser has gone, too."""
        self._hub.unsubscribe(self._subscription)

    def _write(self, news: News) -> bytes:
        parts = []
        if news.live:
            stations = [
                describe(station, newest, self._hub.age(newest))
                for station, newest in news.live.items()
            ]
            parts.append(_event("live", {"stations": stations}))
        if news.changed:
            parts.append(_event("changed", {"stations": sorted(news.changed)}))
        return b"".join(parts)


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


@require_GET
def stream(request: HttpRequest) -> HttpResponseBase:
    """Stream the newest readings of ``?stations=1,2``, or of all.

    Answers 503 when as many pages watch as the process can serve.
    """
    require(request.user, Role.VIEWER)
    stations = Station.objects.filter(present=True)
    if "stations" in request.GET:
        asked = request.GET["stations"].split(",")
        if len(asked) > _MOST_ASKED or not all(one.isascii() and one.isdigit() for one in asked):
            return JsonResponse(
                {"detail": "stations: give the numbers of stations, separated by commas"},
                status=HTTPStatus.BAD_REQUEST,
            )
        stations = stations.filter(pk__in=[int(one) % 2**63 for one in asked])
    keys = {(node, slug): pk for pk, node, slug in stations.values_list("pk", "node_id", "slug")}
    try:
        subscription = HUB.subscribe(keys)
    except HubFull:
        return JsonResponse(
            {"detail": "too many pages are open; the live view comes back by itself"},
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            headers={"Retry-After": "10"},
        )
    # The stream needs no database; Django would keep the connection until the stream ends.
    if not connection.in_atomic_block:
        connection.close()
    return StreamingHttpResponse(
        EventStream(HUB, subscription),
        content_type="text/event-stream",
        headers={
            "Cache-Control": "no-store",
            "Content-Encoding": "identity",
            "X-Accel-Buffering": "no",
        },
    )
