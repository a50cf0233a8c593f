"""What a search asks at a serial port, and what it makes of the answers."""

from collections.abc import Callable

import pytest
from tests.support.clock import ManualClock

from bem_drivers import bk2831, ea, flow, kel103
from bem_drivers.base import CommunicationLost
from bem_drivers.finding import Found, LineProbe, Unknown
from bem_drivers.finding.lines import ANSWER_S, Asking, search_port, search_tcp
from bem_drivers.line import SerialSettings, TcpSettings
from bem_drivers.registry import DriverSpec
from bem_drivers.scpi.probe import described_instruments

PORT = "/dev/bem/one"
QUESTIONS = {"*IDN?", ":IDN*?"}
SPECS = (bk2831.DRIVER, ea.DRIVER, flow.DRIVER, kel103.DRIVER)
NS = 1_000_000_000

Say = Callable[[str, float], list[str]]


class Port:
    """A port whose device speaks at one speed only. ``say(question, s since opening)``."""

    name = f"serial {PORT}"

    def __init__(self, clock: ManualClock, say: Say, baudrate: int | None = None) -> None:
        self.sent: list[str] = []
        self.opened = 0
        self.closed = 0
        self._clock = clock
        self._say = say
        self._speed = baudrate
        self._settings = SerialSettings(port=PORT)
        self._opened_ns = 0
        self._lines: list[str] = []

    def open(self) -> None:
        self.opened += 1
        self._opened_ns = self._clock.now_ns

    def change(self, settings: SerialSettings) -> None:
        self._settings = settings

    def send(self, line: str) -> None:
        self.sent.append(line)
        if self._speed in (None, self._settings.baudrate):
            self._lines += self._say(line, (self._clock.now_ns - self._opened_ns) / NS)

    def receive(self, timeout_s: float) -> str | None:
        if self._lines:
            self._clock.sleep(0.01)
            return self._lines.pop(0)
        self._clock.sleep(timeout_s)
        return None

    def drop(self) -> None:
        self._lines.clear()

    def close(self) -> None:
        self.closed += 1


def asked() -> list[Asking]:
    askings = []
    for spec in SPECS:
        assert spec.probe is not None
        probe = spec.probe()
        assert isinstance(probe, LineProbe)
        askings.append(Asking(spec, probe))
    return askings


def search(clock: ManualClock, port: Port, within_s: float = 5.0) -> Found | Unknown:
    began_ns = clock.now_ns
    seen = search_port(PORT, asked(), port, clock, clock.now_ns + round(within_s * NS))
    assert (port.opened, port.closed) == (1, 1), "opening restarts some devices"
    assert QUESTIONS.issuperset(port.sent), "a question changes nothing"
    assert clock.now_ns - began_ns < (within_s + ANSWER_S) * NS
    return seen


def only(question: str, *answer: str) -> Say:
    return lambda asked, _s: list(answer) if asked == question else []


@pytest.mark.parametrize(
    ("driver", "baudrate", "say", "facts"),
    [
        (
            "ea",
            9600,
            only("*IDN?", "EA Elektro-Automatik, PS 2042-10B, 2814450001, V3.09"),
            ("EA Elektro-Automatik", "PS 2042-10B", "2814450001", "V3.09"),
        ),
        (
            "kel103",
            115_200,
            only("*IDN?", "RS-KEL103 V3.30 SN:0001"),
            ("RS PRO", "RS-KEL103", "0001", "3.30"),
        ),
        (
            "bk2831",
            38_400,
            only("*IDN?", "*IDN?", "2831E  Multimeter,Ver1.4.14,124H"),
            ("BK Precision", "2831E", "124H", "Ver1.4.14"),
        ),
        (
            "flow",
            19_200,
            only(":IDN*?", ":IDN:FLOWmeter:DEVice:001:VERsion:2"),
            ("", "FLOWmeter", "001", "2"),
        ),
    ],
)
@pytest.mark.parametrize("usb", [False, True], ids=["its speed only", "any speed"])
def test_each_device_is_recognised_by_its_own_settings(
    clock: ManualClock,
    driver: str,
    baudrate: int,
    say: Say,
    facts: tuple[str, str, str, str],
    usb: bool,
) -> None:
    found = search(clock, Port(clock, say, None if usb else baudrate))
    assert isinstance(found, Found)
    identity = found.identity
    assert (identity.make, identity.model, identity.serial, identity.firmware) == facts
    assert found.driver == driver
    assert found.place == f"serial {PORT}"
    assert found.settings == {
        "address": {"kind": "serial", "port": PORT},
        "serial_number": identity.serial,
    }
    spec = next(one for one in SPECS if one.name == driver)
    assert spec.places(spec.settings.model_validate(found.settings)) == (found.place,)


def test_a_device_set_to_another_speed_is_named_with_it(clock: ManualClock) -> None:
    found = search(clock, Port(clock, only("*IDN?", "RS-KEL103 V3.30 SN:0001"), 9600))
    assert isinstance(found, Found)
    assert found.settings["address"] == {"kind": "serial", "port": PORT, "baudrate": 9600}


def test_a_flow_meter_is_deaf_until_it_has_started(clock: ManualClock) -> None:
    answer = ":IDN:FLOWmeter:DEVice:001:VERsion:2"
    port = Port(clock, lambda line, s: [answer] if s > 1.9 and line == ":IDN*?" else [], 19_200)
    assert isinstance(search(clock, port), Found)


def test_what_another_speed_left_behind_is_no_answer_yet(clock: ManualClock) -> None:
    said = iter([":SCPI:ERROR:\x7f\x01:IDN*?"])
    answer = ":IDN:FLOWmeter:DEVice:001:VERsion:2"
    port = Port(clock, lambda line, _s: [next(said, answer)] if line == ":IDN*?" else [], 19_200)
    assert isinstance(search(clock, port), Found)


