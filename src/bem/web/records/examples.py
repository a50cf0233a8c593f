"""Examples of the profile language, to read and to insert. A test keeps them free of problems."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A title and the lines it stands for; empty ones are inserted with it."""

    title: str
    text: str


EXAMPLES = (
    Example("Rest", "Rest for 10 minutes"),
    Example("Constant current", "Charge at 1.5 A until 4.2 V"),
    Example("C-rate", "Discharge at C/2 until 2.5 V"),
    Example("Constant voltage", "Hold at 4.2 V until C/20 or for 2 hours"),
    Example("Constant power", "Discharge at 5 W until 2.8 V or for 1 hour"),
    Example("Until a capacity", "Charge at C/5 until 1.2 Ah or until 4.2 V"),
    Example(
        "Repeat",
        "Repeat 100 times:\n"
        "    Charge at C/2 until 4.2 V\n"
        "    Hold at 4.2 V until C/20\n"
        "    Rest for 30 minutes\n"
        "    Discharge at 1C until 2.5 V\n"
        "    Rest for 30 minutes",
    ),
    Example("Keep fewer samples", "Rest for 2 hours    record every 10 s or 5 mV"),
)
