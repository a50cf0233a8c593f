"""What the settings of an EA supply may be."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from tests.support.clock import ManualClock

from bem_drivers.ea import DRIVER, EaSettings

PAGE = Path(__file__).parents[3] / "docs/devices/ea.md"


class TestSettings:
    def test_a_port_alone_has_the_line_of_a_supply(self) -> None:
        settings = EaSettings.model_validate({"address": {"kind": "serial", "port": "/dev/ea"}})
        address = settings.address
        assert address.model_dump() == {
            "kind": "serial",
            "port": "/dev/ea",
            "baudrate": 9600,
            "parity": "odd",
            "data_bits": 8,
            "stop_bits": 1,
        }

    @pytest.mark.parametrize(
        ("wrong", "path"),
        [
            ({"output": 3}, "output"),
            ({"output": 0}, "output"),
            ({"reply_timeout_s": 0}, "reply_timeout_s"),
            ({"serial_number": ""}, "serial_number"),
            ({"speed": 1}, "speed"),
        ],
    )
    def test_a_wrong_setting_is_refused_with_its_path(
        self, wrong: dict[str, object], path: str
    ) -> None:
        address = {"kind": "serial", "port": "/dev/ea"}
        with pytest.raises(ValidationError) as caught:
            EaSettings.model_validate({"address": address, **wrong})
        assert caught.value.errors()[0]["loc"] == (path,)

    def test_both_outputs_of_a_unit_are_one_place_as_they_share_a_line(self) -> None:
        address = {"kind": "serial", "port": "/dev/bem/ea-1"}
        places = {
            DRIVER.places(EaSettings.model_validate({"address": address, "output": output}))
            for output in (1, 2)
        }
        assert places == {("serial /dev/bem/ea-1",)}

    def test_the_examples_of_the_handbook_are_settings(self) -> None:
        examples = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        assert len(examples) == 3
        for example in map(yaml.safe_load, examples):
            assert example["driver"] == DRIVER.name
            DRIVER.settings.model_validate(example["settings"])

    def test_making_a_driver_touches_no_port(self, clock: ManualClock) -> None:
        for address in (
            {"kind": "serial", "port": "/dev/there-is-none"},
            {"kind": "tcp", "host": "10.255.255.1", "port": 5025},
        ):
            device = DRIVER.make(EaSettings.model_validate({"address": address}), clock)
            device.close()
