"""The tests here are for wherever the example is installed; another test installs it first."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("bem_thermo") else ["test_thermo.py"]
