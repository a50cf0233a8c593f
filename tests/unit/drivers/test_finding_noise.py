"""Noise on a port or a bus is never taken for a device that is not there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fuzzing import fuzz

from bem_drivers.base import DeviceError
from bem_drivers.can import CanSettings, Frame
from bem_drivers.finding import LineProbe
from bem_drivers.finding.probe import CanProbe
from bem_drivers.registry import driver, driver_names

SPECS = [driver(name) for name in driver_names()]
PROBES = [(spec.name, spec.probe()) for spec in SPECS if spec.probe is not None]
ON_LINES = [pytest.param(probe, id=name) for name, probe in PROBES if isinstance(probe, LineProbe)]
ON_CAN = [pytest.param(probe, id=name) for name, probe in PROBES if isinstance(probe, CanProbe)]
BUS = CanSettings(interface="virtual", channel="none")
ANSWERS = st.text(max_size=60) | st.from_regex(
    r"(EA|EPS|RS-KEL103|2831E|:IDN:FLOWmeter)[ A-Za-z0-9:,.\-]{0,40}", fullmatch=True
)
FRAMES = st.lists(st.builds(Frame, st.integers(0, 0x7FF), st.binary(max_size=8)), max_size=30)


@pytest.mark.parametrize("probe", ON_LINES)
@fuzz
@given(answer=ANSWERS)
def test_an_identity_stands_in_the_answer(probe: LineProbe, answer: str) -> None:
    try:
        identity = probe.identify(answer)
    except DeviceError:
        return
    assert identity.model
    assert identity.serial in answer
    assert identity.firmware in answer


@pytest.mark.parametrize("probe", ON_CAN)
@fuzz
@given(frames=FRAMES)
def test_devices_on_a_bus_are_those_that_spoke(probe: CanProbe, frames: list[Frame]) -> None:
    spoke = {frame.data for frame in frames if frame.frame_id in probe.identifiers}
    for device in probe.recognise(BUS, frames):
        assert device.answered in spoke
        assert device.identity.model
