"""A visitor of the pages who is no browser: reads them, fills in forms, watches the live stream."""

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import (
    HTTPCookieProcessor,
    HTTPSHandler,
    OpenerDirector,
    Request,
    build_opener,
)

_TIMEOUT_S = 20.0
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "source", "use", "wbr"})


class Refused(Exception):
    """The pages did not do what was asked of them. The message says what they answered."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several things to choose in a form: its value, what stands beside it."""

    name: str
    value: str
    text: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was answered, after redirections."""

    path: str
    text: str

    def choices(self, name: str) -> list[Choice]:
        """List what can be chosen for a field."""
        return [choice for choice in _read(self).choices if choice.name == name]

    def field(self, name: str) -> str | None:
        """Get the value that an input holds."""
        return _read(self).fields.get(name)

    def states(self) -> list[str]:
        """List the states that the page shows, such as ``Running``."""
        return _read(self).texts_of("state")

    def problems(self) -> list[str]:
        """List what the page says is wrong."""
        classes = ("invalid-feedback", "alert-danger", "status-reason")
        return [text for one in classes for text in _read(self).texts_of(one)]


class Visitor:
    """A session with the pages at ``address``, such as ``http://127.0.0.1:8869``.

    ``trust`` says whom to trust for an ``https`` address; by default whom the system trusts.
    """

    def __init__(self, address: str, trust: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.cookies = CookieJar()
        """What the pages know this session by."""
        self._opener: OpenerDirector = build_opener(
            HTTPCookieProcessor(self.cookies), HTTPSHandler(context=trust)
        )

    def sign_in(self, name: str, password: str) -> None:
        """Sign in.

        Raises:
            Refused: name or password are wrong, or the pages do not answer.
        """
        page = self.submit("/sign-in/", {"username": name, "password": password})
        if page.path.startswith("/sign-in"):
            raise Refused(f"signing in as {name}: {'; '.join(page.problems()) or 'refused'}")

    def get(self, path: str) -> Page:
        """Read a page.

        Raises:
            Refused: it is not there, or the pages do not answer.
        """
        with self._open(path) as answer:
            text = answer.read().decode()
            return Page(urlsplit(answer.url).path, text)

    def submit(self, path: str, fields: Mapping[str, str], action: str | None = None) -> Page:
        """Open the page of a form, fill it in and send it; get the page that follows.

        ``action`` is where the form sends to, if that is not the page itself.

        Raises:
            Refused: there is no such form, or the pages do not answer.
        """
        token = self.get(path).field("csrfmiddlewaretoken")
        if token is None:
            raise Refused(f"{path} shows no form")
        data = urlencode({**fields, "csrfmiddlewaretoken": token}).encode()
        with self._open(action or path, data) as answer:
            return Page(urlsplit(answer.url).path, answer.read().decode())

    def add(self, path: str, fields: Mapping[str, str]) -> str:
        """Send a form that adds something; get the path of the new thing's page.

        Raises:
            Refused: the form came back; the message says why.
        """
        page = self.submit(path, fields)
        if page.path == path:
            raise Refused(f"{path}: {'; '.join(page.problems()) or 'the form came back'}")
        return page.path

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """Watch a stream of server-sent events: name and data of each.

        Raises:
            Refused: the stream is not there; it breaks.
        """
        name = ""
        with self._open(path) as answer:
            for line in answer:
                key, _, value = line.decode().rstrip("\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    yield name, json.loads(value)

    def _open(self, path: str, data: bytes | None = None) -> HTTPResponse:
        # Django wants to know where a form sent by https came from.
        headers = {"Referer": f"{self.address}{path}"}
        request = Request(f"{self.address}{path}", data, headers)  # noqa: S310 - our own address
        try:
            answer: HTTPResponse = self._opener.open(request, timeout=_TIMEOUT_S)
        except HTTPError as error:
            with error:
                raise Refused(f"{path}: {error.code} {error.reason}") from error
        except (URLError, OSError) as error:
            raise Refused(f"{path}: no answer: {error}") from error
        return answer


@dataclass(slots=True)
class _Element:
    tag: str
    classes: tuple[str, ...]
    text: list[str] = field(default_factory=list)


def _read(page: Page) -> "_Reader":
    reader = _Reader()
    reader.feed(page.text)
    return reader


class _Reader(HTMLParser):
    """Finds inputs, and the text of everything with a class."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.choices: list[Choice] = []
        self._open: list[_Element] = []
        self._ended: list[_Element] = []
        self._pending: list[dict[str, str]] = []

    def texts_of(self, class_name: str) -> list[str]:
        """Get the text of each element of a class."""
        return [
            " ".join("".join(one.text).split()) for one in self._ended if class_name in one.classes
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input":
            if given.get("type") == "radio":
                self._pending.append(given)
            else:
                self.fields.setdefault(given.get("name", ""), given.get("value", ""))
        if tag not in _VOID:
            self._open.append(_Element(tag, tuple(given.get("class", "").split())))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            element = self._open.pop()
            self._ended.append(element)
            if element.tag == "label":
                self._end_label(" ".join("".join(element.text).split()))
            if element.tag == tag:
                return

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text.append(data)

    def _end_label(self, text: str) -> None:
        for given in self._pending:
            self.choices.append(
                Choice(given.get("name", ""), given.get("value", ""), text, "disabled" not in given)
            )
        self._pending.clear()
