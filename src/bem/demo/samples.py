"""Batteries and profiles to begin with."""

from bem.lab.operations.batteries import (
    BatteryInput,
    LeadAcidDetails,
    LithiumDetails,
    RedoxStackDetails,
)
from bem.lab.operations.profiles import ProfileInput

BATTERIES = (
    BatteryInput(
        name="NMC 18650 cell",
        manufacturer="Example Cells",
        model="INR18650-25",
        serial_number="A-001",
        description="The simulated cell on the stations EPC 1 and Virtual 1.",
        voltage_min=2.5,
        voltage_max=4.25,
        current_min=-5.0,
        current_max=2.5,
        details=LithiumDetails(capacity=2.5, chemistry="nmc"),
    ),
    BatteryInput(
        name="LFP 26650 cell",
        manufacturer="Example Cells",
        model="IFR26650-25",
        serial_number="B-001",
        description="The simulated cell on the station EPC 2.",
        voltage_min=2.0,
        voltage_max=3.7,
        current_min=-5.0,
        current_max=2.5,
        details=LithiumDetails(capacity=2.5, chemistry="lfp"),
    ),
    BatteryInput(
        name="Lead-acid 2 V cell",
        manufacturer="Example Storage",
        model="OPzS-12",
        serial_number="C-001",
        description="A stationary cell; no simulated station has one connected.",
        voltage_min=1.75,
        voltage_max=2.45,
        current_min=-6.0,
        current_max=3.0,
        details=LeadAcidDetails(capacity=12.0, chemistry="liquid"),
    ),
    BatteryInput(
        name="Vanadium stack",
        manufacturer="Example Flow",
        model="VRB-5",
        serial_number="D-001",
        description="Five cells of 100 cm²; no simulated station has one connected.",
        cells=5,
        cell_voltage_min=0.8,
        cell_voltage_max=1.65,
        voltage_min=4.0,
        voltage_max=8.25,
        current_min=-10.0,
        current_max=10.0,
        details=RedoxStackDetails(
            electrode_area=100.0,
            electrode_composition="Carbon felt, 4.6 mm",
            bipolar_type="composite_schunk",
            membrane_type="fumasep_anionic",
            electrolyte_type="all_vanadium",
        ),
    ),
)

PROFILES = (
    ProfileInput(
        name="CC-CV cycles, NMC",
        description="Three full cycles at C/2 between 2.8 V and 4.2 V.",
        text="""\
Rest for 1 minute
Repeat 3 times:
    Charge at C/2 until 4.2 V
    Hold at 4.2 V until C/20 or for 1 hour
    Rest for 10 minutes
    Discharge at C/2 until 2.8 V
    Rest for 10 minutes
""",
    ),
    ProfileInput(
        name="CC-CV cycles, LFP",
        description="Three full cycles at C/2 between 2.5 V and 3.6 V.",
        text="""\
Rest for 1 minute
Repeat 3 times:
    Charge at C/2 until 3.6 V
    Hold at 3.6 V until C/20 or for 1 hour
    Rest for 10 minutes
    Discharge at C/2 until 2.5 V
    Rest for 10 minutes
""",
    ),
    ProfileInput(
        name="Rate test, NMC",
        description="How much charge comes out at C/5, C/2, 1C and 2C after equal charges.",
        text="""\
Charge at C/2 until 4.2 V
Hold at 4.2 V until C/20
Rest for 30 minutes
Discharge at C/5 until 2.8 V
Rest for 30 minutes
Charge at C/2 until 4.2 V
Hold at 4.2 V until C/20
Rest for 30 minutes
Discharge at C/2 until 2.8 V
Rest for 30 minutes
Charge at C/2 until 4.2 V
Hold at 4.2 V until C/20
Rest for 30 minutes
Discharge at 1C until 2.8 V
Rest for 30 minutes
Charge at C/2 until 4.2 V
Hold at 4.2 V until C/20
Rest for 30 minutes
Discharge at 2C until 2.8 V
Rest for 30 minutes
""",
    ),
    ProfileInput(
        name="Rest for an hour",
        description="Watches the open-circuit voltage; the output stays off.",
        text="Rest for 1 hour\n",
    ),
    ProfileInput(
        name="A few minutes by hand",
        description="Short charge and discharge pulses of 1 A to see something move at once.",
        text="""\
Rest for 10 seconds
Repeat 5 times:
    Charge at 1 A for 20 seconds
    Rest for 10 seconds
    Discharge at 1 A for 20 seconds
    Rest for 10 seconds
""",
    ),
)
