"""A defect of the software before this one: its column for voltages knew no sign."""

from typing import Any

import pytest

from bem.lab import intake
from bem.lab.models import Experiment, Sample

Make = Any


@pytest.mark.parametrize("voltage", [-0.004, -12.5])
def test_a_negative_voltage_is_kept_and_holds_nothing_up(
    experiment: Experiment, batch: Make, voltage: float
) -> None:
    intake.take_samples("node-a", experiment.uuid, 0, batch([0, 1, 2], [3.7, voltage, 3.7]))
    kept = Sample.objects.filter(experiment=experiment).order_by("seq")
    assert [sample.voltage for sample in kept] == [3.7, voltage, 3.7]
