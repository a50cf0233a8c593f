"""A report as a person reads it: Markdown."""

from datetime import UTC

from bem.domain.calibration.judging import Accuracy, Verdict, uncertainty_at
from bem.domain.calibration.report import Report

_SAYS = {
    Verdict.PASSED: "**PASSED**: every error with its uncertainty is within the tolerance",
    Verdict.FAILED: "**FAILED**: an error is beyond the tolerance even without its uncertainty",
    Verdict.UNDECIDED: "**UNDECIDED**: errors are too near to the tolerance for this uncertainty",
}

_COLUMNS = (
    "set point",
    "device",
    "reference",
    "error",
    "uncertainty (95 %)",
    "tolerance",
    "residual",
    "spread of device",
    "spread of reference",
)


def accuracy_text(accuracy: Accuracy, unit: str) -> str:
    """Write limits of an error: ``0.1 % of the reading + 0.005 V``."""
    return f"{accuracy.share * 100:g} % of the reading + {accuracy.fixed:g} {unit}"


def render(report: Report) -> str:
    """Write a report."""
    sections = (_head(report), _result(report), _points(report), _method(report))
    return "\n\n".join(sections) + "\n"


def _head(report: Report) -> str:
    unit, reference = report.quantity.unit, report.reference
    limits = report.limits.model_dump(exclude_none=True)
    rows = {
        "Made": f"{report.made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        "Operator": _cell(report.operator),
        "Due again": f"{report.due:%Y-%m-%d}",
        "Device": _cell(str(report.device)),
        "Station": _cell(report.station) or "none",
        "Reference": _cell(f"{reference.instrument}, channel {reference.channel}"),
        "Reference's serial number": _cell(reference.serial),
        "Reference's accuracy": accuracy_text(reference.accuracy, unit),
        "Source": "the device itself" if report.source is None else _cell(str(report.source)),
        "Tolerance": accuracy_text(report.tolerance, unit),
        "Limits": ", ".join(f"{name} {value:g}" for name, value in limits.items()),
        "Note": _cell(report.note) or "none",
    }
    lines = [f"# Calibration check: {report.quantity.in_words}", "", "| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows.items())])


def _result(report: Report) -> str:
    unit, found = report.quantity.unit, report.factors
    low = min(point.device for point in report.points)
    high = max(point.device for point in report.points)
    lines = [
        "## Result",
        "",
        f"{_SAYS[report.verdict]}.",
        "",
        f"true {report.quantity.in_words} = gain x reading + offset",
        "",
        f"Holds for readings from {low:.4g} to {high:.4g} {unit}.",
        "",
        "| | value | uncertainty (95 %) |",
        "|---|---|---|",
        f"| gain | {found.gain:.6f} | {found.gain_uncertainty:.2g} |",
        f"| offset ({unit}) | {found.offset:.6f} | {found.offset_uncertainty:.2g} |",
        f"| standard deviation of the residuals ({unit}) | {report.fit.scatter:.2g} | |",
        "",
        "Nothing was written to the device.",
    ]
    if report.firmware is not None and report.firmware_present is not None:
        old, new = report.firmware_present, report.firmware
        lines += [
            "",
            "| constants of the firmware image | factor | offset |",
            "|---|---|---|",
            f"| present | {old.factor} | {old.offset} |",
            f"| found | {new.factor} | {new.offset} |",
        ]
    elif report.firmware_note:
        lines += ["", f"Firmware constants: {report.firmware_note}."]
    return "\n".join(lines)


def _points(report: Report) -> str:
    unit, accuracy = report.quantity.unit, report.reference.accuracy
    lines = [
        "## Points",
        "",
        f"Medians of {report.readings_per_point} readings, in {unit}, in the order in which they",
        "were taken. The error is device minus reference.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|" + "---|" * len(_COLUMNS),
    ]
    for point in report.points:
        uncertainty = uncertainty_at(point.device, report.fit, accuracy)
        values = (
            f"{point.set_point:.5g}",
            f"{point.device:.5f}",
            f"{point.reference:.5f}",
            f"{point.device - point.reference:+.5f}",
            f"{uncertainty:.2g}",
            f"{report.tolerance.at(point.reference):.2g}",
            f"{point.reference - report.fit.at(point.device):+.5f}",
            f"{point.device_spread:.2g}",
            f"{point.reference_spread:.2g}",
        )
        lines.append(f"| {' | '.join(values)} |")
    if report.skipped:
        lines += ["", "Not taken:", ""]
        lines += [f"* {one.set_point:.5g} {unit}: {one.reason}" for one in report.skipped]
    return "\n".join(lines)


def _method(report: Report) -> str:
    return (
        "## Method\n\n"
        "Least squares of the reference over the device, uncertainties as in GUM (JCGM 100:2008) "
        f"H.3; k = {report.factors.coverage:g} for {report.fit.degrees} degrees of freedom (table "
        "G.2). The accuracy of the reference enters as the limits of a rectangular distribution "
        "(4.3.7). Verdict with the uncertainty as guard band (JCGM 106:2012, 8.3)."
    )


def _cell(text: str) -> str:
    """Keep a text from breaking its table."""
    return " ".join(text.split()).replace("|", "/")
