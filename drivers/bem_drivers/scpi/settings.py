"""What a person says about one SCPI instrument: where it is, and which description explains it."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from bem_drivers.line import LineAddress
from bem_drivers.scpi.description import LoadDescription, MeterDescription, SourceDescription
from bem_drivers.scpi.description_file import check_description, load_description

Description = SourceDescription | LoadDescription | MeterDescription
_D = TypeVar("_D", SourceDescription, LoadDescription, MeterDescription)


class _Explained(BaseModel, ABC):
    """A description that is named by ``instrument`` or given inline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instrument: str | None = Field(
        default=None,
        min_length=1,
        title="Described by",
        description="packaged description, or path of a file on the node",
    )
    description: Annotated[dict[str, Any] | None, WithJsonSchema({"type": "object"})] = Field(
        default=None,
        title="Own description",
        description="in place of a file",
    )

    @model_validator(mode="after")
    def _is_described(self) -> Self:
        if (self.instrument is None) == (self.description is None):
            raise ValueError(
                "give either 'instrument' (the name or file of a description) or 'description' "
                "(the description itself)"
            )
        self.described()
        return self

    @abstractmethod
    def described(self) -> Description:
        """Read the description. Raises DescriptionError, a ValueError."""

    def _described(self, model: type[_D]) -> _D:
        if self.instrument is not None:
            return load_description(self.instrument, model)
        return check_description(self.description, model, "description")


class DescribedSource(_Explained):
    """A power supply that is described by lines of SCPI."""

    def described(self) -> SourceDescription:
        """Read the description. Raises DescriptionError, a ValueError."""
        return self._described(SourceDescription)


class DescribedLoad(_Explained):
    """An electronic load that is described by lines of SCPI."""

    def described(self) -> LoadDescription:
        """Read the description. Raises DescriptionError, a ValueError."""
        return self._described(LoadDescription)


class DescribedMeter(_Explained):
    """A meter that is described by lines of SCPI."""

    def described(self) -> MeterDescription:
        """Read the description. Raises DescriptionError, a ValueError."""
        return self._described(MeterDescription)


class _Placed(BaseModel):
    address: LineAddress
    serial_number: str | None = Field(
        default=None,
        min_length=1,
        title="Serial number",
        description="another unit is refused",
    )


class SourceSettings(_Placed, DescribedSource):
    """A power supply that is described by lines of SCPI."""


class LoadSettings(_Placed, DescribedLoad):
    """An electronic load that is described by lines of SCPI."""


class MeterSettings(_Placed, DescribedMeter):
    """A meter that is described by lines of SCPI."""


ScpiSettings = SourceSettings | LoadSettings | MeterSettings
