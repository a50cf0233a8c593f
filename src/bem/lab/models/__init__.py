"""The tables. Volts, amperes, watts, ampere-hours, watt-hours; discharge is negative."""

from bem.lab.models.accounts import Account
from bem.lab.models.alarms import Alarm, Delivery, Notifications, Severity
from bem.lab.models.batteries import (
    Battery,
    Chemistry,
    LeadAcid,
    LeadAcidChemistry,
    Lithium,
    RedoxStack,
)
from bem.lab.models.commands import Command
from bem.lab.models.experiments import Experiment, Intake
from bem.lab.models.lease import Lease
from bem.lab.models.nodes import Device, DriverList, Node, Station
from bem.lab.models.profiles import Profile
from bem.lab.models.results import Bucket, CycleResult, Event, Sample, StepResult

__all__ = [
    "Account",
    "Alarm",
    "Battery",
    "Bucket",
    "Chemistry",
    "Command",
    "CycleResult",
    "Delivery",
    "Device",
    "DriverList",
    "Event",
    "Experiment",
    "Intake",
    "LeadAcid",
    "LeadAcidChemistry",
    "Lease",
    "Lithium",
    "Node",
    "Notifications",
    "Profile",
    "RedoxStack",
    "Sample",
    "Severity",
    "Station",
    "StepResult",
]
