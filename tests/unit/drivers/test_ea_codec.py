"""What an EA supply says, and what of it is believed."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.fuzzing import fuzz

from bem_drivers.base import DeviceError, ProtocolViolated, WrongDevice
from bem_drivers.ea import codec
from bem_drivers.ea.codec import Measures


class TestIdentity:
    @pytest.mark.parametrize(
        ("text", "make", "model", "serial", "firmware"),
        [
            (
                "EA Elektro-Automatik GmbH & Co.KG, PS 2042-10B, 2814450031, V3.09 15.02.11",
                "EA Elektro-Automatik GmbH & Co.KG",
                "PS 2042-10B",
                "2814450031",
                "V3.09 15.02.11",
            ),
            (
                "EPS Stromversorgung GmbH,EPS/HP 10080,4711\r",
                *("EPS Stromversorgung GmbH",),
                "EPS/HP 10080",
                "4711",
                "",
            ),
        ],
    )
    def test_maker_model_and_serial_number_are_told(
        self, text: str, make: str, model: str, serial: str, firmware: str
    ) -> None:
        identity = codec.parse_identity(text)
        assert (identity.make, identity.model) == (make, model)
        assert (identity.serial, identity.firmware) == (serial, firmware)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "RS-KEL103 V3.30 SN:00012345",
            "EAGLE Instruments, 12, 34",
            "2831E  Multimeter, Ver1.4, 123",
            "ea elektro, PS 2042, 1",
        ],
    )
    def test_another_device_is_refused_with_what_it_said(self, text: str) -> None:
        with pytest.raises(WrongDevice, match="no EA supply") as caught:
            codec.parse_identity(text)
        assert repr(text) in str(caught.value)

    @pytest.mark.parametrize("text", ["EA", "EA, PS 2042-10B", "EA, , 1", "EA, PS 2042-10B, "])
    def test_half_an_identification_is_refused(self, text: str) -> None:
        with pytest.raises(WrongDevice, match="model and serial number"):
            codec.parse_identity(text)


class TestMeasures:
    @pytest.mark.parametrize(
        ("text", "measures"),
        [
            ("12.00 V, 0.50 A, 6.0 W", Measures(12.0, 0.5, 6.0)),
            (" 12.00V,0.50A,6.0W\r", Measures(12.0, 0.5, 6.0)),
            ("48.00 V, -2.50 A, -120.0 W", Measures(48.0, -2.5, -120.0)),
            ("1.2e+01 V, -1.5e-01 A, -1.8E0 W", Measures(12.0, -0.15, -1.8)),
        ],
    )
    def test_measures_are_numbers_with_units(self, text: str, measures: Measures) -> None:
        assert codec.parse_measures(text) == measures

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "12.00 V",
            "12.00 V, 0.50 A",
            "12.00 V, 0.50 A, 6.0",
            "12.00 V, 0.5",
            "12.00, 0.50, 6.0",
            "0.50 A, 12.00 V, 6.0 W",
            "12.00 V, nan A, 6.0 W",
            "inf V, 0.50 A, 6.0 W",
            "12.00 V, 0.50 A, 6.0 W, 1 V",
            "12.00 mV, 0.50 A, 6.0 W",
            "12.00 V, 0.50 A, 6.0 kW",
            "12.00 V, 1e999 A, 6.0 W",
            "12.00 V, 0.512.00 V, 0.50 A, 6.0 W",
            "ON",
        ],
    )
    def test_anything_else_is_no_reading(self, text: str) -> None:
        with pytest.raises(ProtocolViolated):
            codec.parse_measures(text)

    @given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.booleans())
    def test_every_number_that_a_unit_may_send_is_read(
        self, voltage: float, current: float, exponent: bool
    ) -> None:
        form = ".6e" if exponent else ".6f"
        text = f"{voltage:{form}} V, {current:{form}} A, 0.0 W"
        measures = codec.parse_measures(text)
        assert math.isclose(measures.voltage, voltage, rel_tol=1e-5, abs_tol=1e-5)
        assert math.isclose(measures.current, current, rel_tol=1e-5, abs_tol=1e-5)


class TestStates:
    @pytest.mark.parametrize(
        ("text", "is_on"), [("ON", True), ("OFF", False), (" on\r", True), ("Off", False)]
    )
    def test_an_output_is_on_or_off(self, text: str, is_on: bool) -> None:
        assert codec.parse_output(text) is is_on

    @pytest.mark.parametrize("text", ["", "O", "OF", "1", "0", "ON OFF", "12.00 V, 0.50 A, 6.0 W"])
    def test_anything_else_is_neither(self, text: str) -> None:
        with pytest.raises(ProtocolViolated, match="neither ON nor OFF"):
            codec.parse_output(text)

    @pytest.mark.parametrize("text", ['0,"No error"', "No error", "0, NO ERROR", ' +0,"no error" '])
    def test_no_error_is_none(self, text: str) -> None:
        assert codec.parse_error(text) is None

    def test_an_error_is_told_in_the_units_own_words(self) -> None:
        assert codec.parse_error('-221,"Settings conflict" ') == '-221,"Settings conflict"'

    @pytest.mark.parametrize(
        "text", ["", "OFF", '0,"No er', "12.00 V, 0.50 A, 6.0 W", '-221,"No error"', "-221"]
    )
    def test_anything_else_is_no_answer_to_what_went_wrong(self, text: str) -> None:
        with pytest.raises(ProtocolViolated):
            codec.parse_error(text)

    @pytest.mark.parametrize("text", ["10.00 A", "10 A", "10.00A\r", "1e1 A"])
    def test_a_rating_is_a_number_with_its_unit(self, text: str) -> None:
        assert codec.parse_nominal(codec.NOMINAL_CURRENT, text, "A") == 10.0

    @pytest.mark.parametrize("text", ["", "1", "10.00", "0.00 A", "-10.00 A", "42.00 V", "10 kA"])
    def test_a_rating_without_unit_or_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(ProtocolViolated):
            codec.parse_nominal(codec.NOMINAL_CURRENT, text, "A")


class TestNoise:
    """Whatever comes over the line, nothing is invented of it."""

    @fuzz
    @given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
    @example("12.00 V, 0.50 A, 6.0 W" * 2)
    def test_measures_come_of_measures_only(self, text: str) -> None:
        try:
            measures = codec.parse_measures(text)
        except DeviceError:
            return
        assert all(map(math.isfinite, (measures.voltage, measures.current, measures.power)))
        assert [part.strip()[-1] for part in text.split(",")] == ["V", "A", "W"]

    @fuzz
    @given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
    def test_nothing_but_errors_of_a_device_come_out(self, text: str) -> None:
        for parse in (codec.parse_identity, codec.parse_output, codec.parse_error):
            try:
                parse(text)
            except DeviceError:
                continue
        try:
            assert codec.parse_nominal(codec.NOMINAL_POWER, text, "W") > 0
        except DeviceError:
            return
