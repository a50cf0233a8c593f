"""Run a bench without the rest of the product."""

import sys

from bem_drivers.simulation.process import main

if __name__ == "__main__":
    sys.exit(main())
