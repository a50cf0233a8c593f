"""Tags and filters that every template may use without loading them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bem.domain.program import Compare
from bem.lab.models import Event, Experiment, Station
from bem.web.records.outline import in_words

register = template.Library()

DASH = "\N{EN DASH}"
"""Stands where nothing is known."""
MINUS = "\N{MINUS SIGN}"

_US_PER_SECOND = 1_000_000
_MINUTE = 60
_HOUR = 3600
_DAY = 86_400


@register.simple_tag
def icon(name: str, title: str = "") -> SafeString:
    """Draw an icon of the sprite (``frontend/icons.json``); with a title it speaks for itself."""
    href = f"{static('icons.svg')}#{name}"
    if title:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}"><title>{}</title><use href="{}"/></svg>',
            title,
            title,
            href,
        )
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}"/></svg>', href)


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown: never by colour alone."""

    tone: str
    icon: str


_LOOKS = {
    Station.State.RUNNING: Look("green", "player-play"),
    Station.State.IDLE: Look("neutral", "circle-dashed"),
    Station.State.FAULT: Look("red", "alert-triangle"),
    Station.State.LOST: Look("orange", "plug-connected-x"),
    Station.State.DOWN: Look("muted", "server-off"),
    "offline": Look("muted", "server-off"),
    Experiment.Status.QUEUED: Look("blue", "clock-pause"),
    Experiment.Status.STARTING: Look("blue", "clock"),
    Experiment.Status.PAUSED: Look("blue", "player-pause"),
    "held": Look("orange", "adjustments"),
    "waiting": Look("blue", "hand-stop"),
    Experiment.Status.FINISHED: Look("neutral", "circle-check"),
    Experiment.Status.STOPPED: Look("orange", "player-stop"),
    Experiment.Status.FAILED: Look("red", "circle-x"),
    Experiment.Status.INTERRUPTED: Look("orange", "plug-connected-x"),
    Experiment.Status.CANCELLED: Look("muted", "x"),
    Event.Severity.INFO: Look("neutral", "info-circle"),
    Event.Severity.WARNING: Look("orange", "alert-triangle"),
    Event.Severity.ERROR: Look("red", "alert-circle"),
}
_PLAIN = Look("neutral", "circle-dashed")


@register.simple_tag
def badge(state: str, label: str = "") -> SafeString:
    """Show a station state, an experiment status or a severity as colour, icon and word."""
    look = _LOOKS.get(state, _PLAIN)
    word = label or str(state).replace("_", " ").capitalize()
    return format_html(
        '<span class="state state-{}">{}<span>{}</span></span>', look.tone, icon(look.icon), word
    )


@register.filter
def duration(microseconds: int | None) -> str:
    """Write µs as ``3 d 04:05:06``, ``04:05:06`` or ``05:06``; nothing for ``None``."""
    if microseconds is None:
        return ""
    seconds = microseconds // _US_PER_SECOND
    days, rest = divmod(seconds, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, seconds = divmod(rest, _MINUTE)
    if days:
        return f"{days} d {hours:02}:{minutes:02}:{seconds:02}"
    if hours:
        return f"{hours:02}:{minutes:02}:{seconds:02}"
    return f"{minutes:02}:{seconds:02}"


@register.filter
def seconds(value: float) -> str:
    """Write a duration in s in its two largest units: ``2 d 4 h``."""
    return in_words(value)


@register.filter
def figure(value: float | None, digits: int = 3) -> str:
    """Write a number with a fixed count of decimals and a true minus; a dash for ``None``."""
    if value is None:
        return DASH
    return f"{value:.{digits}f}".replace("-", MINUS)


@register.filter
def percent(value: float | None) -> str:
    """Write a ratio as a percentage with two decimals; a dash for ``None``."""
    return DASH if value is None else f"{value * 100:.2f} %"


@register.filter
def shortest(value: float) -> str:
    """Write a number as short as it is, with a true minus."""
    return f"{value:.10g}".replace("-", MINUS)


@register.filter
def plain_words(name: str) -> str:
    """Write a name of the records as people do: ``cell_voltage`` is cell voltage."""
    return name.replace("_", " ")


@register.filter
def at_most_words(compare: str) -> str:
    """Say what a limit of a run forbids, by the side on which it is violated."""
    return "at most" if compare == Compare.AT_LEAST else "at least"


@register.filter
def compact_json(value: object) -> str:
    """Write plain data for an attribute; the template escapes it."""
    return json.dumps(value, separators=(",", ":"))


@register.filter
def unlocalize_number(value: float) -> str:
    """Write a number for a script."""
    return repr(float(value))


@register.simple_tag
def moment(instant: datetime | None, form: str = "full") -> SafeString | str:
    """Show an instant; the page's script turns UTC into the reader's own time.

    ``form``: ``full`` is date and time to the minute, ``time`` the time of day to the second.
    """
    if instant is None:
        return DASH
    utc = instant.astimezone(UTC)
    text = f"{utc:%H:%M:%S}" if form == "time" else f"{utc:%Y-%m-%d %H:%M}"
    return format_html(
        '<time datetime="{}" title="{} UTC" data-form="{}">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        form,
        text,
    )
