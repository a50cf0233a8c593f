"""What is kept of checks: which is the newest, when it is due, how it reads."""

from datetime import UTC, date, datetime, timedelta

import pytest

from bem.domain.calibration.course import Point, Quantity, Skipped
from bem.domain.calibration.fit import fit_line
from bem.domain.calibration.judging import Accuracy, Verdict, factors
from bem.domain.calibration.report import (
    Instrument,
    Reference,
    Report,
    due_date,
    newest,
    overdue,
)
from bem.domain.calibration.text import render
from bem.domain.limits import Limits

MADE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POINTS = ((3.0, 3.01), (3.5, 3.511), (4.0, 4.009))
FIT = fit_line([one for one, _ in POINTS], [two for _, two in POINTS])
GOOD = Accuracy(share=0.0003, fixed=0.0005)


def report(
    made_at: datetime = MADE,
    quantity: Quantity = Quantity.VOLTAGE,
    serial: str = "7",
    days: int = 365,
    operator: str = "Ada",
) -> Report:
    return Report(
        made_at=made_at,
        operator=operator,
        quantity=quantity,
        device=Instrument(driver="epc", make="Wattrex", model="EPC rev. B", serial=serial),
        reference=Reference(
            instrument=Instrument(driver="bk2831", make="BK Precision", model="2831E"),
            channel="voltage",
            serial="C-17",
            accuracy=GOOD,
        ),
        limits=Limits(voltage_min=3, voltage_max=4.2, current_min=-2, current_max=2),
        readings_per_point=9,
        points=tuple(
            Point(set_point=one, device=one, reference=two, voltage=one) for one, two in POINTS
        ),
        skipped=(Skipped(set_point=4.1, reason="truly it would be 4.3 V"),),
        fit=FIT,
        factors=factors(FIT, GOOD),
        tolerance=Accuracy(share=0.001, fixed=0.02),
        verdict=Verdict.PASSED,
        due=due_date(made_at, days),
    )


def test_a_check_is_due_a_year_later_and_overdue_the_day_after() -> None:
    made = report()
    assert made.due == date(2027, 3, 1)
    assert not made.is_overdue(datetime(2027, 3, 1, 23, 59, tzinfo=UTC))
    assert made.is_overdue(datetime(2027, 3, 2, 0, 0, tzinfo=UTC))


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_an_interval_is_of_days_to_ten_years(days: int) -> None:
    with pytest.raises(ValueError, match="choose 1 to 3650"):
        due_date(MADE, days)


def test_only_the_newest_of_each_device_and_quantity_counts() -> None:
    later = MADE + timedelta(days=200)
    old, new = report(days=30), report(made_at=later)
    current = report(quantity=Quantity.CURRENT, days=400)
    other = report(serial="8", days=10)
    kept = [new, old, current, other]
    assert newest(kept) == (other, current, new)
    now = MADE + timedelta(days=100)
    assert overdue(kept, old.device.key, now) == ()
    assert overdue(kept, other.device.key, now) == (other,)
    assert overdue([old], old.device.key, now) == (old,)
    assert overdue([old], ("Wattrex", "EPC rev. B", "99"), now) == ()


def test_a_report_is_the_same_after_it_was_written() -> None:
    assert Report.model_validate_json(report().model_dump_json()) == report()


def test_its_name_sorts_by_time_and_says_what_it_is_of() -> None:
    assert report().name == "20260301T120000Z-wattrex-epc-rev-b-7-voltage"
    assert report(serial="../../etc").name == "20260301T120000Z-wattrex-epc-rev-b-etc-voltage"


def test_a_person_can_read_it() -> None:
    text = render(report(operator="Ada | B\nC"))
    for said in (
        "| Made | 2026-03-01 12:00:00 UTC |",
        "| Operator | Ada / B C |",
        "| Due again | 2027-03-01 |",
        "Wattrex EPC rev. B, serial number 7",
        "| Reference's serial number | C-17 |",
        "0.03 % of the reading + 0.0005 V",
        "voltage_min 3, voltage_max 4.2, current_min -2, current_max 2",
        "**PASSED**",
        f"| gain | {FIT.gain:.6f} |",
        "| 3.5 | 3.50000 | 3.51100 | -0.01100 |",
        "* 4.1 V: truly it would be 4.3 V",
        "Nothing was written to the device.",
    ):
        assert said in text
