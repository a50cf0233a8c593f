"""What a person says about a TH2. Imports no serial library."""

from pydantic import BaseModel, ConfigDict, Field

from bem_drivers.line import LineAddress


class ThermoSettings(BaseModel):
    """Where a TH2 is. With ``serial_number`` another one at the same address is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    address: LineAddress = Field(title="Address", description="serial port or network address")
    serial_number: str | None = Field(
        default=None,
        min_length=1,
        title="Serial number",
        description="refuse any other; empty takes each",
    )
    reply_timeout_s: float = Field(
        default=0.5, ge=0.05, le=5.0, title="Reply timeout", description="s, for each question"
    )