def test_an_unknown_device_is_shown_with_what_it_said(clock: ManualClock) -> None:
    said = "Keithley\x00,2400," + "9" * 100
    unknown = search(clock, Port(clock, only("*IDN?", said)))
    assert isinstance(unknown, Unknown)
    assert unknown.answered.startswith("Keithley\\x00,2400,99")
    assert unknown.answered.endswith("9...")
    assert len(unknown.answered) == 80


def test_silence_is_told_within_three_seconds(clock: ManualClock) -> None:
    began_ns = clock.now_ns
    assert search(clock, Port(clock, lambda _line, _s: [])) == Unknown(f"serial {PORT}")
    assert clock.now_ns - began_ns < 3 * NS


def test_a_device_that_talks_without_end_ends_in_time(clock: ManualClock) -> None:
    unknown = search(clock, Port(clock, lambda _line, _s: ["", "$GPGGA"] * 1000), within_s=2.0)
    assert unknown == Unknown(f"serial {PORT}", "$GPGGA")


def test_a_device_pulled_out_meanwhile_is_told(clock: ManualClock) -> None:
    def say(_line: str, _s: float) -> list[str]:
        raise CommunicationLost("it has gone")

    assert search(clock, Port(clock, say)) == Unknown(f"serial {PORT}", trouble="it has gone")


DP811 = "RIGOL TECHNOLOGIES,DP811,DP8D1234,00.01.14"
EA = "EA Elektro-Automatik, PS 2042-10B, 2814450001, V3.09"


def description(title: str, pattern: str | None = None) -> dict[str, object]:
    measures = [{"ask": "READ?", "values": [{"channel": "v", "quantity": "voltage"}]}]
    identification = {} if pattern is None else {"identification": {"pattern": pattern}}
    return {"kind": "meter", "title": title, "measures": measures, **identification}


def with_descriptions(*inline: dict[str, object]) -> list[Asking]:
    return asked() + described_instruments([], inline)[0]


def search_described(clock: ManualClock, say: Say, *inline: dict[str, object]) -> Found | Unknown:
    askings = with_descriptions(*inline)
    return search_port(PORT, askings, Port(clock, say), clock, clock.now_ns + 5 * NS)


def test_a_described_instrument_is_found_with_its_description(clock: ManualClock) -> None:
    described = description("Rigol DP811")
    found = search_described(clock, only("*IDN?", DP811), described)
    assert isinstance(found, Found)
    assert (found.driver, found.identity.serial) == ("scpi-meter", "DP8D1234")
    assert found.settings["description"] == described
    assert found.settings["serial_number"] == "DP8D1234"


def test_a_driver_of_the_very_device_comes_before_a_description(clock: ManualClock) -> None:
    found = search_described(clock, only("*IDN?", EA), description("Mine", "^EA.*(?P<model>PS)"))
    assert isinstance(found, Found)
    assert found.driver == "ea"


def test_one_that_two_descriptions_fit_stays_unknown_and_says_so(clock: ManualClock) -> None:
    both = description("Rigol DP811, output 1"), description("Rigol DP811, output 2")
    unknown = search_described(clock, only("*IDN?", DP811), *both)
    assert isinstance(unknown, Unknown)
    assert unknown.answered == DP811
    assert "“Rigol DP811, output 1” and “Rigol DP811, output 2”" in unknown.trouble


def test_questions_of_descriptions_leave_the_time_for_a_flow_meter_to_start(
    clock: ManualClock,
) -> None:
    inline = [
        {**description(f"Meter {one}"), "identification": {"ask": f"ID{one}?"}} for one in range(9)
    ]
    answer = ":IDN:FLOWmeter:DEVice:001:VERsion:2"

    def say(line: str, s: float) -> list[str]:
        return [answer] if s > 1.9 and line == ":IDN*?" else []

    assert isinstance(search_described(clock, say, *inline), Found)


ADDRESS = TcpSettings(host="10.0.0.5", port=5025)


def search_address(
    clock: ManualClock, say: Say, askings: list[Asking] | None = None
) -> tuple[Found | Unknown, Port]:
    link = Port(clock, say)
    askings = with_descriptions() if askings is None else askings
    seen = search_tcp(ADDRESS, askings, link, clock, clock.now_ns + 5 * NS)
    assert (link.opened, link.closed) == (1, 1), "many devices serve one connection"
    return seen, link


def test_a_device_on_the_network_is_found_at_its_address(clock: ManualClock) -> None:
    found, link = search_address(clock, only("*IDN?", EA))
    assert isinstance(found, Found)
    assert found.place == "tcp 10.0.0.5:5025"
    assert found.settings == {
        "address": {"kind": "tcp", "host": "10.0.0.5", "port": 5025},
        "serial_number": "2814450001",
    }
    assert link.sent == ["*IDN?"]


def test_an_address_is_asked_each_question_once(clock: ManualClock) -> None:
    silent, link = search_address(clock, lambda _line, s: ["?"] if s > 10 else [])
    assert silent == Unknown("tcp 10.0.0.5:5025")
    assert link.sent[0] == "*IDN?"
    assert link.sent.count("*IDN?") == 1
    assert set(link.sent) == QUESTIONS


def test_a_driver_that_takes_no_address_recognises_nothing_there(clock: ManualClock) -> None:
    probe = LineProbe(SerialSettings, "*IDN?", kel103.codec.parse_identity)
    spec = DriverSpec("serial-only", "Serial only", SerialSettings, kel103.DRIVER.make)
    said = "RS-KEL103 V3.30 SN:0001"
    unknown, _ = search_address(clock, only("*IDN?", said), [Asking(spec, probe)])
    assert unknown == Unknown("tcp 10.0.0.5:5025", said)
