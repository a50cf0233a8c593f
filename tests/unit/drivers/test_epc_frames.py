"""The codec of the EPC: no value changes on its way, and no frame that kills a unit is made."""

import struct

import pytest
from cantools.database.errors import EncodeError
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fuzzing import fuzz

from bem_drivers.base import Command, Mode, ProtocolViolated
from bem_drivers.epc import frames
from bem_drivers.epc.frames import Control, LimitType, UnitMode

REGISTERS = [frames.LS_VOLTAGE, frames.LS_CURRENT, frames.LS_POWER, frames.TEMPERATURE]


@given(
    st.sampled_from([UnitMode.CC, UnitMode.CV, UnitMode.CP]),
    st.booleans(),
    st.sampled_from(list(LimitType)),
    st.integers(-32768, 32767),
    st.integers(0, 2**32 - 1),
)
def test_a_mode_frame_comes_back_as_it_was(
    mode: UnitMode, enable: bool, limit_type: LimitType, reference: int, limit: int
) -> None:
    control = Control(mode, enable, limit_type, reference, limit)
    packed = control.pack()
    assert len(packed.data) == 8
    assert Control.unpack(packed.data) == control


@given(st.sampled_from([Mode.CC, Mode.CV]), st.integers(400, 5100))
def test_a_command_keeps_its_milli_units(mode: Mode, milli: int) -> None:
    command = Command(mode, milli / 1000)
    assert Control.of(command, 1).command == command


@given(st.sampled_from(REGISTERS), st.floats(-30, 80), st.floats(-30, 80))
def test_limits_never_tighten_and_never_invert(
    register: frames.Register, one: float, other: float
) -> None:
    minimum, maximum = sorted((one, other))
    try:
        low, high = register.outwards(minimum, maximum)
    except ValueError:
        return
    step = 1 / register.scale
    assert register.lowest <= low < high <= register.highest
    assert minimum - step - 1e-6 <= low <= minimum + 1e-6 or low == register.lowest
    assert maximum - 1e-6 <= high <= maximum + step + 1e-6 or high == register.highest
    data = register.pack(low, high).data
    assert register.unpack(data[1::-1] + data[:1:-1]) == (low, high), "big-endian out, little in"


@pytest.mark.parametrize("mode", [UnitMode.IDLE, UnitMode.WAIT, UnitMode.ERROR])
def test_no_frame_enables_a_mode_without_power(mode: UnitMode) -> None:
    with pytest.raises(ValueError, match=mode.name):
        Control(mode, enable=True).pack()


@pytest.mark.parametrize("register", REGISTERS)
def test_inverted_limits_are_never_packed(register: frames.Register) -> None:
    with pytest.raises(ValueError, match="inverted"):
        register.pack(register.highest, register.lowest)


def test_a_reference_beyond_its_field_is_refused() -> None:
    with pytest.raises(EncodeError):
        Control.of(Command(Mode.CC, 40.0), 1).pack()


@pytest.mark.parametrize(("message_id", "data"), [(0x8, b""), (0xC, b"\0" * 5), (0x1, b"\0")])
def test_what_no_unit_sends_is_told(message_id: int, data: bytes) -> None:
    with pytest.raises(ProtocolViolated):
        frames.decode(message_id, data)


def test_a_mode_that_does_not_exist_is_told() -> None:
    with pytest.raises(ProtocolViolated, match="MODE frame"):
        Control.unpack(b"\x0e" + bytes(7))


def test_reserved_bits_are_told() -> None:
    with pytest.raises(ProtocolViolated, match="MODE frame"):
        Control.unpack(b"\x08\x01" + bytes(6))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (struct.pack("<HhH", 6601, 0, 8000), "voltage of 6.601"),
        (struct.pack("<HhH", 0x10000 - 601, 0, 8000), "voltage of -0.601"),
        (struct.pack("<HhH", 3700, 18701, 8000), "current of 18.701"),
        (struct.pack("<HhH", 3700, -17601, 8000), "current of -17.601"),
        (struct.pack("<HhH", 3700, 0, 16501), "supply_voltage of 16.501"),
    ],
)
def test_measures_that_no_converter_shows_are_no_values(data: bytes, name: str) -> None:
    with pytest.raises(ProtocolViolated, match=name):
        frames.unpack_electric(data)


def test_no_battery_is_no_noise_for_a_unit_with_an_offset_below_zero() -> None:
    data = struct.pack("<HhH", 0x10000 - 5, -4, 8000)
    assert frames.unpack_electric(data)["voltage"] == -0.005


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("tenths", [-451, 1301])
def test_temperatures_that_no_sensor_shows_are_no_values(place: int, tenths: int) -> None:
    told = [250, 250, 250]
    told[place] = tenths
    with pytest.raises(ProtocolViolated, match="temperature"):
        frames.unpack_temperatures(struct.pack("<hhh", *told))


@fuzz
@given(st.integers(0, 0xF), st.binary(max_size=8))
def test_whatever_comes_is_told_or_stands_there(message_id: int, data: bytes) -> None:
    try:
        signals = frames.decode(message_id, data)
    except ProtocolViolated:
        return
    told = sum(value.bit_count() for value in signals.values() if value >= 0)
    assert told <= sum(byte.bit_count() for byte in data)


@fuzz
@given(st.binary(max_size=8) | st.binary(min_size=4, max_size=8))
def test_no_frame_gives_an_invented_value(data: bytes) -> None:
    for unpack in (frames.unpack_electric, frames.unpack_temperatures):
        try:
            values = unpack(data)
        except ProtocolViolated:
            continue
        assert len(data) == 6
        assert -45.0 <= min(values.values()) <= max(values.values()) <= 130.0
    for register in REGISTERS:
        try:
            low, high = register.unpack(data)
        except ProtocolViolated:
            continue
        counts = round(high * register.scale), round(low * register.scale)
        assert b"".join((one & 0xFFFF).to_bytes(2, "little") for one in counts) == data
    try:
        control = Control.unpack(data)
    except ProtocolViolated:
        return
    first = control.enable | control.mode << 1 | control.limit_type << 4
    reference = (control.reference & 0xFFFF).to_bytes(2, "little")
    assert data == bytes([first, 0]) + reference + control.limit.to_bytes(4, "little")


@fuzz
@given(st.binary(max_size=8))
def test_no_frame_gives_an_invented_identity_or_fault(data: bytes) -> None:
    try:
        faults = frames.unpack_faults(data)
    except ProtocolViolated:
        assert len(data) != 4
        return
    assert len(faults) == (data[0] & 0x3F).bit_count()
    info = frames.Info.unpack(data)
    assert (info.device_id, info.serial_number) == (data[0] & 0x3F, data[3])
    assert info.identity.serial == str(data[3])
