"""Descriptions of instruments: those of the package, a laboratory's own, and wrong ones."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.clock import ManualClock
from tests.support.fuzzing import fuzz
from tests.unit.drivers.scpi_bench import ADDRESS, meter_bench

from bem_drivers.base import Device, DeviceError, ProtocolViolated
from bem_drivers.scpi import LOAD, METER, SOURCE
from bem_drivers.scpi.codec import Template, bits_of, is_one_of, parts_of, value_of
from bem_drivers.scpi.description import LoadDescription, MeterDescription, SourceDescription
from bem_drivers.scpi.description_file import (
    DescriptionError,
    check_description,
    load_description,
    packaged_names,
)

KINDS: dict[str, type[SourceDescription] | type[LoadDescription] | type[MeterDescription]] = {
    "scpi-99-source": SourceDescription,
    "scpi-99-load": LoadDescription,
    "scpi-99-meter": MeterDescription,
}
SPECS = {"scpi-99-source": SOURCE, "scpi-99-load": LOAD, "scpi-99-meter": METER}


def raw(name: str = "scpi-99-source") -> dict[str, Any]:
    """Get a packaged description as YAML has it."""
    path = Path(load_description.__code__.co_filename).parent / "examples" / f"{name}.yaml"
    described: dict[str, Any] = yaml.safe_load(path.read_text())
    return described


RAW = raw()
METER_DESCRIPTION = load_description("scpi-99-meter", MeterDescription)


def test_three_descriptions_come_with_the_product() -> None:
    assert packaged_names() == ["scpi-99-load", "scpi-99-meter", "scpi-99-source"]


@pytest.mark.parametrize("name", KINDS)
def test_a_packaged_description_makes_a_device(name: str) -> None:
    spec = SPECS[name]
    settings = spec.settings.model_validate(
        {"address": {"kind": "tcp", "host": "10.0.0.5", "port": 5025}, "instrument": name}
    )
    assert isinstance(spec.make(settings, ManualClock()), Device)
    assert spec.places(settings) == ("tcp 10.0.0.5:5025",)


def test_a_description_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(RAW | {"title": "Mine"}))
    settings = SOURCE.settings.model_validate(
        {"address": ADDRESS.model_dump(), "instrument": str(file)}
    )
    assert settings.described().title == "Mine"  # type: ignore[attr-defined] # settings of a source


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"instrument": "scpi-99-sorce"}, "no packaged description 'scpi-99-sorce'; there are"),
        ({"instrument": "mine.yaml"}, "must be an absolute path, such as /etc/bem/instruments"),
        ({"instrument": "/no/where.yaml"}, "No such file or directory.*put the description"),
        ({}, "give either 'instrument'"),
        ({"instrument": "scpi-99-source", "description": {}}, "give either 'instrument'"),
        ({"description": {"kind": "source"}}, "description: title: is missing; add it"),
        ({"instrument": "scpi-99-load"}, r"kind: must be 'source' here \(found 'load'\)"),
    ],
)
def test_settings_that_name_no_description_are_refused(named: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SOURCE.settings.model_validate({"address": ADDRESS.model_dump()} | named)


def test_a_file_that_is_no_yaml_is_told_where(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("kind: source\nmodes: {cc: [\n")
    with pytest.raises(DescriptionError, match=r"broken\.yaml: no YAML: .*line 3"):
        load_description(str(file), SourceDescription)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("unknown key", {"outputs": {}}, r"my: outputs: is no key .* \(found {}\)"),
    ("boolean word", {"output": RAW["output"] | {"answers_on": [True]}},
     r"my: output\.answers_on\[0\]: YAML takes ON.*put the word in quotes \(found True\)"),
    ("boolean key", {"output": RAW["output"] | {True: ["OUTP ON"]}},
     r"my: output: is no text; YAML takes on, off.*put it in quotes \(found True\)"),
    ("both on and off", {"output": RAW["output"] | {"answers_off": ["on"]}},
     r"my: output: \['on'\] cannot mean both"),
    ("no value", {"registers": RAW["registers"] | {
        "voltage": {"quantity": "voltage", "set": "VOLT 5"}}},
     r"my: registers\.voltage\.set: 'VOLT 5' has 0 times {value}.*\(found 'VOLT 5'\)"),
    ("bad format", {"registers": RAW["registers"] | {
        "voltage": {"quantity": "voltage", "set": "VOLT {value:.3q}"}}},
     r"registers\.voltage\.set: .*the format '\.3q' does not make a number"),
    ("other place holder", {"registers": RAW["registers"] | {
        "voltage": {"quantity": "voltage", "set": "VOLT {volts}"}}},
     r"place holder 'volts'; only {value}"),
    ("order as query", {"measures": [{"ask": "MEAS:VOLT", "values": [{"channel": "a"}]}]},
     r"my: measures\[0\]\.ask: 'MEAS:VOLT' asks nothing"),
    ("query as order", {"prepare": ["*IDN?"]}, r"my: prepare\[0\]: '\*IDN\?' is a query"),
    ("two lines in one", {"prepare": ["*CLS\n*RST"]}, r"prepare\[0\]: '\\n' is no printable"),
    ("no such register", {"modes": {"cc": {"sets": "amps", "bounds": ["voltage"]}}},
     r"modes\.cc: there is no register 'amps'; there are: current, voltage"),
    ("other quantity", {"modes": {"cc": {"sets": "voltage", "bounds": ["current"]}}},
     r"modes\.cc\.sets: 'voltage' is a voltage, but cc regulates current"),
    ("unbounded source", {"modes": {"cc": {"sets": "current"},
                                    "cv": {"sets": "voltage", "bounds": ["current"]}}},
     r"modes\.cc\.bounds: a source needs its voltage bounded"),
    ("no current", {"measures": RAW["measures"][:1]},
     r"measures: no value has channel current"),
    ("twice", {"measures": [*RAW["measures"], RAW["measures"][0]]},
     r"the channel voltage is measured twice"),
    ("wrong unit", {"measures": [*RAW["measures"], {"ask": "MEAS:POW?", "values": [
        {"channel": "power", "quantity": "power", "unit": "kW"}]}]},
     r"measures\[2\]\.values\[0\]: a power is in W, not 'kW'.*'scale'"),
    ("no model", {"identification": {"pattern": "^KEYSIGHT"}},
     r"identification\.pattern: '\^KEYSIGHT' names the groups none; it must have \(\?P<model>"),
    ("no pattern", {"errors": {"none": "["}}, r"errors\.none: '\[' is no regular expression"),
    ("not rated", {"ratings": {"voltage_max": 0, "current_max": 10, "power_max": 1}},
     r"my: ratings\.voltage_max: Input should be greater than 0 \(found 0\)"),
    ("bits and answers", {"faults": [{"ask": "STAT?"}]}, r"faults\[0\]: give either 'bits'"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [one[1:] for one in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_told_with_path_value_and_remedy(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(DescriptionError, match=said):
        check_description(RAW | changes, SourceDescription, "my")


@fuzz
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=8,
    ),
    st.sampled_from(sorted(RAW)),
)
def test_whatever_stands_there_is_taken_or_told(value: object, key: str) -> None:
    try:
        check_description(RAW | {key: value}, SourceDescription, "my")
    except DescriptionError as error:
        assert str(error).startswith("my: ")  # noqa: PT017 - both ends are fine


@given(st.floats(0, 1e6), st.sampled_from([".3f", ".4f", ".6e", "+.6E", ""]))
def test_a_line_says_what_it_is_read_as(value: float, form: str) -> None:
    template = Template(f"VOLT {{value:{form}}}V")
    said = template.value(template.line(value).lower())
    assert said == template.rounded(value)


@fuzz
@given(st.text(max_size=30) | st.from_regex(r"[-+0-9.eE, VAnif]{0,20}", fullmatch=True))
def test_an_answer_is_a_finite_number_or_refused(text: str) -> None:
    try:
        value = value_of(text, "V")
    except ProtocolViolated:
        return
    assert abs(value) < 9.9e37
    assert text.strip().removesuffix("V").strip(" \t") != ""
    assert float(text.strip(" \t\r\n").removesuffix("V")) == value


@fuzz
@given(st.text(max_size=30))
def test_a_status_is_a_register_or_refused(text: str) -> None:
    with suppress(ProtocolViolated):
        assert 0 <= bits_of(text) < 2**32


@fuzz
@given(st.text(max_size=30), st.integers(1, 5))
def test_as_many_values_as_described_or_none(text: str, count: int) -> None:
    with suppress(ProtocolViolated):
        assert len(parts_of(text, ",", count)) == count


def test_words_are_the_same_in_any_case_and_quotes() -> None:
    assert is_one_of(' "on" ', ("1", "ON"))
    assert not is_one_of("ONE", ("1", "ON"))


def test_a_meter_measures(clock: ManualClock) -> None:
    meter, _, _ = meter_bench(clock, METER_DESCRIPTION)
    meter.open()
    reading = meter.read()
    assert [channel.name for channel in meter.channels] == ["meter_voltage"]
    assert reading.values["meter_voltage"].value == pytest.approx(3.7)
    assert reading.active is None
    meter.close()


def test_a_meter_that_echoes_needs_one_word(clock: ManualClock) -> None:
    echoing = METER_DESCRIPTION.model_copy(update={"echo": True})
    meter, _, link = meter_bench(clock, echoing, numbers=".1e")
    meter.open()
    assert meter.read().values["meter_voltage"].value == pytest.approx(3.7)
    link.replace_next("VOLT?")
    with pytest.raises(ProtocolViolated, match="echo"):
        meter.read()


@fuzz
@given(text=st.text(max_size=40))
def test_whatever_a_meter_answers_no_value_is_invented(text: str) -> None:
    clock = ManualClock()
    meter, _, link = meter_bench(clock, METER_DESCRIPTION)
    meter.open()
    line = text.split("\n", maxsplit=1)[0]
    link.replace_next(line)
    try:
        reading = meter.read()
    except DeviceError:
        return
    value = reading.values["meter_voltage"].value
    assert f"{value:g}" == f"{float(line.strip().removesuffix('V')):g}"
