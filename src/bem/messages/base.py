"""The ground all messages stand on."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

VERSION: Literal[1] = 1

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""Node and station ids: lower-case letters, digits and hyphens, as in host names."""

Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""What a signed 64-bit column holds."""

_FIRST_YEAR = 1970
_LAST_YEAR = 9000


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("an instant needs its offset from UTC")
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        # Outside, converting or storing it may overflow.
        raise ValueError(f"year {instant.year} is not between {_FIRST_YEAR} and {_LAST_YEAR}")
    return instant.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_in_utc)]
"""An instant with microseconds, always in UTC."""


class Message(BaseModel):
    """Common to every message: the version, and no tolerance for what is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    v: Literal[1] = VERSION
