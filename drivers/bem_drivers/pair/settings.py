"""What a person says about a source and a load that share a battery."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from bem_drivers.registry import device_places, driver

NAME = "source-and-load"


class Member(BaseModel):
    """A driver and its settings, as in the definition of a station."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    driver: str = Field(min_length=1, title="Driver", description="such as scpi-source")
    settings: dict[str, Any] = Field(default_factory=dict, title="Settings")


def _usable(member: Member) -> Member:
    """Refuse what its driver does not take.

    Raises:
        ValueError: no such driver, or all that is wrong with its settings, a path each.
    """
    if member.driver == NAME:
        raise ValueError(f"{NAME} cannot be a part of itself; name the driver of one instrument")
    try:
        spec = driver(member.driver)
        spec.settings.model_validate(member.settings)
    except LookupError as error:
        raise ValueError(f"driver: {error.args[0]}") from error
    except ValidationError as error:
        raise ValueError("; ".join(_problems(error))) from error
    return member


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        path = ".".join(("settings", *(str(part) for part in problem["loc"])))
        yield f"{path}: {problem['msg'].removeprefix('Value error, ')}"


_Usable = Annotated[Member, AfterValidator(_usable)]


class PairSettings(BaseModel):
    """A source and a load whose leads go to the same battery.

    ``dead_time_s``: least time from one being verified off to the other being switched on.
    ``hysteresis_v``: a constant voltage within this of the measured one keeps the side that is on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: _Usable
    load: _Usable
    dead_time_s: float = Field(
        default=0.1,
        ge=0.01,
        le=5.0,
        title="Dead time",
        description="from one off to the other on (s)",
    )
    hysteresis_v: float = Field(
        default=0.05,
        ge=0.0,
        le=10.0,
        title="Voltage hysteresis",
        description="constant voltages this near to the battery's keep the side (V)",
    )
    voltage_from: Literal["load", "source"] = Field(
        default="load",
        title="Voltage from",
        description="whose voltage is the battery's; a load measures with its input off as well",
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        both = set(device_places(self.source.driver, self.source.settings)).intersection(
            device_places(self.load.driver, self.load.settings)
        )
        if both:
            raise ValueError(
                f"source and load are both at {', '.join(sorted(both))}; give each its own"
            )
        return self
