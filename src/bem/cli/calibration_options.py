"""The options of ``bem calibrate``: whatever is left out is asked for in the terminal."""

import argparse
from pathlib import Path

DEFAULT_SETTLE_S = 2.0
DEFAULT_SILENCE_S = 2.0
DEFAULT_INTERVAL_DAYS = 365

_LIMITS = (
    ("voltage", "V", "of the battery"),
    ("current", "A", "of the battery; the minimum is the discharge, negative or 0"),
    ("power", "W", "of the battery, if it has any"),
    ("temperature", "degC", "of the battery, where the device measures it"),
)


def add_calibrate(calibrate: argparse.ArgumentParser) -> None:
    """Add them."""
    which = calibrate.add_mutually_exclusive_group(required=True)
    which.add_argument("station", nargs="?", help="check the power device of this station")
    which.add_argument(
        "--power",
        type=Path,
        metavar="FILE",
        help="check the device of this YAML file (driver, settings), which is in no station",
    )
    meter = calibrate.add_mutually_exclusive_group()
    meter.add_argument(
        "--meter",
        type=Path,
        metavar="FILE",
        help="YAML file (driver, settings) of the reference meter",
    )
    meter.add_argument(
        "--station-meter", metavar="NAME", help="the reference is this meter of the station"
    )
    calibrate.add_argument(
        "--source",
        type=Path,
        metavar="FILE",
        help="YAML file (driver, settings) of a source that steps the voltage, while the device "
        "is off and only measures; without a battery",
    )
    calibrate.add_argument(
        "--source-current",
        type=float,
        metavar="A",
        help="the most that the source may give (default 0.2 A)",
    )
    calibrate.add_argument(
        "--quantity",
        choices=("voltage", "current", "supply_voltage"),
        help="what to compare; supply_voltage (of the high side) only with --source",
    )
    calibrate.add_argument("--operator", metavar="NAME", help="who does it")
    calibrate.add_argument("--note", default="", metavar="TEXT", help="kept with the report")
    calibrate.add_argument("--meter-channel", default="", metavar="NAME", help="of the reference")
    calibrate.add_argument("--meter-serial", metavar="TEXT", help="as on its certificate")
    for name, text in (
        ("--meter-accuracy", "limits of the reference's own error"),
        ("--tolerance", "limits of the device's error that are still well"),
    ):
        calibrate.add_argument(
            name,
            type=float,
            nargs=2,
            metavar=("PERCENT", "FIXED"),
            help=f"{text}: %% of the reading, and V or A",
        )
    for quantity, unit, text in _LIMITS:
        for side in ("min", "max"):
            calibrate.add_argument(
                f"--{quantity}-{side}", type=float, metavar=unit, help=f"limit {text}"
            )
    calibrate.add_argument(
        "--firmware",
        type=int,
        nargs=2,
        metavar=("FACTOR", "OFFSET"),
        help="the constants in the image of an EPC now, to get the new ones",
    )
    calibrate.add_argument(
        "--points",
        type=int,
        metavar="N",
        help="3 to 101; default 11, or with a source those at which such a device is calibrated",
    )
    calibrate.add_argument(
        "--settle",
        type=float,
        default=DEFAULT_SETTLE_S,
        metavar="S",
        help="wait so long at each point before reading (default 2 s)",
    )
    calibrate.add_argument(
        "--silence",
        type=float,
        default=DEFAULT_SILENCE_S,
        metavar="S",
        help="a device with a watchdog switches off after so long without us (default 2 s)",
    )
    calibrate.add_argument(
        "--interval",
        type=int,
        default=DEFAULT_INTERVAL_DAYS,
        metavar="DAYS",
        help="due again after so many days (default 365)",
    )
    calibrate.add_argument(
        "--yes", action="store_true", help="ask nothing: all is connected, all is said by options"
    )
