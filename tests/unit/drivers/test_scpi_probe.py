"""Which instruments a description recognises, and which it leaves unknown."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from bem_drivers.base import Identity, WrongDevice
from bem_drivers.finding import Asking
from bem_drivers.scpi.description_file import load_any_description, packaged_names
from bem_drivers.scpi.probe import MOST_QUESTIONS, described_instruments

DP811 = "RIGOL TECHNOLOGIES,DP811,DP8D1234,00.01.14"
METER: dict[str, Any] = {
    "kind": "meter",
    "title": "Bench meter",
    "measures": [{"ask": "READ?", "values": [{"channel": "v", "quantity": "voltage"}]}],
}


def described(**more: object) -> Asking:
    askings, troubles = described_instruments([], [METER | more])
    assert not troubles
    return askings[0]


def knows(asking: Asking, answer: str) -> bool:
    try:
        asking.probe.identify(answer)
    except WrongDevice:
        return False
    return True


@pytest.mark.parametrize(
    ("pattern", "answer", "known"),
    [
        ("^RIGOL[^,]*,(?P<model>DP8..),", DP811, True),
        ("^RIGOL[^,]*,(?P<model>DP8..),", "KEYSIGHT,E36103A,MY1,1.0", False),
        # By a pattern that fits any instrument, none is recognised.
        ("^(?P<make>[^,]+),(?P<model>[^,]+),(?P<serial>[^,]*),(?P<firmware>.*)$", DP811, False),
        ("(?P<model>.+)", DP811, False),
        (r"^(?P<make>[^,]+),(?P<model>[^,]+),\w+,V(?P<firmware>[\d.]+)$", "A,B,7,V2.0", False),
    ],
)
def test_a_pattern_says_whose_it_is(pattern: str, answer: str, known: bool) -> None:
    asking = described(identification={"pattern": pattern})
    assert knows(asking, answer) == known


@pytest.mark.parametrize(
    ("title", "known"),
    [
        ("Rigol DP811", True),
        ("rigol dp811, left", True),
        ("Rigol DP811A", False),
        ("Rigol", False),
        ("SCPI power supply", False),
    ],
)
def test_without_a_pattern_of_its_own_the_title_names_the_model(title: str, known: bool) -> None:
    assert knows(described(title=title), DP811) == known


def test_a_model_too_short_to_be_one_is_no_word_of_a_title() -> None:
    assert not knows(described(title="Output 1 of 2"), "ACME,1,7,1.0")


def test_it_tells_who_the_instrument_is_and_by_which_settings_it_is_driven() -> None:
    asking = described(title="Rigol DP811")
    identity = Identity("RIGOL TECHNOLOGIES", "DP811", "DP8D1234", "00.01.14")
    assert asking.probe.identify(DP811) == identity
    assert asking.spec.name == "scpi-meter"
    assert asking.probe.settings == {"description": METER | {"title": "Rigol DP811"}}


def test_descriptions_are_of_the_drivers_that_they_name(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(METER))
    askings, troubles = described_instruments([str(own)])
    assert not troubles
    assert {one.probe.described_by: one.spec.name for one in askings} == {
        str(own): "scpi-meter",
        "scpi-99-load": "scpi-load",
        "scpi-99-meter": "scpi-meter",
        "scpi-99-source": "scpi-source",
    }
    assert askings[0].probe.settings == {"instrument": str(own)}
    assert all(one.probe.rank > askings[0].probe.rank for one in askings[1:])


def test_one_that_cannot_be_used_is_told_and_hides_no_other(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: supply\n")
    askings, troubles = described_instruments([str(broken), "/no/such.yaml"], [{"kind": "meter"}])
    assert len(askings) == len(packaged_names())
    assert troubles[0] == (f"{broken}: kind: must be 'source', 'load' or 'meter' (found 'supply')")
    assert troubles[1].startswith("/no/such.yaml: cannot be read")
    assert troubles[2].startswith("a station's own description: ")


def test_the_same_description_twice_asks_once() -> None:
    askings, _ = described_instruments([], [METER, dict(METER)])
    assert len(askings) == 1 + len(packaged_names())


def test_more_questions_than_there_is_time_for_are_told() -> None:
    inline = [
        METER | {"title": f"Meter {number}", "identification": {"ask": f"ID{number}?"}}
        for number in range(MOST_QUESTIONS + 1)
    ]
    askings, (trouble,) = described_instruments([], inline)
    asked = {one.probe.question for one in askings}
    assert asked == {"*IDN?", *(f"ID{number}?" for number in range(MOST_QUESTIONS))}
    assert f"“Meter {MOST_QUESTIONS}”" in trouble


@pytest.mark.parametrize("name", packaged_names())
def test_an_example_knows_its_simulated_unit_and_no_real_instrument(name: str) -> None:
    askings, _ = described_instruments([])
    asking = next(one for one in askings if one.probe.described_by == name)
    assert knows(asking, f"BEM,{load_any_description(name).title},1,0")
    assert not knows(asking, DP811)
