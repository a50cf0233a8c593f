"""From a profile to the program for one battery at one station, or to all that speaks against it.

C-rates become amperes, tables and pulses courses, labels operations, and the direction of each end
is resolved. Loops stay loops. Checks that need a battery or a station are left out where it is
not known yet, as in the editor.
"""

from bem.domain.battery import Capacity
from bem.domain.compiling.compiler import (
    UNNAMED,
    check_profile,
    check_text,
    compile_profile,
    compile_text,
)
from bem.domain.compiling.ends import LONGEST_DURATION, MOST_CAPACITY
from bem.domain.compiling.summary import Summary, describe

__all__ = [
    "LONGEST_DURATION",
    "MOST_CAPACITY",
    "UNNAMED",
    "Capacity",
    "Summary",
    "check_profile",
    "check_text",
    "compile_profile",
    "compile_text",
    "describe",
]
