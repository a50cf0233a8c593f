"""What a person says about a line."""

import pytest
from pydantic import TypeAdapter, ValidationError

from bem_drivers.line import LineAddress, SerialSettings, TcpSettings

ADDRESS: TypeAdapter[LineAddress] = TypeAdapter(LineAddress)


def test_the_kind_chooses() -> None:
    assert ADDRESS.validate_python({"kind": "serial", "port": "/dev/bem/ea-1"}) == SerialSettings(
        port="/dev/bem/ea-1", baudrate=9600, parity="none", stop_bits=1
    )
    assert ADDRESS.validate_python({"kind": "tcp", "host": "ea", "port": 5025}) == TcpSettings(
        host="ea", port=5025
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "usb", "port": "x"},
        {"kind": "serial"},
        {"kind": "serial", "port": ""},
        {"kind": "serial", "port": "x", "parity": "mark"},
        {"kind": "serial", "port": "x", "data_bits": 7},
        {"kind": "serial", "port": "x", "host": "y"},
        {"kind": "tcp", "host": "x", "port": 0},
        {"kind": "tcp", "host": "x", "port": 65536},
    ],
)
def test_what_is_no_line_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ADDRESS.validate_python(wrong)


def test_a_line_is_called_as_a_person_knows_it() -> None:
    assert SerialSettings(port="/dev/bem/ea-1").name == "serial /dev/bem/ea-1"
    assert TcpSettings(host="10.0.0.5", port=5025).name == "tcp 10.0.0.5:5025"
    assert TcpSettings(host="fe80::1", port=5025).name == "tcp [fe80::1]:5025"
