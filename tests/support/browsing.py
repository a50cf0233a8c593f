"""What a browser complains of."""

from playwright.sync_api import Page

_CUT_OFF = ("htmx:sendAbort,", "htmx:afterRequest,")
"""What htmx says of a request that was under way when its page was left or when a later one took
its place; of one that failed it says `htmx:sendError` or `htmx:responseError` as well."""


def note_complaints(page: Page, complaints: list[str]) -> None:
    """Add to ``complaints`` every error of the page's scripts and on its console."""

    def said(kind: str, text: str) -> None:
        if kind == "error" and not text.startswith(_CUT_OFF):
            complaints.append(text)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: said(message.type, message.text))
